using System.ComponentModel;
using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using System.Runtime.Versioning;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;

namespace WatchParty.Worker.Hosting;

/// <summary>Life of the host as a Windows service: running when the host has started, stopped with the program's exit code, so that
/// the recovery actions of the service apply to a failure.</summary>
/// <remarks>Compiled, but UNTESTED on Windows. Written against the documentation of StartServiceCtrlDispatcherW,
/// RegisterServiceCtrlHandlerExW and SetServiceStatus, because Microsoft's package for it is not among our sources.</remarks>
[SupportedOSPlatform("windows")]
internal sealed partial class WindowsServiceLifetime(IHostApplicationLifetime application,
    ILogger<WindowsServiceLifetime> logger) : IHostLifetime
{
    private const int OwnProcess = 0x10;
    private const int Stopped = 1, StartPending = 2, StopPending = 3, Running = 4;
    private const int AcceptStop = 1, AcceptShutdown = 4;
    private const int ControlStop = 1, ControlInterrogate = 4, ControlShutdown = 5;
    private const int NotImplemented = 120, ServiceSpecificError = 1066;
    private const int WaitHintMilliseconds = 45_000;

    // The controller calls back without a context when a service has a process of its own, hence one instance.
    private static WindowsServiceLifetime? _current;

    private readonly TaskCompletionSource _registered = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private readonly TaskCompletionSource _dispatcherEnded = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private readonly Lock _lock = new();
    private IntPtr _handle;
    private int _checkPoint;
    private bool _stopped;

    /// <summary>Whether the process has no desktop to show anything on, as a service has not.</summary>
    public static bool RunsAsService => OperatingSystem.IsWindows() && !Environment.UserInteractive;

    public async Task WaitForStartAsync(CancellationToken cancellationToken)
    {
        _current = this;
        application.ApplicationStarted.Register(() => Report(Running));
        application.ApplicationStopping.Register(() => Report(StopPending));
        // The dispatcher keeps its thread for the life of the service, and the service's main is called on another one.
        new Thread(Dispatch) { IsBackground = true, Name = "Service dispatcher" }.Start();
        await _registered.Task.WaitAsync(cancellationToken);
    }

    /// <summary>Called when all services of the host have stopped.</summary>
    public async Task StopAsync(CancellationToken cancellationToken)
    {
        Report(Stopped);
        // The controller may end the process as soon as it hears of the stop, so the last word is left to the dispatcher.
        await _dispatcherEnded.Task.WaitAsync(TimeSpan.FromSeconds(5), TimeProvider.System, cancellationToken)
            .ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
    }

    private unsafe void Dispatch()
    {
        fixed (char* name = "watchparty-worker")
        {
            // The table ends with an empty entry.
            var table = stackalloc ServiceTableEntry[2];
            table[0] = new ServiceTableEntry { Name = name, Main = &ServiceMain };
            if (!StartServiceCtrlDispatcher(table))
            {
                // 1063: started without a desktop, but not by the service controller. It runs as on a console.
                var reason = new Win32Exception(Marshal.GetLastPInvokeError()).Message;
                logger.NotAService(reason);
            }
        }
        _registered.TrySetResult();
        _dispatcherEnded.TrySetResult();
    }

    [UnmanagedCallersOnly(CallConvs = [typeof(CallConvStdcall)])]
    private static unsafe void ServiceMain(int count, char** arguments)
    {
        var lifetime = _current!;
        lifetime._handle = RegisterServiceCtrlHandlerEx("watchparty-worker", &Control, null);
        lifetime.Report(StartPending);
        lifetime._registered.TrySetResult();
    }

    [UnmanagedCallersOnly(CallConvs = [typeof(CallConvStdcall)])]
    private static unsafe int Control(int control, int eventType, void* eventData, void* context)
    {
        if (control is ControlStop or ControlShutdown)
        {
            _current!.Report(StopPending);
            // Not here: the controller waits for the return of this call.
            ThreadPool.QueueUserWorkItem(_ => _current!.Stop());
            return 0;
        }
        return control == ControlInterrogate ? 0 : NotImplemented;
    }

    private void Stop() => application.StopApplication();

    private void Report(int state)
    {
        lock (_lock)
        {
            if (_handle == IntPtr.Zero || _stopped) { return; }
            _stopped = state == Stopped;
            var exitCode = state == Stopped ? Environment.ExitCode : 0;
            var pending = state is StartPending or StopPending;
            var status = new ServiceStatus
            {
                Type = OwnProcess,
                State = state,
                Accepted = state == Running ? AcceptStop | AcceptShutdown : 0,
                ExitCode = exitCode == 0 ? 0 : ServiceSpecificError,
                SpecificExitCode = exitCode,
                CheckPoint = pending ? ++_checkPoint : 0,
                WaitHint = pending ? WaitHintMilliseconds : 0,
            };
            _ = SetServiceStatus(_handle, in status);
        }
    }

    [LibraryImport("advapi32", EntryPoint = "StartServiceCtrlDispatcherW", SetLastError = true)]
    [return: MarshalAs(UnmanagedType.Bool)]
    private static unsafe partial bool StartServiceCtrlDispatcher(ServiceTableEntry* table);

    [LibraryImport("advapi32", EntryPoint = "RegisterServiceCtrlHandlerExW", SetLastError = true,
        StringMarshalling = StringMarshalling.Utf16)]
    private static unsafe partial IntPtr RegisterServiceCtrlHandlerEx(string name,
        delegate* unmanaged[Stdcall]<int, int, void*, void*, int> handler, void* context);

    [LibraryImport("advapi32", EntryPoint = "SetServiceStatus", SetLastError = true)]
    [return: MarshalAs(UnmanagedType.Bool)]
    private static partial bool SetServiceStatus(IntPtr handle, in ServiceStatus status);

    private unsafe struct ServiceTableEntry
    {
        public char* Name;
        public delegate* unmanaged[Stdcall]<int, char**, void> Main;
    }

    private struct ServiceStatus
    {
        public int Type, State, Accepted, ExitCode, SpecificExitCode, CheckPoint, WaitHint;
    }
}

internal static partial class WindowsServiceLifetimeLog
{
    [LoggerMessage(Level = LogLevel.Information, Message = "Not started by the service controller ({Reason}); running as on a console")]
    public static partial void NotAService(this ILogger logger, string reason);
}

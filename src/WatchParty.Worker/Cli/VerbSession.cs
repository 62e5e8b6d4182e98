using System.CommandLine;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;
using Serilog;
using Serilog.Events;
using WatchParty.Releases.Recording;
using WatchParty.Releases.Releasing;
using WatchParty.Releases.Signals;
using WatchParty.Tools.Configuration;
using WatchParty.Worker.Control;
using WatchParty.Worker.Hosting;
using WatchParty.Worker.Operating;

namespace WatchParty.Worker.Cli;

/// <summary>What a verb needs to do its work in its own process.</summary>
internal sealed class VerbSession : IAsyncDisposable
{
    private readonly ServiceProvider _services;
    private readonly ConsoleSignals _signals;

    private VerbSession(ServiceProvider services, WorkerOptions options, StateFolder state)
    {
        _services = services;
        Options = options;
        State = state;
        _signals = new ConsoleSignals(services.GetRequiredService<ILogger<ConsoleSignals>>());
    }

    public WorkerOptions Options { get; }

    public StateFolder State { get; }

    /// <summary>Cancelled by Ctrl-C and SIGTERM.</summary>
    public CancellationToken Stop => _signals.Stop;

    public static VerbSession Open(CommonOptions common, ParseResult arguments)
    {
        var (_, options) = common.Read(arguments);
        var state = StateFolder.Open(options.State.Folder);
        // A verb says what it does by itself; of the log a person wants only what went wrong.
        var logger = new LoggerConfiguration().MinimumLevel.Is(LogEventLevel.Warning)
            .WriteTo.Console(PlainFormatter.ForVerb, standardErrorFromLevel: LogEventLevel.Verbose)
            .CreateLogger();
        var services = new ServiceCollection()
            .AddLogging(logging => logging.AddSerilog(logger, dispose: true))
            .AddWorker(options, state)
            .BuildServiceProvider();
        return new VerbSession(services, options, state);
    }

    public T Get<T>() where T : notnull => _services.GetRequiredService<T>();

    /// <summary>Does what <paramref name="request"/> says in the running service, or here under the same lock when there is none.</summary>
    public async Task<VerbResult> DoAsync(ControlRequest request)
    {
        await using var progress = new ProgressDisplay();
        using var held = WorkerLock.TryTake(State, request.Verb, TimeProvider.System, out var holder);
        if (held is null)
        {
            return await ControlClient.AskAsync(State, request, progress.Show, Stop)
                ?? new VerbResult(ExitCode.Busy, null, $"Busy: {holder} holds the lock {State.Lock}. Try again when it is done.");
        }
        await Leftovers.EndAsync(State, TimeProvider.System);
        Leftovers.Mark(State);
        State.EmptyWork();
        if (HistoryFile.SetAsideIfBroken(State.Database, TimeProvider.System) is { } aside)
        {
            Get<ILogger<Recovery>>().HistorySetAside(aside);
        }
        Get<ProgressFeed>().Reported += progress.Show;
        await Get<Operations>().RecoverAsync(always: false, Stop);
        var result = await Get<VerbWork>().RunAsync(request, Stop);
        try
        {
            while (!await Get<Operations>().TidyAsync(Stop)) { }
        }
        catch (OperationCanceledException)
        {
            // The verb itself has come to its end; the next process goes on.
        }
        return result;
    }

    public async ValueTask DisposeAsync()
    {
        _signals.Dispose();
        await _services.DisposeAsync();
    }

    /// <summary>Who runs the verb, for the record.</summary>
    public static string Caller => Environment.UserName;
}

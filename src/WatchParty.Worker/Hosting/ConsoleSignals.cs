using System.Runtime.InteropServices;
using Microsoft.Extensions.Logging;

namespace WatchParty.Worker.Hosting;

/// <summary>Turns SIGTERM, SIGINT and SIGQUIT into <see cref="Stop"/>, the same for the service and for a verb, and ignores SIGHUP,
/// which would end a .NET process unheard when a terminal closes.</summary>
/// <remarks>Make one at the start of the program, and give <see cref="Stop"/> to the host's <c>RunAsync</c> or to the verb.</remarks>
internal sealed class ConsoleSignals : IDisposable
{
    private readonly CancellationTokenSource _stop = new();
    private readonly List<PosixSignalRegistration> _registrations = [];
    private readonly ILogger _logger;

    public ConsoleSignals(ILogger<ConsoleSignals> logger)
    {
        _logger = logger;
        foreach (var signal in (PosixSignal[])[PosixSignal.SIGTERM, PosixSignal.SIGINT, PosixSignal.SIGQUIT, PosixSignal.SIGHUP])
        {
            _registrations.Add(PosixSignalRegistration.Create(signal, Handle));
        }
    }

    /// <summary>Cancelled by the first signal that asks for a stop.</summary>
    public CancellationToken Stop => _stop.Token;

    // The source has nothing to release, and a signal that comes in this moment may still cancel it.
    public void Dispose() => _registrations.ForEach(r => r.Dispose());

    private void Handle(PosixSignalContext context)
    {
        // Without this the runtime ends the process when the handler returns.
        context.Cancel = true;
        if (context.Signal == PosixSignal.SIGHUP)
        {
            _logger.HangUpIgnored();
            return;
        }
        _logger.Stopping(context.Signal.ToString());
        _stop.Cancel();
    }
}

internal static partial class ConsoleSignalsLog
{
    [LoggerMessage(Level = LogLevel.Information, Message = "SIGHUP is ignored; restart the service to read its configuration again")]
    public static partial void HangUpIgnored(this ILogger logger);

    [LoggerMessage(Level = LogLevel.Information, Message = "Stopping on {Signal}")]
    public static partial void Stopping(this ILogger logger, string signal);
}

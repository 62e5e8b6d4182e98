using System.Globalization;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;
using WatchParty.Worker.Operating;

namespace WatchParty.Worker.Hosting;

/// <summary>Gives systemd its sign of life for as long as every loop lives, so that a service that hangs is restarted.</summary>
/// <param name="limit">Time after which systemd takes the service for dead; null when it does not watch.</param>
internal sealed class WatchdogService(TimeSpan? limit, SystemdNotifier notifier, Heartbeat heartbeat, TimeProvider time,
    ILogger<WatchdogService> logger)
    : BackgroundService
{
    /// <summary>The limit in <c>WATCHDOG_USEC</c>; null when there is none, or when it is meant for another process.</summary>
    public static TimeSpan? LimitFromEnvironment() =>
        LimitFrom(Environment.GetEnvironmentVariable("WATCHDOG_USEC"), Environment.GetEnvironmentVariable("WATCHDOG_PID"));

    /// <inheritdoc cref="LimitFromEnvironment"/>
    internal static TimeSpan? LimitFrom(string? microseconds, string? pid)
    {
        if (!string.IsNullOrEmpty(pid) && pid != Environment.ProcessId.ToString(CultureInfo.InvariantCulture)) { return null; }
        return long.TryParse(microseconds, NumberStyles.None, CultureInfo.InvariantCulture, out var number) && number is > 0
            and < long.MaxValue / 10
            ? TimeSpan.FromMicroseconds(number)
            : null;
    }

    protected override async Task ExecuteAsync(CancellationToken stoppingToken)
    {
        if (limit is not { } within) { return; }
        using var timer = new PeriodicTimer(within / 2, time);
        string? reported = null;
        do
        {
            if (heartbeat.Alive(out var silent))
            {
                notifier.Watchdog();
            }
            else if (silent != reported)
            {
                logger.LoopIsSilent(silent!);
                notifier.Status($"The loop '{silent}' does not answer; waiting to be restarted");
            }
            reported = silent;
        }
        while (await timer.WaitForNextTickAsync(stoppingToken));
    }
}

internal static partial class WatchdogServiceLog
{
    [LoggerMessage(Level = LogLevel.Critical,
        Message = "The loop '{Loop}' does not answer; without it the service manager gets no sign of life and restarts the service")]
    public static partial void LoopIsSilent(this ILogger logger, string loop);
}

using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;
using WatchParty.Worker.Operating;

namespace WatchParty.Worker.Scheduling;

/// <summary>Does what follows a release while nothing else is to be done.</summary>
internal sealed class TidyingService(Operations operations, ILogger<TidyingService> logger) : BackgroundService
{
    protected override async Task ExecuteAsync(CancellationToken stoppingToken)
    {
        while (!stoppingToken.IsCancellationRequested)
        {
            await operations.WaitForTidyingAsync(stoppingToken);
            try
            {
                await operations.TidyAsync(stoppingToken);
            }
            // The next release gives another try; the site is served without it.
            catch (Exception e) when (!stoppingToken.IsCancellationRequested)
            {
                logger.TidyingFailed(e);
            }
        }
    }
}

internal static partial class TidyingLog
{
    [LoggerMessage(Level = LogLevel.Error,
        Message = "What follows a release ended with an unexpected fault of the worker, and is tried again after the next one")]
    public static partial void TidyingFailed(this ILogger logger, Exception exception);
}

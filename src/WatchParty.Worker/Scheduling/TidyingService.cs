using Microsoft.Extensions.Hosting;
using WatchParty.Worker.Hosting;

namespace WatchParty.Worker.Scheduling;

/// <summary>Does what follows a release while nothing else is to be done.</summary>
internal sealed class TidyingService(Operations operations) : BackgroundService
{
    protected override async Task ExecuteAsync(CancellationToken stoppingToken)
    {
        while (!stoppingToken.IsCancellationRequested)
        {
            await operations.WaitForTidyingAsync(stoppingToken);
            await operations.TidyAsync(stoppingToken);
        }
    }
}

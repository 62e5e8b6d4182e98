using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;
using WatchParty.Tools.Configuration;
using WatchParty.Tools.Docker;
using WatchParty.Tools.Failures;
using WatchParty.Worker.Operating;

namespace WatchParty.Worker.Scheduling;

/// <summary>Prunes when the engine's disk runs full (<c>Prune:MinFreeSpace</c>), at most once an hour: if a prune does not help, a second
/// one does not either.</summary>
internal sealed class DiskPressure(PruneOptions options, Operations operations, IDockerEngine engine, TimeProvider time,
    ILogger<DiskPressure> logger) : BackgroundService
{
    private static readonly TimeSpan LookInterval = TimeSpan.FromMinutes(1);
    private static readonly TimeSpan PruneInterval = TimeSpan.FromHours(1);

    protected override async Task ExecuteAsync(CancellationToken stoppingToken)
    {
        if (ByteSize.Parse(options.MinFreeSpace) is not { } least) { return; }
        using var timer = new PeriodicTimer(LookInterval, time);
        long? last = null;
        do
        {
            if (last is { } pruned && time.GetElapsedTime(pruned) < PruneInterval) { continue; }
            if (await FreeSpaceAsync(stoppingToken) is { } free && free < least)
            {
                last = time.GetTimestamp();
                logger.RunsFull(free, least);
                await NightlyPruneJob.RunAsync(operations, "disk pressure", logger, stoppingToken);
            }
        }
        while (await timer.WaitForNextTickAsync(stoppingToken));
    }

    /// <returns>Null when the engine's disk cannot be seen from here.</returns>
    private async Task<long?> FreeSpaceAsync(CancellationToken cancellationToken)
    {
        try
        {
            if ((await engine.EndpointAsync(cancellationToken)).Scheme != "unix") { return null; }
            var folder = (await engine.InfoAsync(cancellationToken)).RootFolder;
            return Directory.Exists(folder) ? new DriveInfo(folder).AvailableFreeSpace : null;
        }
        catch (Exception e) when (e is WorkerException or IOException or UnauthorizedAccessException)
        {
            return null;
        }
    }
}

internal static partial class DiskPressureLog
{
    [LoggerMessage(Level = LogLevel.Warning, Message = "The engine's disk has {FreeBytes} bytes free, less than {LeastBytes}: pruning now")]
    public static partial void RunsFull(this ILogger logger, long freeBytes, long leastBytes);
}

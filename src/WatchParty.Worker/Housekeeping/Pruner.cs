using Microsoft.Extensions.Logging;
using WatchParty.Worker.Recording;
using WatchParty.Worker.Releasing;
using WatchParty.Worker.Tools;

namespace WatchParty.Worker.Housekeeping;

/// <summary>The nightly prune: builder cache records that no build has used for a day, old rollback images, and images without a name.</summary>
internal sealed class Pruner(DockerEngine engine, ImageRetention retention, History history, ProgressFeed progress, TimeProvider time, ILogger<Pruner> logger)
{
    private static readonly TimeSpan Unused = TimeSpan.FromHours(24);

    public async Task<HousekeepingReport> RunAsync(string trigger, bool dryRun, CancellationToken cancellationToken)
    {
        var startedAt = time.GetUtcNow();
        var started = time.GetTimestamp();
        progress.Report(dryRun ? "looking at what a prune would remove" : "pruning");
        var before = await engine.CacheRecordsAsync(cancellationToken);
        if (dryRun)
        {
            var going = before.Where(r => !r.InUse && r.LastUsedAt < startedAt - Unused).ToList();
            var images = await retention.ApplyAsync(dryRun: true, cancellationToken);
            return Report(startedAt, trigger, "DryRun", images, before.Count, before.Count - going.Count, going.Sum(r => r.Size), started);
        }
        // Images first: a layer that an image shares with the cache is freed only when both have let go of it.
        var removed = await retention.ApplyAsync(dryRun: false, cancellationToken);
        var freed = await engine.PruneDanglingImagesAsync(cancellationToken);
        freed += (await engine.PruneCacheAsync(Unused, cancellationToken)).Bytes;
        var after = await engine.CacheRecordsAsync(cancellationToken);
        var report = Report(startedAt, trigger, "Pruned", removed, before.Count, after.Count, freed, started);
        history.Save(report);
        logger.Pruned(before.Count, after.Count, freed);
        return report;
    }

    private HousekeepingReport Report(DateTimeOffset startedAt, string trigger, string outcome, IReadOnlyList<string> targets, int before, int after, long freed, long started) =>
        new("prune", trigger, outcome, targets, before, after, freed, 0, Math.Round(time.GetElapsedTime(started).TotalSeconds, 3), null, startedAt, time.GetUtcNow());
}

internal static partial class HousekeepingLog
{
    [LoggerMessage(Level = LogLevel.Information, Message = "The builder cache fell from {Before} to {After} records, {FreedBytes} bytes were freed")]
    public static partial void Pruned(this ILogger logger, int before, int after, long freedBytes);

    [LoggerMessage(Level = LogLevel.Information, Message = "The cache of {Targets} was cleared: {Before} records fell to {After}, {FreedBytes} bytes were freed. Their next build uses no cache")]
    public static partial void Cleared(this ILogger logger, string targets, int before, int after, long freedBytes);
}

using Microsoft.Extensions.Logging;
using WatchParty.Releases.Baking;
using WatchParty.Releases.Caching;
using WatchParty.Releases.Planning;
using WatchParty.Releases.Recording;
using WatchParty.Releases.Releasing;
using WatchParty.Releases.Signals;
using WatchParty.Tools.Docker;
using WatchParty.Tools.Git;

namespace WatchParty.Releases.Housekeeping;

/// <summary>Clears the build cache. Afterwards the next build of the targets uses no cache, whatever a prune may have left.</summary>
internal sealed class CacheClearer(IDockerEngine engine, BuilderCache cache, LiveSet liveSet, MarkAndSweep markAndSweep, CacheSeals seals,
    WarmTimes warmTimes, ReleasePlanning planning, GitRepository repository, FreshMarks freshMarks, History history, ProgressFeed progress,
    TimeProvider time, ILogger<CacheClearer> logger)
{
    public const string All = "all";
    public const string Cleared = "Cleared";
    public const string Refused = "Refused";

    /// <param name="targets">Service names, or <c>all</c>. An unknown one is refused and nothing is cleared.</param>
    public async Task<HousekeepingReport> RunAsync(IReadOnlyList<string> targets, string trigger, CancellationToken cancellationToken)
    {
        var startedAt = time.GetUtcNow();
        var started = time.GetTimestamp();
        HousekeepingReport Report(string outcome, int before, int after, long freed, string? error) =>
            new("clear", trigger, outcome, targets, before, after, freed, 0, Math.Round(time.GetElapsedTime(started).TotalSeconds, 3),
                error, startedAt, time.GetUtcNow());

        progress.Report("clearing the build cache");
        var model = await planning.ModelAsync(history.Deployed()?.Commit ?? await repository.HeadAsync(cancellationToken),
            cancellationToken);
        var built = model.Built.Select(s => s.Name).ToList();
        var unknown = targets.Where(t => t != All && model.Services.All(s => s.Name != t)).ToList();
        if (unknown.Count > 0)
        {
            var refused =
                Report(Refused, 0, 0,
                    0, $"there is no service {string.Join(", ", unknown)}. Write all, or any of: {string.Join(", ", built)}");
            history.Save(refused);
            return refused;
        }
        var services = targets.Count == 0 || targets.Contains(All) ? built : [.. WithSharedImages(model, targets)];
        if (services.Count == 0)
        {
            var refused =
                Report(Refused, 0, 0,
                    0, $"{string.Join(", ", targets)} is not built here, so it has no build cache. Services that are: " +
                        $"{string.Join(", ", built)}");
            history.Save(refused);
            return refused;
        }

        // Before anything is removed: a clear that is killed half-way must still give a fresh build.
        freshMarks.Add(services, trigger);
        var before = await cache.RecordsAsync(cancellationToken);
        var disk = await cache.DiskAsync(cancellationToken);
        await seals.RemoveAsync(model.Project, services, cancellationToken);
        await engine.PruneDanglingImagesAsync($"{Bake.ProjectLabel}={model.Project}", cancellationToken);

        // The others are marked, and so stay; when every service is cleared there is no mark, and everything goes.
        var others =
            (await liveSet.ReadAsync(model, history.Deployed()?.Services ?? new Dictionary<string, DeployedService>(),
                cancellationToken)).Where(l => !services.Contains(l.Service.Name)).ToList();
        var mark = await cache.NowAsync(cancellationToken);
        var cold = await markAndSweep.MarkAsync(model, others, cancellationToken);
        warmTimes.Set(others.Select(o => o.Service.Name).Except(cold.Select(c => c.Name)), mark);
        var going = others.Count == 0 ? null
            : BuilderCache.Untouched(before, await cache.RecordsAsync(cancellationToken), usedBefore: null, keepCacheMounts: false);
        await markAndSweep.SweepAsync(going, cancellationToken);

        var left = await cache.RecordsAsync(cancellationToken);
        var freed = Math.Max(0, disk - await cache.DiskAsync(cancellationToken));
        var report =
            Report(Cleared, before.Count, left.Count, freed,
                null) with
            { Notes = [.. NotesOf(left, others.Count == 0)], BytesAfter = left.Sum(r => r.Size) };
        history.Save(report);
        logger.Cleared(string.Join(", ", services), before.Count, left.Count, freed);
        return report;
    }

    /// <summary>Records that no prune removes exist: a killed build can leave some. They are named, and the fresh build goes round
    /// them.</summary>
    private static IEnumerable<string> NotesOf(IReadOnlyList<CacheRecord> left, bool everything) => !everything ? [] :
        left.Select(
            r => $"the engine does not let go of cache record {r.ID} ({r.Type}{(r.InUse ? ", in use" : "")}): {r.Description}; the next " +
                $"build does not use it");

    /// <summary>The built services among the targets, and those that provide the image of a target that is not built itself.</summary>
    private static IEnumerable<string> WithSharedImages(ComposeModel model, IReadOnlyList<string> targets)
    {
        var images = model.Services.Where(s => targets.Contains(s.Name)).Select(s => s.Image).ToHashSet();
        return model.Built.Where(s => images.Contains(s.Image)).Select(s => s.Name);
    }
}

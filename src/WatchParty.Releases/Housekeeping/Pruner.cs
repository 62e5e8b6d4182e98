using Microsoft.Extensions.Logging;
using WatchParty.Releases.Baking;
using WatchParty.Releases.Caching;
using WatchParty.Releases.Planning;
using WatchParty.Releases.Recording;
using WatchParty.Releases.Releasing;
using WatchParty.Releases.Signals;
using WatchParty.Tools.Configuration;
using WatchParty.Tools.Docker;
using WatchParty.Tools.Git;

namespace WatchParty.Releases.Housekeeping;

/// <summary>The nightly prune: everything in the builder cache that the next build does not need, old rollback images, and images of
/// ours without a name. It costs the next build nothing.</summary>
internal sealed class Pruner(
    PruneOptions options, BuildOptions buildOptions, IDockerEngine engine, BuilderCache cache, LiveSet liveSet, MarkAndSweep markAndSweep,
    CacheSeals seals, WarmTimes warmTimes, FreshMarks freshMarks, ReleasePlanning planning, StateFolder state,
    ImageRetention retention, GitRepository repository, History history, ProgressFeed progress, TimeProvider time, ILogger<Pruner> logger)
{
    /// <summary>Releases whose build log is kept.</summary>
    private const int LogsKept = 200;

    private const string Stranger = "the builder cache was wiped by somebody else";

    public async Task<HousekeepingReport> RunAsync(string trigger, bool dryRun, CancellationToken cancellationToken)
    {
        var startedAt = time.GetUtcNow();
        progress.Report(dryRun ? "looking at what a prune would remove" : "pruning");
        var before = await cache.RecordsAsync(cancellationToken);
        var disk = await cache.DiskAsync(cancellationToken);
        var deployed = history.Deployed();
        var model = deployed is null ? null : await planning.ModelAsync(deployed.Commit, cancellationToken);

        var mark = await MarkAsync(model, deployed, before, cancellationToken);
        if (dryRun) { return await DryRunAsync(trigger, before.Count, mark, startedAt, cancellationToken); }

        var started = time.GetTimestamp();
        // Images first: a layer that an image shares with the cache is freed only when both have let go of it.
        var images = await retention.ApplyAsync(dryRun: false, cancellationToken);
        if (model is not null) { await engine.PruneDanglingImagesAsync($"{Bake.ProjectLabel}={model.Project}", cancellationToken); }
        if (mark.Sweep.Count > 0) { await markAndSweep.SweepAsync(mark.Sweep, cancellationToken); }
        if (ByteSize.Parse(options.MaxCacheSize) is { } most) { await cache.ShrinkAsync(most, cancellationToken); }
        RemoveOldLogs();
        await repository.TidyAsync(cancellationToken);
        var after = await cache.RecordsAsync(cancellationToken);
        var freed = Math.Max(0, disk - await cache.DiskAsync(cancellationToken));
        var sweepSeconds = time.GetElapsedTime(started).TotalSeconds;

        // The proof: what was warm before is warm now.
        var lost = model is null || mark.Warm.Count == 0 ? [] : await markAndSweep.MarkAsync(model, mark.Warm, cancellationToken);
        List<string> notes = [.. mark.Notes];
        if (lost.Count > 0)
        {
            notes.AddRange(lost.Select(l => $"after the sweep the next build of {l.Name} would have run {l.Step}"));
            lost = (await RestoreAsync(model!, mark.Warm, lost, "the prune itself took what the next build needs", notes.Add,
                cancellationToken)).Cold;
        }
        var left = (await cache.RecordsAsync(cancellationToken)).Select(r => r.ID).ToHashSet();
        foreach (var service in mark.Warm.Where(w => lost.All(l => l.Name != w.Service.Name))) { seals.Accept(service.Service.Name, left); }
        var report = new HousekeepingReport("prune", trigger, lost.Count > 0 ? "LostWarmth" : "Pruned", images, before.Count, after.Count,
            freed,
            mark.Seconds, Math.Round(sweepSeconds, 3), lost.Count > 0 ? $"the next build of {lost[0].Name} would run {lost[0].Step}" : null,
            startedAt, time.GetUtcNow())
        { Notes = notes, BytesBefore = before.Sum(r => r.Size), BytesAfter = after.Sum(r => r.Size) };
        history.Save(report);
        logger.Pruned(before.Count, after.Count, freed);
        if (report.Error is not null) { logger.LostWarmth(report.Error); }
        return report;
    }

    /// <returns>Those of <paramref name="cold"/> that are still cold, and all others of <paramref name="live"/>, those that were restored
    /// as far as their seals go. One that was not restored stays cold, even if a quick step of its ran to its end before the mark was
    /// stopped.</returns>
    private async Task<(IReadOnlyList<ColdService> Cold, IReadOnlyList<LiveService> Warm)> RestoreAsync(
        ComposeModel model, IReadOnlyList<LiveService> live, IReadOnlyList<ColdService> cold, string cause, Action<string> note,
        CancellationToken cancellationToken)
    {
        var records = (await cache.RecordsAsync(cancellationToken)).Select(r => r.ID).ToHashSet();
        List<LiveService> restored = [];
        foreach (var service in live.Where(l => cold.Any(c => c.Name == l.Service.Name) && seals.IsWiped(l.Service.Name, records)))
        {
            if (await seals.RestoreWholeAsync(model, service, cause, note, cancellationToken)) { restored.Add(service.OfLasting()); }
        }
        var still = await markAndSweep.MarkAsync(model, restored, cancellationToken);
        IReadOnlyList<ColdService> left = [.. cold.Where(c => restored.All(r => r.Service.Name != c.Name)), .. still];
        return (left,
            [.. live.Select(l => restored.Find(r => r.Service.Name == l.Service.Name) ?? l)
                .Where(l => left.All(c => c.Name != l.Service.Name))]);
    }

    private void RemoveOldLogs()
    {
        var kept = history.Last(LogsKept).Select(r => r.Log).ToHashSet();
        foreach (var file in Directory.EnumerateFiles(state.Logs, "release-*.log").Where(f => !kept.Contains(f))) { File.Delete(file); }
    }

    private async Task<Mark> MarkAsync(ComposeModel? model, DeployedRelease? deployed, IReadOnlyList<CacheRecord> before,
        CancellationToken cancellationToken)
    {
        if (model is null)
        {
            return new Mark([], [], 0, ["nothing was released yet, so nothing of the builder cache is known to be needed or not"]);
        }
        // What waits for a fresh build needs nothing of the cache.
        var fresh = freshMarks.All();
        var warm = (await liveSet.ReadAsync(model, deployed!.Services, cancellationToken)).Where(l => !fresh.Contains(l.Service.Name))
            .ToList() as IReadOnlyList<LiveService>;
        var now = await cache.NowAsync(cancellationToken);
        var started = time.GetTimestamp();
        List<string> notes = [];
        var cold = await markAndSweep.MarkAsync(model, warm, cancellationToken);
        // Somebody else wiped the builder; what is sealed comes back, and is marked by that.
        if (cold.Count > 0) { (cold, warm) = await RestoreAsync(model, warm, cold, Stranger, notes.Add, cancellationToken); }
        var seconds = Math.Round(time.GetElapsedTime(started).TotalSeconds, 3);
        warmTimes.Set(warm.Select(l => l.Service.Name), now);

        notes.AddRange(cold.Select(c => $"{c.Name} is not all in the cache: its next build would run {c.Step}"));
        // What a cold service still has was used when it was last warm, or later, and is left to it.
        DateTimeOffset? usedBefore = null;
        foreach (var service in cold)
        {
            if (warmTimes.Of(service.Name) is not { } since) { return Nothing($"it is not known what {service.Name} still needs"); }
            if (usedBefore is null || since < usedBefore) { usedBefore = since; }
        }
        // There a sweep loses the keys of what it keeps, and only a seal brings them back.
        if (buildOptions.Builder is null && (await engine.InfoAsync(cancellationToken)).Store == ImageStore.Containerd
            && warm.Select(l => l.Service.Name).Concat(cold.Select(c => c.Name))
            .FirstOrDefault(s => seals.SourcesFor(s).Count == 0) is { } unsealed)
        {
            return Nothing($"the cache of {unsealed} is not sealed and this engine would lose it");
        }
        return new Mark(warm,
            BuilderCache.Untouched(before, await cache.RecordsAsync(cancellationToken), usedBefore, options.KeepCacheMounts), seconds,
            notes);

        Mark Nothing(string reason) => new(warm, [], seconds, [.. notes, $"nothing was swept, because {reason}"]);
    }

    private async Task<HousekeepingReport> DryRunAsync(string trigger, int before, Mark mark, DateTimeOffset startedAt,
        CancellationToken cancellationToken)
    {
        var images = await retention.ApplyAsync(dryRun: true, cancellationToken);
        return new HousekeepingReport("prune", trigger, "DryRun", images, before, before - mark.Sweep.Count,
            mark.Sweep.Where(r => !r.Shared).Sum(r => r.Size), mark.Seconds, 0, null, startedAt, time.GetUtcNow())
        { Notes = mark.Notes };
    }

    /// <param name="Warm">The live set as far as it is in the cache.</param>
    /// <param name="Sweep">What the mark did not touch and goes.</param>
    private sealed record Mark(IReadOnlyList<LiveService> Warm, IReadOnlyList<CacheRecord> Sweep, double Seconds,
        IReadOnlyList<string> Notes);
}

internal static partial class HousekeepingLog
{
    [LoggerMessage(Level = LogLevel.Information,
        Message = "The builder cache fell from {Before} to {After} records, {FreedBytes} bytes were freed")]
    public static partial void Pruned(this ILogger logger, int before, int after, long freedBytes);

    [LoggerMessage(Level = LogLevel.Warning, Message = "The prune cost warmth: {Reason}")]
    public static partial void LostWarmth(this ILogger logger, string reason);

    [LoggerMessage(Level = LogLevel.Information,
        Message = "The cache of {Targets} was cleared: {Before} records fell to {After}, {FreedBytes} bytes were freed. Their next build " +
            "uses no cache")]
    public static partial void Cleared(this ILogger logger, string targets, int before, int after, long freedBytes);
}

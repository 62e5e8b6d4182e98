using Microsoft.Extensions.Logging;
using WatchParty.Worker.Building;
using WatchParty.Worker.Caching;
using WatchParty.Worker.Configuration;
using WatchParty.Worker.Hosting;
using WatchParty.Worker.Planning;
using WatchParty.Worker.Recording;
using WatchParty.Worker.Releasing;
using WatchParty.Worker.Tools;

namespace WatchParty.Worker.Housekeeping;

/// <summary>The nightly prune: everything in the builder cache that the next build does not need, old rollback images, and images of
/// ours without a name. It costs the next build nothing.</summary>
internal sealed class Pruner(
    PruneOptions options, BuildOptions buildOptions, IDockerEngine engine, BuilderCache cache, MarkAndSweep markAndSweep, CacheSeals seals, WarmTimes warmTimes, FreshMarks freshMarks, ReleasePlanning planning, StateFolder state,
    ImageRetention retention, GitRepository repository, History history, ProgressFeed progress, TimeProvider time, ILogger<Pruner> logger)
{
    /// <summary>Releases whose build log is kept.</summary>
    private const int LogsKept = 200;

    public async Task<HousekeepingReport> RunAsync(string trigger, bool dryRun, CancellationToken cancellationToken)
    {
        var startedAt = time.GetUtcNow();
        progress.Report(dryRun ? "looking at what a prune would remove" : "pruning");
        var before = await cache.RecordsAsync(cancellationToken);
        var deployed = history.Deployed();
        var model = deployed is null ? null : await planning.ModelAsync(deployed.Commit, cancellationToken);

        var mark = await MarkAsync(model, deployed, cancellationToken);
        if (dryRun) { return await DryRunAsync(trigger, before.Count, mark, startedAt, cancellationToken); }

        var started = time.GetTimestamp();
        // Images first: a layer that an image shares with the cache is freed only when both have let go of it.
        var images = await retention.ApplyAsync(dryRun: false, cancellationToken);
        var freed = model is null ? 0 : await engine.PruneDanglingImagesAsync($"{Bake.ProjectLabel}={model.Project}", cancellationToken);
        if (mark.SweepBefore is { } moment) { freed += await markAndSweep.SweepAsync(moment, options.KeepCacheMounts, cancellationToken); }
        if (ByteSize.Parse(options.MaxCacheSize) is { } most) { freed += await cache.ShrinkAsync(most, cancellationToken); }
        RemoveOldLogs();
        await repository.TidyAsync(cancellationToken);
        var after = await cache.RecordsAsync(cancellationToken);
        var sweepSeconds = time.GetElapsedTime(started).TotalSeconds;

        // The proof: what was warm before is warm now.
        var warm = mark.Live.Where(l => mark.Cold.All(c => c.Name != l.Service.Name)).ToList();
        var lost = model is null || warm.Count == 0 ? [] : await markAndSweep.MarkAsync(model, warm, cancellationToken);
        List<string> notes = [.. mark.Notes];
        if (lost.Count > 0)
        {
            notes.AddRange(lost.Select(l => $"after the sweep the next build of {l.Name} would have run {l.Step}"));
            lost = await RestoreAsync(model!, warm, lost, notes.Add, cancellationToken);
        }
        var report = new HousekeepingReport("prune", trigger, lost.Count > 0 ? "LostWarmth" : "Pruned", images, before.Count, after.Count, freed,
            mark.Seconds, Math.Round(sweepSeconds, 3), lost.Count > 0 ? $"the next build of {lost[0].Name} would run {lost[0].Step}" : null, startedAt, time.GetUtcNow())
        { Notes = notes, BytesBefore = before.Sum(r => r.Size), BytesAfter = after.Sum(r => r.Size) };
        history.Save(report);
        logger.Pruned(before.Count, after.Count, freed);
        if (report.Error is not null) { logger.LostWarmth(report.Error); }
        return report;
    }

    /// <returns>Those of <paramref name="cold"/> that are still cold. One that was not restored stays among them, even if a quick step
    /// of its ran to its end before the mark was stopped.</returns>
    private async Task<IReadOnlyList<ColdService>> RestoreAsync(ComposeModel model, IReadOnlyList<LiveService> live, IReadOnlyList<ColdService> cold, Action<string> note, CancellationToken cancellationToken)
    {
        var records = (await cache.RecordsAsync(cancellationToken)).Select(r => r.ID).ToHashSet();
        List<LiveService> restored = [];
        foreach (var service in live.Where(l => cold.Any(c => c.Name == l.Service.Name)))
        {
            if (await seals.RestoreWholeAsync(model, service, records, note, cancellationToken)) { restored.Add(service); }
        }
        var still = await markAndSweep.MarkAsync(model, restored, cancellationToken);
        return [.. cold.Where(c => restored.All(r => r.Service.Name != c.Name)), .. still];
    }

    private void RemoveOldLogs()
    {
        var kept = history.Last(LogsKept).Select(r => r.Log).ToHashSet();
        foreach (var file in Directory.EnumerateFiles(state.Logs, "release-*.log").Where(f => !kept.Contains(f))) { File.Delete(file); }
    }

    private async Task<Mark> MarkAsync(ComposeModel? model, DeployedRelease? deployed, CancellationToken cancellationToken)
    {
        var now = await cache.NowAsync(cancellationToken);
        if (model is null) { return new Mark([], [], null, 0, ["nothing was released yet, so nothing of the builder cache is known to be needed or not"]); }
        // What waits for a fresh build needs nothing of the cache.
        var fresh = freshMarks.All();
        var live = (await LiveSet.ReadAsync(model, deployed!.Services, cancellationToken)).Where(l => !fresh.Contains(l.Service.Name)).ToList();
        var started = time.GetTimestamp();
        List<string> notes = [];
        var cold = await markAndSweep.MarkAsync(model, live, cancellationToken);
        if (cold.Count > 0)
        {
            // Somebody else wiped the builder; what is sealed comes back, and is marked by that.
            cold = await RestoreAsync(model, live, cold, notes.Add, cancellationToken);
        }
        var seconds = Math.Round(time.GetElapsedTime(started).TotalSeconds, 3);
        warmTimes.Set(live.Select(l => l.Service.Name).Except(cold.Select(c => c.Name)), now.Engine);

        notes.AddRange(cold.Select(c => $"{c.Name} is not all in the cache: its next build would run {c.Step}"));
        BuilderCache.Moment? sweepBefore = now;
        foreach (var service in cold)
        {
            // What it still has was used when it was last warm, or later, and is left to it.
            if (warmTimes.Of(service.Name) is not { } since)
            {
                notes.Add($"nothing was swept, because it is not known what {service.Name} still needs");
                sweepBefore = null;
                break;
            }
            if (since < sweepBefore.Value.Engine) { sweepBefore = sweepBefore.Value with { Engine = since, Timestamp = now.Timestamp - (long)((now.Engine - since).TotalSeconds * time.TimestampFrequency) }; }
        }
        // There a sweep loses the keys of what it keeps, and only a seal brings them back.
        if (buildOptions.Builder is null && (await engine.InfoAsync(cancellationToken)).Store == ImageStore.Containerd
            && live.FirstOrDefault(l => seals.SourcesFor(l.Service.Name).Count == 0) is { } unsealed)
        {
            notes.Add($"nothing was swept, because the cache of {unsealed.Service.Name} is not sealed and this engine would lose it");
            sweepBefore = null;
        }
        return new Mark(live, cold, sweepBefore, seconds, notes);
    }

    private async Task<HousekeepingReport> DryRunAsync(string trigger, int before, Mark mark, DateTimeOffset startedAt, CancellationToken cancellationToken)
    {
        var records = await cache.RecordsAsync(cancellationToken);
        var going = mark.SweepBefore is { } moment ? BuilderCache.Removable(records, moment.Engine, options.KeepCacheMounts) : [];
        var images = await retention.ApplyAsync(dryRun: true, cancellationToken);
        return new HousekeepingReport("prune", trigger, "DryRun", images, before, before - going.Count, going.Sum(r => r.Size), mark.Seconds, 0, null, startedAt, time.GetUtcNow()) { Notes = mark.Notes };
    }

    /// <param name="SweepBefore">What was last used before this goes; nothing when null.</param>
    private sealed record Mark(IReadOnlyList<LiveService> Live, IReadOnlyList<ColdService> Cold, BuilderCache.Moment? SweepBefore, double Seconds, IReadOnlyList<string> Notes);
}

internal static partial class HousekeepingLog
{
    [LoggerMessage(Level = LogLevel.Information, Message = "The builder cache fell from {Before} to {After} records, {FreedBytes} bytes were freed")]
    public static partial void Pruned(this ILogger logger, int before, int after, long freedBytes);

    [LoggerMessage(Level = LogLevel.Warning, Message = "The prune cost warmth: {Reason}")]
    public static partial void LostWarmth(this ILogger logger, string reason);

    [LoggerMessage(Level = LogLevel.Information, Message = "The cache of {Targets} was cleared: {Before} records fell to {After}, {FreedBytes} bytes were freed. Their next build uses no cache")]
    public static partial void Cleared(this ILogger logger, string targets, int before, int after, long freedBytes);
}

using WatchParty.Releases.Baking;
using WatchParty.Releases.Planning;
using WatchParty.Releases.Signals;
using WatchParty.Tools.Docker;

namespace WatchParty.Releases.Caching;

/// <summary>A service whose live set is not all in the cache.</summary>
/// <param name="Step">The first step that its next build would run, or what kept the mark from finding out.</param>
internal sealed record ColdService(string Name, string Step);

/// <summary>Collects the builder cache by mark and sweep.</summary>
/// <remarks>The mark builds the live set again. All of it is cached, so it takes a fraction of a second and touches exactly the records
/// that the next build needs; the sweep removes, by their ids, what was there before and the mark did not touch. A mark never runs a step:
/// it is stopped at the first that would, so that a night's prune never becomes a night's rebuild.</remarks>
internal sealed class MarkAndSweep(GuardedBake bake, BuilderCache cache, CacheSeals seals, ProgressFeed progress)
{
    /// <returns>The services of <paramref name="live"/> that are not warm.</returns>
    public async Task<IReadOnlyList<ColdService>> MarkAsync(ComposeModel model, IReadOnlyList<LiveService> live,
        CancellationToken cancellationToken)
    {
        List<ColdService> cold = [];
        foreach (var service in live)
        {
            BakeTarget[] targets = [.. TargetsOf(service)];
            if (targets.Length == 0) { continue; }
            progress.Report($"marking the cache of {service.Service.Name}");
            var result = await bake.RunAsync(model, targets, makesImages: false, cancellationToken);
            if (!result.AllCached) { cold.Add(new ColdService(service.Service.Name, result.WouldRun ?? result.Error!)); }
        }
        return cold;
    }

    /// <summary>Every stage; or the service's own target alone where each build imports a seal, for that has every stage in one
    /// source.</summary>
    private IEnumerable<BakeTarget> TargetsOf(LiveService service) =>
        seals.SourcesFor(service.Service.Name) is { Count: > 0 } sources ? [service.Targets().Last() with { CacheFrom = sources }]
        : service.Targets();

    /// <param name="records">What goes; everything when null.</param>
    public Task SweepAsync(IReadOnlyList<CacheRecord>? records, CancellationToken cancellationToken)
    {
        progress.Report("sweeping the cache");
        return cache.RemoveAsync(records, cancellationToken);
    }
}

using WatchParty.Worker.Building;
using WatchParty.Worker.Planning;
using WatchParty.Worker.Releasing;

namespace WatchParty.Worker.Caching;

/// <summary>A service whose live set is not all in the cache.</summary>
/// <param name="Step">The first step that its next build would run, or what kept the mark from finding out.</param>
internal sealed record ColdService(string Name, string Step);

/// <summary>Collects the builder cache by mark and sweep.</summary>
/// <remarks>The mark builds the live set again. All of it is cached, so it takes a fraction of a second and touches exactly the records
/// that the next build needs; the sweep removes what the mark did not touch. A mark never runs a step: it is stopped at
/// the first that would, so that a night's prune never becomes a night's rebuild.</remarks>
internal sealed class MarkAndSweep(GuardedBake bake, BuilderCache cache, CacheSeals seals, ProgressFeed progress)
{
    /// <returns>The services of <paramref name="live"/> that are not warm.</returns>
    public async Task<IReadOnlyList<ColdService>> MarkAsync(ComposeModel model, IReadOnlyList<LiveService> live, CancellationToken cancellationToken)
    {
        List<ColdService> cold = [];
        foreach (var service in live)
        {
            progress.Report($"marking the cache of {service.Service.Name}");
            var result = await bake.RunAsync(model, [.. TargetsOf(service)], makesImages: false, cancellationToken);
            if (!result.AllCached) { cold.Add(new ColdService(service.Service.Name, result.WouldRun ?? result.Error!)); }
        }
        return cold;
    }

    /// <summary>Every stage; or the service's own target alone where each build imports a seal, for that has every stage in one source.</summary>
    private IEnumerable<BakeTarget> TargetsOf(LiveService service) =>
        seals.SourcesFor(service.Service.Name) is { Count: > 0 } sources ? [service.Targets().Last() with { CacheFrom = sources }] : service.Targets();

    /// <summary>Removes every record that was not used since <paramref name="mark"/>.</summary>
    /// <returns>The bytes freed.</returns>
    public Task<long> SweepAsync(BuilderCache.Moment mark, bool keepCacheMounts, CancellationToken cancellationToken)
    {
        progress.Report("sweeping the cache");
        return cache.RemoveAsync(mark, keepCacheMounts, cancellationToken);
    }
}

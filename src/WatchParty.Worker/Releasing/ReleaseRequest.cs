using System.Collections.Immutable;

namespace WatchParty.Worker.Releasing;

/// <summary>A wish for a release.</summary>
/// <param name="Trigger">Who or what asked, in words for the record: <c>poll</c>, <c>start</c>, <c>force-rebuild.flag</c>, <c>once by root</c>.</param>
/// <param name="ForceRebuild">Whether every service is built without cache, also when nothing is new.</param>
internal sealed record ReleaseRequest(string Trigger, bool ForceRebuild = false)
{
    /// <summary>Digests by name of base images that are new in their registry: the deployed commit is built again where it stands on them.</summary>
    public IReadOnlyDictionary<string, string> NewBaseDigests { get; init; } = ImmutableDictionary<string, string>.Empty;
}

using System.Collections.Immutable;

namespace WatchParty.Releases.Releasing;

/// <summary>A wish for a release.</summary>
/// <param name="Trigger">Who or what asked, in words for the record: <c>poll</c>, <c>start</c>, <c>force-rebuild.flag</c>, <c>once by
/// root</c>.</param>
/// <param name="ForceRebuild">Whether every service is built without cache, also when nothing is new.</param>
/// <param name="Newest">Gives the commit to release, and may end its build for a newer one; without it the remote is asked, and nothing
/// newer counts.</param>
internal sealed record ReleaseRequest(string Trigger, bool ForceRebuild = false, NewestCommit? Newest = null)
{
    /// <summary>Digests by name of base images that are new in their registry: the deployed commit is built again where it stands on
    /// them.</summary>
    public IReadOnlyDictionary<string, string> NewBaseDigests { get; init; } = ImmutableDictionary<string, string>.Empty;
}

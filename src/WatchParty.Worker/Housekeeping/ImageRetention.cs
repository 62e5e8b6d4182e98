using WatchParty.Worker.Configuration;
using WatchParty.Worker.Deploying;
using WatchParty.Worker.Recording;
using WatchParty.Worker.Tools;

namespace WatchParty.Worker.Housekeeping;

/// <summary>Takes away the rollback images, and the commits kept for them, of releases that are too old to go back to.</summary>
/// <remarks>Only names that this worker gave are removed (another one on the same engine counts its releases by itself), and
/// never an image that a container runs: the engine refuses that by itself.</remarks>
internal sealed class ImageRetention(PruneOptions options, IDockerEngine engine, GitRepository repository, History history)
{
    /// <returns>The names removed, or that would be removed in a dry run.</returns>
    public async Task<IReadOnlyList<string>> ApplyAsync(bool dryRun, CancellationToken cancellationToken)
    {
        var kept = KeptReleases();
        if (kept.Count == 0) { return []; }
        var repositories = history.ImageNames().Select(n => ImageName.Split(n).Repository).ToHashSet();
        List<string> removed = [];
        var releases = new HashSet<long>();
        foreach (var name in await NamesAsync(engine, cancellationToken))
        {
            if (RollbackImages.ReleaseOf(name) is not { } release || kept.Contains(release) || !repositories.Contains(ImageName.Split(name).Repository)) { continue; }
            if (dryRun || await engine.RemoveImageAsync(name, cancellationToken))
            {
                removed.Add(name);
                releases.Add(release);
            }
        }
        if (!dryRun) { foreach (var release in releases) { await repository.ForgetAsync(release, cancellationToken); } }
        return removed;
    }

    /// <summary>Every image name on the engine that is a worker's rollback name.</summary>
    public static async Task<IReadOnlyList<string>> NamesAsync(IDockerEngine engine, CancellationToken cancellationToken) =>
        [.. (await engine.ImagesAsync($"*:{RollbackImages.TagPrefix}*", cancellationToken)).Concat(await engine.ImagesAsync($"*/*:{RollbackImages.TagPrefix}*", cancellationToken))
            .SelectMany(i => i.RepoTags ?? []).Where(t => RollbackImages.ReleaseOf(t) is not null).Distinct()];

    /// <summary>The deployed release and those before it that are kept for rollback. Releases of the same commit do not count twice.</summary>
    private HashSet<long> KeptReleases() => [.. history.HealthyCommits().DistinctBy(r => r.Commit).Take(options.KeepReleases + 1).Select(r => r.Id)];
}

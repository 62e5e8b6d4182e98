using System.Globalization;
using System.Text.RegularExpressions;
using WatchParty.Releases.Baking;
using WatchParty.Releases.Deploying;
using WatchParty.Releases.Recording;
using WatchParty.Tools.Configuration;
using WatchParty.Tools.Docker;
using WatchParty.Tools.Git;

namespace WatchParty.Releases.Housekeeping;

/// <summary>Takes away the images, and the commits kept for them, of releases that are too old to go back to.</summary>
/// <remarks>Releases count that differ in their images: commits of documents alone push nothing out. Only names are removed that this
/// worker gave, or under which a release of its own built that very image; and never an image that a container runs.</remarks>
internal sealed partial class ImageRetention(PruneOptions options, IDockerEngine engine, KeptImages kept, GitRepository repository,
    History history)
{
    /// <summary>Releases that are looked at; what is older than all of them is not kept.</summary>
    private const int Considered = 1000;

    /// <returns>The names removed, or that would be removed in a dry run.</returns>
    public async Task<IReadOnlyList<string>> ApplyAsync(bool dryRun, CancellationToken cancellationToken)
    {
        var releases = KeptReleases();
        if (releases.Count == 0 || history.Deployed()?.Served.Project is not { } project) { return []; }
        var going = await GoingAsync(project, releases, cancellationToken);
        List<string> removed = [];
        var forgotten = new HashSet<long>();
        try
        {
            foreach (var (name, release) in going)
            {
                if (!dryRun && !await engine.RemoveImageAsync(name, cancellationToken)) { continue; }
                removed.Add(name);
                if (release is { } number) { forgotten.Add(number); }
            }
        }
        finally
        {
            // Also when a commit comes in between: nothing else would lead to these releases any more.
            if (!dryRun) { foreach (var release in forgotten) { await repository.ForgetAsync(release, CancellationToken.None); } }
        }
        return removed;
    }

    /// <summary>The names to remove, with the release whose commit need not be kept any more.</summary>
    private async Task<IReadOnlyList<(string Name, long? Release)>> GoingAsync(string project, List<ReleasedImages> releases,
        CancellationToken cancellationToken)
    {
        var numbers = releases.Select(r => r.Id).ToHashSet();
        // What served before a release that is not over may still have to come back.
        var unfinished = history.Unfinished().Select(r => r.Id).ToHashSet();
        List<(string, long?)> going =
        [
            .. (await kept.AllAsync(project, cancellationToken)).Where(
                k => k.Name.Before ? !unfinished.Contains(k.Name.Release) : !numbers.Contains(k.Name.Release))
                .Select(k => (k.Text, k.Name.Before ? (long?)null : k.Name.Release)),
        ];
        var needed = releases.SelectMany(r => r.Images.Values).OfType<string>().ToHashSet();
        var running = (await engine.ContainersAsync(null, cancellationToken)).Select(c => c.ImageID).ToHashSet();
        foreach (var image in (await engine.ImagesAsync(null, cancellationToken)).Where(
            i => i.Labels?.GetValueOrDefault(Bake.ProjectLabel) == project))
        {
            var isNeeded = needed.Contains(image.Id) || running.Contains(image.Id);
            var built = isNeeded ? [] : history.NamesOf(image.Id).Select(ImageName.Full).ToHashSet();
            foreach (var name in image.RepoTags ?? [])
            {
                if (EarlierRelease(name) is { } earlier)
                {
                    if (!numbers.Contains(earlier) && history.HadImage(earlier, image.Id)) { going.Add((name, earlier)); }
                }
                else if (built.Contains(ImageName.Full(name))) { going.Add((name, null)); }
            }
        }
        return going;
    }

    /// <summary>The deployed release and those before it that are kept: of releases with the same images the newest.</summary>
    private List<ReleasedImages> KeptReleases()
    {
        List<ReleasedImages> releases = [];
        foreach (var release in history.HealthyImages(Considered))
        {
            if (releases.Count > options.KeepReleases) { break; }
            if (!releases.Exists(r => r.SameAs(release))) { releases.Add(release); }
        }
        return releases;
    }

    /// <summary>The release of a name that earlier versions of the worker gave, <c>repository:watchparty-RELEASE</c>; null for any
    /// other.</summary>
    internal static long? EarlierRelease(string name) =>
        EarlierTag().Match(ImageName.Split(name).Tag) is { Success: true } tag
            && long.TryParse(tag.Groups[1].ValueSpan, NumberStyles.None, CultureInfo.InvariantCulture, out var release) ? release : null;

    [GeneratedRegex(@"\Awatchparty-([0-9]+)(-.*)?\z")]
    private static partial Regex EarlierTag();
}

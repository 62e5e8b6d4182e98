using Microsoft.Extensions.Logging;
using WatchParty.Releases.Deploying;
using WatchParty.Releases.Planning;
using WatchParty.Releases.Recording;
using WatchParty.Tools.Docker;
using WatchParty.Tools.Git;

namespace WatchParty.Releases.Releasing;

/// <summary>Takes up what an empty history does not know of: the releases whose images and commits were kept for a rollback.</summary>
/// <remarks>The names of <see cref="KeptImages"/> and the ref <c>refs/watchparty/release/RELEASE</c> are written when a release was
/// healthy, so the newest release that has both is the deployed one. What only the history knew is gone: which commits failed, whose cache
/// was cleared, and the seals, which are made again.</remarks>
internal sealed class LostHistory(StateFolder state, KeptImages kept, GitRepository repository, ReleasePlanning planning, History history,
    ILogger<LostHistory> logger)
{
    private const string Note = "taken up from the images and commits that were kept, because the history was lost";

    public async Task TakeUpAsync(CancellationToken cancellationToken)
    {
        if (!history.IsEmpty()) { return; }
        var commits = await repository.KeptAsync(cancellationToken);
        if (commits.Count == 0) { return; }
        var model = await planning.ModelAsync(await repository.HeadAsync(cancellationToken), cancellationToken);
        var images = (await kept.AllAsync(model.Project, cancellationToken)).Where(k => !k.Name.Before).ToLookup(k => k.Name.Release);
        List<(long Id, string Commit, string Project, IReadOnlyDictionary<string, (string, string?)> Services)> found = [];
        foreach (var (release, commit) in commits.OrderByDescending(c => c.Key))
        {
            // The newest may be one whose images a prune by somebody else took; it is no release to go on from.
            if (!images.Contains(release) && model.Services.Any()) { continue; }
            found.Add((release, commit, model.Project, images[release].ToDictionary(
                k => ServiceOf(k.Name, k.Text, model)?.Name ?? k.Name.Service,
                k => (ServiceOf(k.Name, k.Text, model)?.Image ?? "", (string?)k.Id))));
        }
        history.TakeUp(found, LastNumber(commits.Keys.Concat(images.Select(i => i.Key))), Note);
        // A seal without its record would be in nobody's way but the disk's.
        if (Directory.Exists(state.Cache)) { Directory.Delete(state.Cache, recursive: true); }
        if (found is [var newest, ..]) { logger.TakenUp(found.Count, newest.Id, newest.Commit); }
    }

    /// <summary>The service that bears this name of ours, which a long one does not hold whole.</summary>
    private static ComposeService? ServiceOf(KeptName name, string text, ComposeModel model) =>
        model.Services.FirstOrDefault(s => ImageName.Split(KeptImages.NameOf(name.Project, name.Release, s.Name)) == ImageName.Split(text));

    private long LastNumber(IEnumerable<long> kept)
    {
        var logs = Directory.EnumerateFiles(state.Logs, "release-*.log")
            .Select(f => long.TryParse(Path.GetFileNameWithoutExtension(f).Split('-')[1], out var id) ? id : 0);
        return kept.Concat(logs).Max();
    }
}

internal static partial class LostHistoryLog
{
    [LoggerMessage(Level = LogLevel.Warning,
        Message = "The history is empty; {Count} releases were taken up from the images and commits that were kept, and release " +
            "{Release} ({Commit}) counts as the deployed one")]
    public static partial void TakenUp(this ILogger logger, int count, long release, string commit);
}

using Microsoft.Extensions.Logging;
using WatchParty.Worker.Deploying;
using WatchParty.Worker.Hosting;
using WatchParty.Worker.Housekeeping;
using WatchParty.Worker.Recording;
using WatchParty.Worker.Tools;

namespace WatchParty.Worker.Releasing;

/// <summary>Takes up what an empty history does not know of: the releases whose images and commits were kept for a rollback.</summary>
/// <remarks>The tag <c>watchparty-RELEASE</c> of an image and the ref <c>refs/watchparty/release/RELEASE</c> are written when a release was healthy, so
/// the newest release that has both is the deployed one. What only the history knew is gone: which commits failed, whose cache
/// was cleared, and the seals, which are made again.</remarks>
internal sealed class LostHistory(StateFolder state, IDockerEngine engine, GitRepository repository, ReleasePlanning planning, History history, ILogger<LostHistory> logger)
{
    private const string Note = "taken up from the images and commits that were kept, because the history was lost";

    public async Task TakeUpAsync(CancellationToken cancellationToken)
    {
        if (!history.IsEmpty()) { return; }
        var commits = await repository.KeptAsync(cancellationToken);
        if (commits.Count == 0) { return; }
        var model = await planning.ModelAsync(await repository.HeadAsync(cancellationToken), cancellationToken);
        var built = model.Built.ToList();
        List<(long Id, string Commit, IReadOnlyDictionary<string, (string, string?)> Services)> found = [];
        foreach (var (release, commit) in commits.OrderByDescending(c => c.Key))
        {
            var images = await engine.ImageIdsAsync(built.Select(s => RollbackImages.NameOf(s.Image, release)), cancellationToken);
            // The newest may be one whose images a prune by somebody else took; it is no release to go on from.
            if (images.Count == 0 && built.Count > 0) { continue; }
            found.Add((release, commit, built.Where(s => images.ContainsKey(RollbackImages.NameOf(s.Image, release)))
                .ToDictionary(s => s.Name, s => (s.Image, (string?)images[RollbackImages.NameOf(s.Image, release)]))));
        }
        history.TakeUp(found, await LastNumberAsync(commits.Keys, cancellationToken), Note);
        // A seal without its record would be in nobody's way but the disk's.
        if (Directory.Exists(state.Cache)) { Directory.Delete(state.Cache, recursive: true); }
        if (found is [var newest, ..]) { logger.TakenUp(found.Count, newest.Id, newest.Commit); }
    }

    private async Task<long> LastNumberAsync(IEnumerable<long> kept, CancellationToken cancellationToken)
    {
        var tags = (await ImageRetention.NamesAsync(engine, cancellationToken)).Select(n => RollbackImages.ReleaseOf(n) ?? 0);
        var logs = Directory.EnumerateFiles(state.Logs, "release-*.log").Select(f => long.TryParse(Path.GetFileNameWithoutExtension(f).Split('-')[1], out var id) ? id : 0);
        return kept.Concat(tags).Concat(logs).Max();
    }
}

internal static partial class LostHistoryLog
{
    [LoggerMessage(Level = LogLevel.Warning, Message = "The history is empty; {Count} releases were taken up from the images and commits that were kept, and release {Release} ({Commit}) counts as the deployed one")]
    public static partial void TakenUp(this ILogger logger, int count, long release, string commit);
}

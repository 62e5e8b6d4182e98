using Microsoft.Extensions.Logging;
using WatchParty.Releases.Caching;
using WatchParty.Releases.Recording;
using WatchParty.Releases.Releasing;
using WatchParty.Tools.Failures;
using WatchParty.Tools.Processes;

namespace WatchParty.Releases.Housekeeping;

/// <summary>What follows a healthy release, off its critical path: old rollback images go, and the cache of what changed is
/// sealed.</summary>
/// <remarks>None of it can make the release fail: the site serves already. It can be cut short at any point; what is left to do follows
/// from the record, and is done the next time.</remarks>
internal sealed class AfterRelease(
    ImageRetention retention, ReleasePlanning planning, LiveSet liveSet, CacheSeals seals, FreshMarks freshMarks, History history,
    ILogger<AfterRelease> logger)
{
    public async Task RunAsync(CancellationToken cancellationToken)
    {
        if (history.Deployed() is not { } deployed) { return; }
        try
        {
            await retention.ApplyAsync(dryRun: false, cancellationToken);
            // What waits for a fresh build must not be kept.
            var fresh = freshMarks.All();
            var images = deployed.Services.Values.Where(s => s.Basis is not null && !fresh.Contains(s.Name))
                .ToDictionary(s => s.Name, s => s.ImageId);
            if (!images.Any(i => seals.IsDue(i.Key, i.Value))) { return; }
            var model = await planning.ModelAsync(deployed.Commit, cancellationToken);
            var live = await liveSet.ReadAsync(model, deployed.Services, cancellationToken);
            await seals.SealAsync(model,
                live.Where(l => images.TryGetValue(l.Service.Name, out var image) && seals.IsDue(l.Service.Name, image)), images,
                deployed.Id, cancellationToken);
        }
        catch (Exception e) when (e is WorkerException or ToolFailedException or IOException or UnauthorizedAccessException)
        {
            logger.NotTidied(deployed.Id, e.Message);
        }
    }
}

internal static partial class AfterReleaseLog
{
    [LoggerMessage(Level = LogLevel.Warning, Message = "Release {Release} is healthy, but not everything after it could be done: {Reason}")]
    public static partial void NotTidied(this ILogger logger, long release, string reason);
}

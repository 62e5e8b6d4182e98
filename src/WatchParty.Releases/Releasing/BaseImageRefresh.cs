using Microsoft.Extensions.Logging;
using WatchParty.Releases.Baking;
using WatchParty.Releases.Recording;
using WatchParty.Releases.Signals;

namespace WatchParty.Releases.Releasing;

/// <summary>Builds the deployed commit again when a base image is new in its registry.</summary>
/// <remarks>Asked only on a schedule: what a tag stands for changes some times a month, commits come by the minute.</remarks>
internal sealed class BaseImageRefresh(ReleasePipeline pipeline, BaseImages baseImages, History history, ProgressFeed progress,
    ILogger<BaseImageRefresh> logger)
{
    /// <returns>Null when nothing is new.</returns>
    public async Task<ReleaseReport?> RunAsync(string trigger, CancellationToken cancellationToken)
    {
        progress.Report("looking for newer base images");
        var built = history.Deployed()?.Services.Values.SelectMany(s => s.Basis?.BaseDigests.AsEnumerable() ?? []) ?? [];
        var (digests, error) = await baseImages.NewDigestsAsync(built, cancellationToken);
        if (error is not null) { logger.NotAsked(error); }
        logger.Looked(digests.Count);
        return digests.Count == 0 ? null
            : await pipeline.RunAsync(new ReleaseRequest(trigger) { NewBaseDigests = digests }, cancellationToken);
    }
}

internal static partial class BaseImageRefreshLog
{
    [LoggerMessage(Level = LogLevel.Information, Message = "{Count} base images are new in their registries")]
    public static partial void Looked(this ILogger logger, int count);

    [LoggerMessage(Level = LogLevel.Warning, Message = "A registry could not be asked for newer base images: {Reason}")]
    public static partial void NotAsked(this ILogger logger, string reason);
}

using System.Globalization;
using Microsoft.Extensions.Logging;
using WatchParty.Worker.Caching;
using WatchParty.Worker.Hosting;
using WatchParty.Worker.Planning;
using WatchParty.Worker.Recording;
using WatchParty.Worker.Releasing;
using WatchParty.Worker.Tools;

namespace WatchParty.Worker.Housekeeping;

/// <summary>What follows a healthy release, off its critical path: old rollback images go, and the cache is sealed.</summary>
/// <remarks>None of it can make the release fail: the site serves already.</remarks>
internal sealed class AfterRelease(ImageRetention retention, ReleasePlanning planning, CacheSeals seals, SealRecord sealRecord, ImageCacheMetadata metadata, History history, ILogger<AfterRelease> logger)
{
    public async Task RunAsync(ReleaseReport report, CancellationToken cancellationToken)
    {
        try
        {
            await retention.ApplyAsync(dryRun: false, cancellationToken);
            var release = long.Parse(report.Release!, CultureInfo.InvariantCulture);
            var built = report.Services.Where(s => s.Action == ServiceAction.Built).Select(s => s.Name).ToHashSet();
            var deployed = history.Deployed();
            if (deployed is null) { return; }
            var model = await planning.ModelAsync(deployed.Commit, cancellationToken);
            await CheckShippedImagesAsync(release, model, built, cancellationToken);
            var live = await LiveSet.ReadAsync(model, deployed.Services, cancellationToken);
            await seals.SealAsync(model, live.Where(l => built.Contains(l.Service.Name) || sealRecord.Find(l.Service.Name) is null), release, cancellationToken);
        }
        catch (Exception e) when (e is WorkerException or ToolFailedException or IOException or UnauthorizedAccessException or HttpRequestException)
        {
            logger.NotTidied(report.Release!, e.Message);
        }
    }

    /// <summary>Cache metadata in a shipped image brings old results back after a clear, so every image is looked into.</summary>
    private async Task CheckShippedImagesAsync(long release, ComposeModel model, HashSet<string> built, CancellationToken cancellationToken)
    {
        foreach (var image in model.Built.Where(s => built.Contains(s.Name)).Select(s => s.Image).Distinct())
        {
            if (!await metadata.IsInAsync(image, cancellationToken)) { continue; }
            history.Note(release, $"{image} carries BuildKit's cache metadata, so a clear would not clear it; remove BUILDKIT_INLINE_CACHE and cache_to type=inline from its build");
            logger.ShipsCacheMetadata(image);
        }
    }
}

internal static partial class AfterReleaseLog
{
    [LoggerMessage(Level = LogLevel.Warning, Message = "Release {Release} is healthy, but not everything after it could be done: {Reason}")]
    public static partial void NotTidied(this ILogger logger, string release, string reason);

    [LoggerMessage(Level = LogLevel.Error, Message = "The shipped image {Image} carries cache metadata")]
    public static partial void ShipsCacheMetadata(this ILogger logger, string image);
}

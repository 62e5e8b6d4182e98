using System.Threading.Channels;
using WatchParty.Releases.Housekeeping;
using WatchParty.Releases.Recording;
using WatchParty.Releases.Releasing;
using WatchParty.Releases.Signals;
using WatchParty.Tools.Configuration;

namespace WatchParty.Worker.Operating;

/// <summary>Everything that changes something, one at a time. Every trigger ends here: poll, drop file, schedule, verb.</summary>
internal sealed class Operations(WorkGate gate, ReleasePipeline pipeline, ManualRollback rollback, Recovery recovery,
    BaseImageRefresh baseImages, CacheClearer clearer, Pruner pruner, AfterRelease afterRelease)
{
    /// <summary>Time in which a piece of work ends if the limits of its parts hold, after a build of another one before it.</summary>
    public static TimeSpan Limit(WorkerOptions options) =>
        (options.Build.Timeout * 2) + (options.Deploy.WaitTimeout * 8) + TimeSpan.FromHours(2);

    // Of several asked for while one is under way, one more does.
    private readonly Channel<bool> _tidying =
        Channel.CreateBounded<bool>(new BoundedChannelOptions(1) { FullMode = BoundedChannelFullMode.DropWrite });

    /// <param name="begins">Called when its turn has come.</param>
    public Task<ReleaseReport> ReleaseAsync(ReleaseRequest request, CancellationToken cancellationToken, Action? begins = null) =>
        gate.RunAsync($"release ({request.Trigger})", async token =>
    {
        begins?.Invoke();
        return Followed(await pipeline.RunAsync(request, token));
    }, cancellationToken);

    public Task RefreshBaseImagesAsync(string trigger, CancellationToken cancellationToken) =>
        gate.RunAsync("looking for newer base images", async token =>
        await baseImages.RunAsync(trigger, token) is { } report ? Followed(report) : null, cancellationToken);

    public Task<ReleaseReport> RollBackAsync(long? release, string trigger, CancellationToken cancellationToken) =>
        gate.RunAsync($"rollback ({trigger})", token => rollback.RunAsync(release, trigger, token), cancellationToken);

    /// <param name="begins">Called when its turn has come.</param>
    public Task<HousekeepingReport> ClearAsync(IReadOnlyList<string> targets, string trigger, CancellationToken cancellationToken,
        Action? begins = null) => gate.RunAsync($"clear-cache ({trigger})", async token =>
    {
        begins?.Invoke();
        return Counted(await clearer.RunAsync(targets, trigger, token));
    }, cancellationToken);

    public Task<HousekeepingReport> PruneAsync(bool dryRun, string trigger, CancellationToken cancellationToken) =>
        gate.RunAsync($"prune ({trigger})", async token => Counted(await pruner.RunAsync(trigger, dryRun, token)), cancellationToken);

    /// <param name="always">Whether the deployed release is brought up even when nothing was interrupted.</param>
    public Task RecoverAsync(bool always, CancellationToken cancellationToken) => gate.RunAsync("recovery", async token =>
    {
        var resumed = await recovery.RunAsync(always, token);
        // What the worker before did not come to.
        if (always) { _tidying.Writer.TryWrite(true); }
        return resumed is null ? null : Followed(resumed);
    }, cancellationToken);

    /// <summary>Ends when something follows a release that <see cref="TidyAsync"/> has not done yet.</summary>
    public async Task WaitForTidyingAsync(CancellationToken cancellationToken) => await _tidying.Reader.WaitToReadAsync(cancellationToken);

    /// <summary>Does what follows the releases so far, if anything does. It ends at once for everything else that comes, and is then to be
    /// asked for again.</summary>
    /// <returns>Whether nothing is left to do.</returns>
    public async Task<bool> TidyAsync(CancellationToken cancellationToken)
    {
        if (!_tidying.Reader.TryRead(out _)) { return true; }
        if (await gate.RunGivingWayAsync("tidying after a release", afterRelease.RunAsync, cancellationToken)) { return true; }
        _tidying.Writer.TryWrite(true);
        return false;
    }

    private static HousekeepingReport Counted(HousekeepingReport report)
    {
        Metrics.Kept(report);
        return report;
    }

    private ReleaseReport Followed(ReleaseReport report)
    {
        if (report.Outcome == ReleaseOutcome.Succeeded) { _tidying.Writer.TryWrite(true); }
        return report;
    }
}

using Microsoft.Extensions.Logging;
using WatchParty.Releases.Deploying;
using WatchParty.Releases.Recording;
using WatchParty.Releases.Signals;
using WatchParty.Releases.Verifying;
using WatchParty.Tools.Failures;
using WatchParty.Tools.Git;
using WatchParty.Tools.Processes;

namespace WatchParty.Releases.Releasing;

/// <summary>The first act after a start: what a killed worker left is settled, and the deployed release is brought up again.</summary>
/// <remarks>A <c>compose up</c> that was killed leaves services down in two of three cases; the same command again heals every
/// one.</remarks>
internal sealed class Recovery(
    LostHistory lost, History history, Rollback rollback, ReleasePlanning planning, Deployer deployer, HealthVerifier verifier,
    KeptImages kept,
    GitRepository repository, ProgressFeed progress, ReleaseListeners listeners, ILogger<Recovery> logger)
{
    /// <summary>Times that a worker may end while it releases a commit before that is taken for the reason.</summary>
    public const int MostTries = 3;

    /// <param name="always">Whether the deployed release is brought up even when nothing was interrupted.</param>
    /// <returns>A release that was deployed already and is healthy; what follows a healthy release is still to be done.</returns>
    public async Task<ReleaseReport?> RunAsync(bool always, CancellationToken stop)
    {
        await TakeUpAsync(stop);
        var unfinished = history.Unfinished();
        var resumed = unfinished is [{ State: ReleaseState.Verifying } newest, ..] && await ResumeAsync(newest, stop) ? newest : null;
        if (resumed is not null) { unfinished = [.. unfinished.Skip(1)]; }
        var isUp = true;
        if (ToBringUp(unfinished) is { } served && (always || unfinished.Count > 0))
        {
            isUp = await BringUpAsync(served, whole: unfinished.Any(WasTouching), stop);
        }
        foreach (var release in unfinished) { Settle(release, isUp); }
        return resumed is null ? null : history.Find(resumed.Id);
    }

    /// <summary>What served before a release that had begun to touch containers, also what a person had put there; otherwise the deployed
    /// release.</summary>
    private Served? ToBringUp(IReadOnlyList<UnfinishedRelease> unfinished) =>
        unfinished.FirstOrDefault(r => WasTouching(r) && r.Before is { Services.Count: > 0 })?.Before ?? history.Deployed()?.Served;

    private static bool WasTouching(UnfinishedRelease release) => release.State >= ReleaseState.Deploying;

    private async Task TakeUpAsync(CancellationToken stop)
    {
        try
        {
            await lost.TakeUpAsync(stop);
        }
        catch (Exception e) when (e is WorkerException or ToolFailedException or IOException or UnauthorizedAccessException)
        {
            logger.NotTakenUp(e.Message);
        }
    }

    /// <summary>Ends a release that was deployed already when the worker was killed, so that its containers need not be made
    /// twice.</summary>
    /// <returns>False when it does not run as it should; then it is undone like every other.</returns>
    private async Task<bool> ResumeAsync(UnfinishedRelease release, CancellationToken stop)
    {
        try
        {
            if (await repository.HeadAsync(stop) != release.Commit) { return false; }
            progress.Report($"checking release {release.Id}, which was interrupted");
            var model = await planning.ModelAsync(release.Commit, stop);
            if (await kept.DifferAsync(model, history.Recorded(release.Id), stop)) { return false; }
            var deployment = await deployer.DecideAsync(model, whole: false, stop);
            if (deployment.Services is not { IsEmpty: true }) { return false; }
            // What is unhealthy now was not so before the release: these are its own containers.
            await verifier.VerifyAsync(deployment with { Before = new ContainerSet([]) }, UpAnswer.Nothing, stop);
            await deployer.RememberAsync(model, stop);
            await kept.KeepAsync(model, release.Id, stop);
            await repository.KeepAsync(release.Commit, release.Id, stop);
            history.LiftQuarantine(release.Commit);
            history.Finish(release.Id, ReleaseOutcome.Succeeded, null, PhaseSeconds.Zero);
            logger.Resumed(release.Id, release.Commit);
            return true;
        }
        catch (Exception e) when (e is not OperationCanceledException)
        {
            logger.NotResumed(release.Id, e.Message);
            return false;
        }
    }

    /// <param name="whole">Whether compose has to look at the whole application: after a kill in the middle of a <c>compose up</c>.</param>
    private async Task<bool> BringUpAsync(Served served, bool whole, CancellationToken stop)
    {
        progress.Report($"bringing release {served.Release} up again");
        try
        {
            await rollback.BringBackAsync(served, left: null, whole, logger.BroughtUpWith, stop);
            logger.BroughtUp(served.Release, served.Commit);
            listeners.BroughtUp(served.Release, served.Commit, error: null);
            return true;
        }
        catch (Exception e) when (e is not OperationCanceledException)
        {
            // The next release goes on from what is there; the site may even be well without us.
            logger.NotBroughtUp(served.Release, e.Message);
            listeners.BroughtUp(served.Release, served.Commit, e.Message);
            return false;
        }
    }

    private void Settle(UnfinishedRelease release, bool isUp)
    {
        if (release.State == ReleaseState.RollingBack)
        {
            var blame = history.Quarantined(release.Commit) is { } quarantine && quarantine.Release == release.Id ? quarantine.Reason
                : "it was not healthy";
            history.Finish(release.Id, isUp ? ReleaseOutcome.RolledBack : ReleaseOutcome.DeployFailed, blame, PhaseSeconds.Zero);
            logger.WentBack(release.Id, blame);
            return;
        }
        var tries = history.Interrupt(release);
        logger.Interrupted(release.Id, release.State.ToString(), tries);
        var reason = $"the worker ended {tries} times while it released this commit, the last time during {release.State}";
        if (tries >= MostTries) { history.Finish(release.Id, ReleaseOutcome.Interrupted, reason, PhaseSeconds.Zero); }
        // What serves is not put in quarantine: it is a forced rebuild of it that does not come to an end, and its flag is given up.
        if (tries < MostTries || release.Commit == history.DeployedCommit()) { return; }
        history.Quarantine(release.Commit, release.Id, reason);
        logger.GivenUp(release.Commit, tries);
    }
}

internal static partial class RecoveryLog
{
    [LoggerMessage(Level = LogLevel.Warning,
        Message = "Ended {Count} processes that a worker before this one had started and that outlived it")]
    public static partial void EndedLeftovers(this ILogger logger, int count);

    [LoggerMessage(Level = LogLevel.Error,
        Message = "The history was damaged and is now {File}; a new one is begun. Delete the file when nobody wants to look at it any " +
            "more")]
    public static partial void HistorySetAside(this ILogger logger, string file);

    [LoggerMessage(Level = LogLevel.Error, Message = "What was deployed before this history could not be looked for: {Reason}")]
    public static partial void NotTakenUp(this ILogger logger, string reason);

    [LoggerMessage(Level = LogLevel.Information,
        Message = "Release {Release} ({Commit}) was interrupted while it was verified, and is healthy")]
    public static partial void Resumed(this ILogger logger, long release, string commit);

    [LoggerMessage(Level = LogLevel.Warning, Message = "Release {Release} was interrupted while it was verified, and is undone: {Reason}")]
    public static partial void NotResumed(this ILogger logger, long release, string reason);

    [LoggerMessage(Level = LogLevel.Information, Message = "Bringing up: {Note}")]
    public static partial void BroughtUpWith(this ILogger logger, string note);

    [LoggerMessage(Level = LogLevel.Information, Message = "The deployed release {Release} ({Commit}) is up")]
    public static partial void BroughtUp(this ILogger logger, long release, string commit);

    [LoggerMessage(Level = LogLevel.Error, Message = "The deployed release {Release} could not be brought up again: {Reason}")]
    public static partial void NotBroughtUp(this ILogger logger, long release, string reason);

    [LoggerMessage(Level = LogLevel.Warning, Message = "Release {Release} was interrupted while it went back, which is done now: {Reason}")]
    public static partial void WentBack(this ILogger logger, long release, string reason);

    [LoggerMessage(Level = LogLevel.Warning, Message = "Release {Release} was interrupted during {State}, try {Tries} of its commit")]
    public static partial void Interrupted(this ILogger logger, long release, string state, long tries);

    [LoggerMessage(Level = LogLevel.Error,
        Message = "Commit {Commit} is not tried again by itself: the worker ended {Tries} times while it released it")]
    public static partial void GivenUp(this ILogger logger, string commit, long tries);
}

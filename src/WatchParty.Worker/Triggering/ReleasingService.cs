using System.Globalization;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;
using WatchParty.Releases.Recording;
using WatchParty.Releases.Releasing;
using WatchParty.Tools.Configuration;
using WatchParty.Tools.Failures;
using WatchParty.Tools.Processes;
using WatchParty.Worker.Operating;

namespace WatchParty.Worker.Triggering;

/// <summary>Releases the newest commit that polls found, one after the other.</summary>
/// <param name="release">Releases what its request says; waits for other work first.</param>
internal sealed class ReleasingService(
    Func<ReleaseRequest, CancellationToken, Task<ReleaseReport>> release, NewestCommit newest, History history, WorkerOptions options,
    Heartbeat heartbeat, TimeProvider time, ILogger<ReleasingService> logger) : BackgroundService
{
    private const string Loop = "releases";
    private const int MostFaults = 3;

    /// <summary>Tries of a commit that touched containers and were taken back for a reason outside of it: each takes the site away for a
    /// moment.</summary>
    private const int MostWaysBack = 3;

    private string? _failedCommit;
    private int _failures;
    private int _waysBack;
    private long _failedAt;
    private int _faults;

    protected override async Task ExecuteAsync(CancellationToken stoppingToken)
    {
        await foreach (var commit in newest.SeenAsync(stoppingToken))
        {
            try
            {
                if (commit == history.DeployedCommit())
                {
                    newest.Trouble = null;
                    continue;
                }
                if (history.Quarantined(commit) is not null || Waits(commit)) { continue; }
                // The parts of a release have limits of their own; this one only notices that none of them held.
                heartbeat.Expect(Loop, Operations.Limit(options));
                await ReleaseAsync(commit, stoppingToken);
            }
            catch (Exception e) when (e is WorkerException or ToolFailedException or IOException or UnauthorizedAccessException)
            {
                Count(commit, failed: true);
                newest.Trouble = $"commit {commit[..7]} could not be released and is tried again: {e.Message}";
                logger.NotReleased(commit, e.Message);
            }
            // A bug that one commit brings out is no reason to leave the others; if nothing goes any more, a new process may do better.
            catch (Exception e) when (!stoppingToken.IsCancellationRequested && ++_faults < MostFaults)
            {
                Count(commit, failed: true);
                logger.FailedUnexpectedly(e, commit);
            }
            finally
            {
                // What it waits for next is the poller, which is watched itself.
                heartbeat.Done(Loop);
            }
        }
    }

    private async Task ReleaseAsync(string commit, CancellationToken stop)
    {
        ReleaseReport? report = null;
        try
        {
            report = await release(new ReleaseRequest("poll", Newest: newest), stop);
            newest.Trouble = null;
            // While it waited for other work a newer one than the one it was asked for may have come.
            var takenBack = report.Outcome is ReleaseOutcome.RolledBack or ReleaseOutcome.DeployFailed;
            Count(report.Commit, takenBack || report.Outcome == ReleaseOutcome.Failed, takenBack);
            _faults = 0;
            if (_waysBack >= MostWaysBack) { GiveUp(report); }
        }
        finally
        {
            newest.Done(gaveWay: report?.Outcome == ReleaseOutcome.Superseded);
        }
    }

    private void GiveUp(ReleaseReport report)
    {
        if (report.Release is not { } release || history.Quarantined(report.Commit) is not null) { return; }
        history.Quarantine(report.Commit,
            long.Parse(release,
                CultureInfo.InvariantCulture), $"it was taken back {_waysBack} times, the last time because {report.Error}");
        logger.GivenUp(report.Commit, _waysBack);
    }

    /// <summary>Whether a commit that failed for a reason outside of it has to wait: twice as long after each try, up to ten poll
    /// intervals.</summary>
    private bool Waits(string commit)
    {
        if (commit != _failedCommit) { return false; }
        return time.GetElapsedTime(_failedAt) < WaitAfter(_failures, options.Repository.PollInterval);
    }

    internal static TimeSpan WaitAfter(int failures, TimeSpan pollInterval) => pollInterval * Math.Min(10, Math.Pow(2, failures - 1));

    private void Count(string commit, bool failed, bool takenBack = false)
    {
        if (!failed || commit != _failedCommit) { (_failures, _waysBack) = (0, 0); }
        if (failed) { _failures++; }
        if (takenBack) { _waysBack++; }
        _failedCommit = failed ? commit : null;
        _failedAt = time.GetTimestamp();
    }
}

internal static partial class ReleasingLog
{
    [LoggerMessage(Level = LogLevel.Error, Message = "Commit {Commit} could not be released and is tried again: {Reason}")]
    public static partial void NotReleased(this ILogger logger, string commit, string reason);

    [LoggerMessage(Level = LogLevel.Error,
        Message = "Commit {Commit} was taken back {Times} times and is not tried again. Push a fix, or release it with `once " +
            "--force-rebuild`")]
    public static partial void GivenUp(this ILogger logger, string commit, int times);

    [LoggerMessage(Level = LogLevel.Error,
        Message = "Commit {Commit} could not be released because of an unexpected fault of the worker, and is tried again")]
    public static partial void FailedUnexpectedly(this ILogger logger, Exception exception, string commit);
}

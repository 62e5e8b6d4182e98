using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;
using WatchParty.Worker.Configuration;
using WatchParty.Worker.Hosting;
using WatchParty.Worker.Recording;
using WatchParty.Worker.Releasing;
using WatchParty.Worker.Tools;

namespace WatchParty.Worker.Triggering;

/// <summary>Releases what the poller finds. While a release runs nothing is polled, so of the commits that arrive meanwhile only
/// the newest is released.</summary>
internal sealed class PollingService(GitPoller poller, Operations operations, History history, WorkerOptions options, Heartbeat heartbeat, TimeProvider time, ILogger<PollingService> logger) : BackgroundService
{
    private const string Loop = "poller";

    private string? _failedCommit;
    private int _failures;
    private long _failedAt;

    protected override async Task ExecuteAsync(CancellationToken stoppingToken)
    {
        await poller.RunAsync(HeadSeenAsync, within => heartbeat.Expect(Loop, within), stoppingToken);
        heartbeat.Done(Loop);
    }

    private async Task HeadSeenAsync(string commit, CancellationToken stop)
    {
        if (commit == history.Deployed()?.Commit || history.Quarantined(commit) is not null || Waits(commit)) { return; }
        // The parts of a release have limits of their own; this one only notices that none of them held.
        heartbeat.Expect(Loop, options.Build.Timeout + (options.Deploy.WaitTimeout * 4) + TimeSpan.FromHours(1));
        try
        {
            Count(commit, await operations.ReleaseAsync(new ReleaseRequest("poll"), stop) is { Outcome: ReleaseOutcome.Failed });
        }
        catch (Exception e) when (e is WorkerException or ToolFailedException)
        {
            Count(commit, failed: true);
            logger.NotReleased(commit, e.Message);
        }
    }

    /// <summary>Whether a commit that failed for a reason outside of it has to wait: twice as long after each try, up to ten poll intervals.</summary>
    private bool Waits(string commit)
    {
        if (commit != _failedCommit) { return false; }
        return time.GetElapsedTime(_failedAt) < WaitAfter(_failures, options.Repository.PollInterval);
    }

    internal static TimeSpan WaitAfter(int failures, TimeSpan pollInterval) => pollInterval * Math.Min(10, Math.Pow(2, failures - 1));

    private void Count(string commit, bool failed)
    {
        _failures = !failed ? 0 : commit == _failedCommit ? _failures + 1 : 1;
        _failedCommit = failed ? commit : null;
        _failedAt = time.GetTimestamp();
    }
}

internal static partial class PollingLog
{
    [LoggerMessage(Level = LogLevel.Error, Message = "Commit {Commit} could not be released and is tried again: {Reason}")]
    public static partial void NotReleased(this ILogger logger, string commit, string reason);
}

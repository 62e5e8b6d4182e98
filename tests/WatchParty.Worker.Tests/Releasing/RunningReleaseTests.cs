using Microsoft.Extensions.Logging.Abstractions;
using WatchParty.Releases.Recording;
using WatchParty.Releases.Releasing;
using WatchParty.Releases.Signals;
using WatchParty.Tools.Configuration;
using WatchParty.Tools.Failures;
using WatchParty.Worker.Tests.Recording;

namespace WatchParty.Worker.Tests.Releasing;

public sealed class RunningReleaseTests : IDisposable
{
    private static readonly ReleaseFailure Unhealthy = new(ReleaseOutcome.DeployFailed, "web is unhealthy", CommitAtFault: true);

    private readonly RecordBench _bench = new();
    private readonly string _folder = Directory.CreateTempSubdirectory("state-").FullName;

    public void Dispose()
    {
        _bench.Dispose();
        Directory.Delete(_folder, recursive: true);
    }

    [Fact]
    public void A_forced_rebuild_that_is_killed_leaves_its_commit_quarantined_and_one_that_is_healthy_does_not()
    {
        _bench.History.Quarantine(RecordBench.Commit, 1, "it failed");

        using var release = Begin(new ReleaseRequest("force-rebuild.flag", ForceRebuild: true));

        Assert.NotNull(_bench.Elsewhere(h => h.Quarantined(RecordBench.Commit)));
        release.Succeeded();
        Assert.Null(_bench.Elsewhere(h => h.Quarantined(RecordBench.Commit)));
    }

    [Fact]
    public void The_blame_and_the_state_are_on_disk_before_the_way_back_begins()
    {
        using var release = Begin(new ReleaseRequest("poll"));

        release.GoesBack(Unhealthy);

        Assert.Equal((release.Id, "web is unhealthy"), _bench.Elsewhere(h => h.Quarantined(RecordBench.Commit)));
        Assert.Equal(ReleaseState.RollingBack, Assert.Single(_bench.Elsewhere(h => h.Unfinished())).State);
    }

    [Fact]
    public void A_history_that_cannot_be_written_stops_what_would_follow_but_not_the_way_back()
    {
        using var release = Begin(new ReleaseRequest("poll"));
        release.Enter(ReleaseState.Building, "build");
        _bench.Database.Execute("PRAGMA query_only=1");

        Assert.Equal(Remedy.RetriedByItself, Assert.Throws<WorkerException>(() => release.Enter(ReleaseState.Deploying, "deploy")).Remedy);
        release.GoesBack(Unhealthy);

        Assert.Equal(ReleaseState.Building, Assert.Single(_bench.Elsewhere(h => h.Unfinished())).State);
        Assert.Throws<WorkerException>(() => release.Failed(Unhealthy));

        // The next try goes on in its row.
        _bench.Database.Execute("PRAGMA query_only=0");
        using var again = Begin(new ReleaseRequest("poll"));
        Assert.Equal((release.Id, ReleaseState.Planning), (again.Id, Assert.Single(_bench.Elsewhere(h => h.Unfinished())).State));
    }

    private RunningRelease Begin(ReleaseRequest request)
    {
        var recorder = new ReleaseRecorder(
            new DeployOptions(), _bench.History, StateFolder.Open(_folder), new ProgressFeed(), new ReleaseListeners([], NullLogger<ReleaseListeners>.Instance), _bench.Time, NullLogger<ReleaseRecorder>.Instance);
        return recorder.Begin(new Detection(RecordBench.Commit, null, true, null), request, new PhaseClock(_bench.Time));
    }
}

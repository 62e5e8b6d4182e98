using WatchParty.Releases.Recording;
using WatchParty.Worker.Tests.Fakes;

namespace WatchParty.Worker.Tests.Releasing;

/// <summary>What a start makes of a release that a killed worker left.</summary>
public sealed class RecoveryTests
{
    [Theory]
    [InlineData("after compose up")]
    [InlineData("after record update release state Verifying")]
    [InlineData("after record insert quarantine")]
    [InlineData("after record update release state RollingBack")]
    public async Task A_release_that_is_not_healthy_is_no_success_after_a_kill_wherever_that_was(string point)
    {
        using var flow = Flow.OfWebAndDatabase();
        await flow.ReleaseAsync();
        var before = flow.Serving;

        await KilledAtAsync(flow, point, ("web/status", "broken\n"));
        await flow.RecoverAsync();

        Assert.Equal(before, flow.Serving);
        Assert.DoesNotContain(flow.History.Last(10), r => r.Commit == flow.Git.RemoteHead && r.Outcome == ReleaseOutcome.Succeeded);
        await flow.ReleaseAsync();
        Assert.Equal(before, flow.Serving);
        Assert.NotNull(flow.History.Quarantined(flow.Git.RemoteHead));
    }

    [Fact]
    public async Task A_release_that_was_only_to_be_verified_is_not_made_twice()
    {
        using var flow = Flow.OfWebAndDatabase();
        await flow.ReleaseAsync();

        await KilledAtAsync(flow, "after record update release state Verifying", ("web/content.txt", "web 2\n"));
        var (serving, made) = (flow.Serving, flow.Engine.Made.Count);
        await flow.RecoverAsync();

        Assert.Equal((flow.Git.RemoteHead, made), (flow.History.DeployedCommit(), flow.Engine.Made.Count));
        Assert.Equal(serving.Select(s => s.Image), flow.Serving.Select(s => s.Image));
    }

    /// <summary>From that point on nothing that the worker tries has an effect, and a new one comes.</summary>
    private static async Task KilledAtAsync(Flow flow, string point, params (string, string?)[] changes)
    {
        flow.At(point, flow.Kill);
        await Assert.ThrowsAsync<FlowKilledException>(() => flow.ReleaseAsync(changes));
        flow.Restart();
    }
}

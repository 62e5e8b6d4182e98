using WatchParty.Releases.Planning;
using WatchParty.Releases.Recording;
using WatchParty.Tools.Docker;
using WatchParty.Worker.Tests.Fakes;

namespace WatchParty.Worker.Tests.Releasing;

/// <summary>The flow from a commit to healthy containers, on a fake engine.</summary>
public sealed class ReleasePipelineTests
{
    [Theory]
    [InlineData(ImageStore.GraphDriver)]
    [InlineData(ImageStore.Containerd)]
    internal async Task A_commit_is_built_deployed_verified_and_recorded(ImageStore store)
    {
        using var flow = Flow.OfWebAndDatabase(store);

        var report = await flow.ReleaseAsync();

        Assert.Equal((ReleaseOutcome.Succeeded, null), (report.Outcome, report.Error));
        Assert.Equal(flow.Git.RemoteHead, report.Commit);
        Assert.Equal([("db", "running"), ("web", "running")], flow.Serving.Select(s => (s.Service, s.Status)));
        Assert.Equal(report.Services.Single(s => s.Name == "web").Image, flow.Engine.Find("app-web:latest")!.Id);
        Assert.Equal(ServiceAction.Built, report.Services.Single(s => s.Name == "web").Action);
    }

    [Theory]
    [InlineData(1, ReleaseOutcome.Succeeded)]
    [InlineData(2, ReleaseOutcome.Failed)]
    internal async Task A_build_for_which_BuildKit_lost_a_layer_of_its_own_is_run_once_more(int times, ReleaseOutcome outcome)
    {
        using var flow = Flow.OfWebAndDatabase(ImageStore.Containerd);
        flow.Engine.LosesLayers = times;

        var report = await flow.ReleaseAsync();

        Assert.Equal(outcome, report.Outcome);
        Assert.Contains(report.Notes!, n => n.StartsWith("the build was run again, because BuildKit lost a layer of its own: web", StringComparison.Ordinal));
        // The commit is not to blame, so it is tried again.
        if (outcome == ReleaseOutcome.Failed) { Assert.Equal(ReleaseOutcome.Succeeded, (await flow.ReleaseAsync()).Outcome); }
    }

    [Fact]
    public async Task The_same_commit_again_is_nothing_to_do()
    {
        using var flow = Flow.OfWebAndDatabase();
        await flow.ReleaseAsync();
        var made = flow.Engine.Made.Count;

        Assert.Equal(ReleaseOutcome.NothingToDo, (await flow.ReleaseAsync()).Outcome);
        Assert.Equal(made, flow.Engine.Made.Count);
    }

    [Fact]
    public async Task A_commit_that_touches_only_documents_builds_and_makes_nothing()
    {
        using var flow = Flow.OfWebAndDatabase();
        await flow.ReleaseAsync();
        var (before, made) = (flow.Serving, flow.Engine.Made.Count);

        var report = await flow.ReleaseAsync(("docs/README.md", "other words\n"));

        Assert.Equal(ReleaseOutcome.Succeeded, report.Outcome);
        Assert.All(report.Services, s => Assert.Equal(ServiceAction.Unchanged, s.Action));
        Assert.Equal(before, flow.Serving);
        Assert.Equal(made, flow.Engine.Made.Count);
    }

    [Theory]
    [InlineData(ImageStore.GraphDriver)]
    [InlineData(ImageStore.Containerd)]
    internal async Task A_commit_that_is_not_healthy_ends_with_what_served_before(ImageStore store)
    {
        using var flow = Flow.OfWebAndDatabase(store);
        await flow.ReleaseAsync();
        var before = flow.Serving;

        var report = await flow.ReleaseAsync(("web/status", "broken\n"));

        Assert.Equal(ReleaseOutcome.RolledBack, report.Outcome);
        Assert.Contains("web is unhealthy", report.Error, StringComparison.Ordinal);
        Assert.Equal(before, flow.Serving);
        Assert.Equal(ReleaseOutcome.Quarantined, (await flow.ReleaseAsync()).Outcome);
    }

    [Theory]
    [InlineData(ImageStore.GraphDriver)]
    [InlineData(ImageStore.Containerd)]
    internal async Task A_person_goes_back_to_the_release_before(ImageStore store)
    {
        using var flow = Flow.OfWebAndDatabase(store);
        await flow.ReleaseAsync();
        var before = flow.Serving;
        await flow.ReleaseAsync(("web/content.txt", "web 2\n"));
        Assert.NotEqual(before, flow.Serving);

        var report = await flow.RollBackAsync();

        Assert.Equal((ReleaseOutcome.Succeeded, null), (report.Outcome, report.Error));
        Assert.Equal(before, flow.Serving);
    }
}

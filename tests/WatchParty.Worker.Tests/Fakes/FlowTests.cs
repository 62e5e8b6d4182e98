using WatchParty.Releases.Building;
using WatchParty.Releases.Caching;
using WatchParty.Releases.Deploying;
using WatchParty.Releases.Housekeeping;
using WatchParty.Releases.Recording;
using WatchParty.Releases.Releasing;
using WatchParty.Releases.Verifying;
using WatchParty.Tools.Docker;
using WatchParty.Worker.Hosting;
using WatchParty.Worker.Operating;

namespace WatchParty.Worker.Tests.Fakes;

/// <summary>Each class of the flow by itself, on the fake engine.</summary>
public sealed class FlowTests
{
    [Theory]
    [InlineData(ImageStore.GraphDriver)]
    [InlineData(ImageStore.Containerd)]
    internal async Task A_builder_builds_what_the_plan_says(ImageStore store)
    {
        using var flow = Flow.OfWebAndDatabase(store);
        var plan = await flow.RunAsync(() =>
            flow.Get<ReleasePlanning>().PlanAsync(flow.Git.Head, null, new ReleaseRequest("test"), flow.Stop));
        using var log = new BuildLog(Path.Combine(flow.State.Logs, "build.log"));

        var built = await flow.RunAsync(() => flow.Get<ImageBuilder>().BuildAsync(plan, log, _ => { }, flow.Stop));

        Assert.Equal([(2, StepState.Executed), (3, StepState.Executed)], built.Single().Steps.Select(s => (s.Number - 1, s.State)));
        Assert.Equal(flow.Engine.Find("app-web")!.Id, built.Single().ImageId);
        Assert.Empty(flow.Serving);
    }

    [Fact]
    public async Task A_deployer_brings_the_containers_up_and_touches_none_that_is_right()
    {
        using var flow = Flow.OfWebAndDatabase();
        await flow.ReleaseAsync();
        var model = await flow.RunAsync(() => flow.Get<ReleasePlanning>().ModelAsync(flow.Git.Head, flow.Stop));

        var deployment = await flow.RunAsync(() =>
            flow.Get<Deployer>().DecideAsync(model, whole: false, flow.Stop));

        Assert.Empty(deployment.Services!);
    }

    [Fact]
    public async Task A_verifier_is_content_with_a_release_that_is_healthy_and_not_when_a_container_ends()
    {
        using var flow = Flow.OfWebAndDatabase();
        await flow.ReleaseAsync();
        var model = await flow.RunAsync(() => flow.Get<ReleasePlanning>().ModelAsync(flow.Git.Head, flow.Stop));
        var deployment = await flow.RunAsync(() =>
            flow.Get<Deployer>().DecideAsync(model, whole: false, flow.Stop));
        await flow.RunAsync(() => flow.Get<HealthVerifier>().VerifyAsync(deployment, UpAnswer.Nothing, flow.Stop));

        flow.Engine.Containers.Single(c => c.Service == "web").Stop(flow.Clock.GetUtcNow());

        await Assert.ThrowsAsync<UnhealthyException>(() =>
            flow.RunAsync(() => flow.Get<HealthVerifier>().VerifyAsync(deployment, UpAnswer.Nothing, flow.Stop)));
    }

    [Theory]
    [InlineData(ImageStore.GraphDriver)]
    [InlineData(ImageStore.Containerd)]
    internal async Task What_follows_a_release_seals_its_cache_which_brings_a_wiped_builder_back(ImageStore store)
    {
        using var flow = Flow.OfWebAndDatabase(store);
        await flow.ReleaseAsync();
        Assert.Equal("web", flow.Get<SealRecord>().All().Single().Service);
        flow.Engine.PruneCache();

        var report = await flow.ReleaseAsync(
            ("web/Dockerfile", FlowApplication.Dockerfile.Replace("CMD", "ENV A=1\nCMD", StringComparison.Ordinal)));

        Assert.Equal(new StepCounts(2, 2, 0), report.Services.Single(s => s.Name == "web").Steps);
    }

    [Fact]
    public async Task After_a_clear_the_next_build_runs_every_step()
    {
        using var flow = Flow.OfWebAndDatabase();
        await flow.ReleaseAsync();

        Assert.Equal(CacheClearer.Cleared, (await flow.ClearAsync("web")).Outcome);
        Assert.Empty(flow.Engine.Cache);
        Assert.Contains("web", flow.Get<FreshMarks>().All());
        var report = await flow.ReleaseAsync(("docs/README.md", "new\n"));

        Assert.Equal((true, new StepCounts(2, 0, 2)),
            (report.Services.Single(s => s.Name == "web").Fresh, report.Services.Single(s => s.Name == "web").Steps));
        Assert.Empty(flow.Get<FreshMarks>().All());
    }

    [Theory]
    [InlineData(ImageStore.GraphDriver)]
    [InlineData(ImageStore.Containerd)]
    internal async Task A_prune_costs_the_next_build_nothing(ImageStore store)
    {
        using var flow = Flow.OfWebAndDatabase(store);
        await flow.ReleaseAsync();
        flow.Clock.Advance(TimeSpan.FromHours(1));
        await flow.ReleaseAsync(("web/content.txt", "web 2\n"));
        flow.Clock.Advance(TimeSpan.FromHours(1));

        var report = await flow.PruneAsync();

        Assert.Equal(("Pruned", 4, 2), (report.Outcome, report.RecordsBefore, report.RecordsAfter));
        Assert.Equal("DryRun", (await flow.PruneAsync(dryRun: true)).Outcome);
    }

    [Fact]
    public async Task A_start_brings_the_deployed_release_up_again()
    {
        using var flow = Flow.OfWebAndDatabase();
        await flow.ReleaseAsync();
        var before = flow.Serving;
        foreach (var container in flow.Engine.Containers) { container.Stop(flow.Clock.GetUtcNow()); }
        flow.Restart();

        await flow.RunAsync(async () =>
        {
            await flow.Get<StartUp>().StartAsync(CancellationToken.None);
            await flow.Get<Operations>().RecoverAsync(always: false, flow.Stop);
        });

        Assert.Equal(before, flow.Serving);
    }

    [Fact]
    public async Task A_point_of_the_worker_is_where_a_test_lets_something_happen()
    {
        using var flow = Flow.OfWebAndDatabase();
        flow.At("before buildx bake", flow.StopWorker);

        Assert.Equal(ReleaseOutcome.Interrupted, (await flow.ReleaseAsync()).Outcome);
        Assert.Empty(flow.Serving);
        Assert.Contains("after record update release state Interrupted", flow.Points);
    }

    [Fact]
    public async Task Every_class_of_the_flow_is_there()
    {
        using var flow = Flow.OfWebAndDatabase();
        await flow.ReleaseAsync();

        object[] classes =
        [
            flow.Get<ReleasePipeline>(), flow.Get<Rollback>(), flow.Get<Recovery>(), flow.Get<Deployer>(), flow.Get<HealthVerifier>(),
                flow.Get<ImageBuilder>(),
            flow.Get<CacheSeals>(), flow.Get<Pruner>(), flow.Get<CacheClearer>(), flow.Get<AfterRelease>(), flow.Get<StartUp>(),
                flow.Get<ManualRollback>(),
            flow.Get<LostHistory>(),
        ];
        Assert.All(classes, Assert.NotNull);
    }
}

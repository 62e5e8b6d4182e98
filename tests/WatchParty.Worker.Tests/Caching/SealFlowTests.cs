using WatchParty.Releases.Caching;
using WatchParty.Releases.Recording;
using WatchParty.Releases.Releasing;
using WatchParty.Tools.Docker;
using WatchParty.Worker.Operating;
using WatchParty.Worker.Tests.Fakes;

namespace WatchParty.Worker.Tests.Caching;

/// <summary>What follows a release, and what a prune does, on the fake engine.</summary>
public sealed class SealFlowTests
{
    private const string Stages = """
        FROM base:1 AS deps
        COPY content.txt .
        RUN install
        FROM base:1 AS stamp
        ARG GIT_COMMIT_HASH
        RUN stamp
        FROM base:1
        COPY --from=deps . .
        COPY status serve.sh .
        RUN sh -n serve.sh
        COPY --from=stamp . .
        ARG GIT_COMMIT_HASH
        RUN echo $GIT_COMMIT_HASH
        CMD ["sh", "serve.sh"]

        """;

    [Fact]
    public async Task What_lies_below_the_commit_is_in_no_seal_and_the_rest_is()
    {
        using var flow = await SealedAsync();
        var seal = flow.Get<SealRecord>().Find("web")!;

        Assert.Equal(["deps", null], seal.Stages);
        Assert.Equal(["watchparty-cache:app.web.deps", "watchparty-cache:app.web"], seal.Images);
        Assert.Equal(flow.Engine.Find("app-web")!.Id, seal.Of);

        // As good as the builder's own: only what a warm build runs too is run.
        var warm = await flow.ReleaseAsync(("web/status", "ok \n"));
        flow.Engine.PruneCache();
        var wiped = await flow.ReleaseAsync(("web/status", "ok\n"));
        Assert.Equal(warm.Services.Single(s => s.Name == "web").Steps, wiped.Services.Single(s => s.Name == "web").Steps);
        Assert.Contains("web: the builder cache was wiped by somebody else; it is restored from the sealed cache", wiped.Notes!);
    }

    [Fact]
    public async Task A_seal_that_is_made_anew_leaves_no_image_without_a_name()
    {
        using var flow = await SealedAsync();
        var before = flow.Engine.Find("watchparty-cache:app.web.deps")!.Id;
        for (var i = 0; i < 3; i++) { await flow.ReleaseAsync(("web/content.txt", $"web {i}\n")); }

        Assert.NotEqual(before, flow.Engine.Find("watchparty-cache:app.web.deps")!.Id);
        Assert.All(flow.Engine.Images, i => Assert.NotEmpty(flow.Engine.NamesOf(i.Id)));
    }

    [Fact]
    public async Task What_did_not_change_is_not_sealed_again()
    {
        using var flow = await SealedAsync();
        var sealedAt = flow.Get<SealRecord>().Find("web")!.SealedAt;
        flow.Points.Clear();

        await flow.ReleaseAsync(("docs/README.md", "new\n"));

        Assert.DoesNotContain(flow.Points, p => p.Contains("bake", StringComparison.Ordinal));
        Assert.Equal(sealedAt, flow.Get<SealRecord>().Find("web")!.SealedAt);
    }

    [Fact]
    public async Task A_service_that_waits_for_a_fresh_build_is_not_sealed()
    {
        using var flow = await SealedAsync();
        await flow.ClearAsync("web");

        await flow.RecoverAsync();

        Assert.Null(flow.Get<SealRecord>().Find("web"));
    }

    [Fact]
    public async Task What_follows_a_release_gives_way_to_a_commit_and_is_taken_up_again()
    {
        using var flow = Flow.OfWebAndDatabase();
        Task<ReleaseReport>? second = null;
        // While the cache of the first is sealed, the second commit comes.
        flow.At("before buildx bake", () =>
        {
            flow.Git.Push(("web/content.txt", "web 2\n"));
            second = flow.Get<Operations>().ReleaseAsync(new ReleaseRequest("test"), flow.Stop);
        }, times: 2);

        var first = await flow.ReleaseAsync();
        await flow.RunAsync(() => second!);

        Assert.Equal((ReleaseOutcome.Succeeded, ReleaseOutcome.Succeeded), (first.Outcome, (await second!).Outcome));
        // Two builds and one seal came to their end.
        Assert.Equal(3, flow.Points.Count(p => p == "after buildx bake"));
        Assert.Equal(flow.Engine.Find("app-web")!.Id, flow.Get<SealRecord>().Find("web")!.Of);
        Assert.Equal(2, flow.Get<SealRecord>().Find("web")!.Release);
    }

    [Fact]
    public async Task What_a_killed_worker_left_to_do_is_done_by_the_next()
    {
        using var flow = Flow.OfWebAndDatabase();
        flow.At("before buildx bake", flow.Kill, times: 2);
        await Assert.ThrowsAsync<FlowKilledException>(() => flow.ReleaseAsync());
        flow.Restart();
        Assert.Null(flow.Get<SealRecord>().Find("web"));

        await flow.RecoverAsync();

        Assert.Equal(flow.Engine.Find("app-web")!.Id, flow.Get<SealRecord>().Find("web")!.Of);
    }

    [Fact]
    public async Task A_prune_takes_what_the_mark_did_not_touch_however_old_it_is()
    {
        using var flow = Flow.OfWebAndDatabase();
        await flow.ReleaseAsync();
        await flow.ReleaseAsync(("web/content.txt", "web 2\n"));
        // No time passes between the mark and the sweep, and none since the last build.
        var prune = await flow.PruneAsync();

        Assert.Equal(("Pruned", 4, 2, 0), (prune.Outcome, prune.RecordsBefore, prune.RecordsAfter, prune.Notes.Count));
        // Two records of 1000 bytes; the images stay.
        Assert.Equal(2000, prune.FreedBytes);
    }

    [Fact]
    public async Task What_the_prune_itself_took_is_blamed_on_nobody()
    {
        using var flow = Flow.OfWebAndDatabase(configure: o => o.Prune.MaxCacheSize = "1kB");
        await flow.ReleaseAsync();

        var prune = await flow.PruneAsync();

        Assert.Contains(prune.Notes, n => n.Contains("the prune itself took what the next build needs; it is restored", StringComparison.Ordinal));
        var next = await flow.ReleaseAsync(("web/content.txt", "web 2\n"));
        Assert.DoesNotContain(prune.Notes.Concat(next.Notes ?? []), n => n.Contains("somebody else", StringComparison.Ordinal));
    }

    [Fact]
    public async Task Records_that_the_sweep_took_and_no_build_misses_do_not_count_as_wiped()
    {
        using var flow = Flow.OfWebAndDatabase();
        await flow.ReleaseAsync();
        var seals = flow.Get<SealRecord>();
        // Somebody's build at the time of the seal.
        flow.Engine.Keep("theirs", null, "RUN theirs");
        seals.Save(seals.Find("web")! with { Records = [.. seals.Find("web")!.Records, "theirs"] });

        await flow.PruneAsync();
        Assert.DoesNotContain(flow.Engine.Cache, r => r.ID == "theirs");
        var next = await flow.ReleaseAsync(("web/content.txt", "web 2\n"));

        Assert.DoesNotContain(next.Notes ?? [], n => n.Contains("wiped", StringComparison.Ordinal));
    }

    [Theory]
    [InlineData(ImageStore.GraphDriver)]
    [InlineData(ImageStore.Containerd)]
    internal async Task Services_that_are_to_be_fresh_are_built_by_one_bake_and_each_is_proven(ImageStore store)
    {
        using var flow = new Flow(store).With([("compose.yaml", FlowApplication.Compose(FlowApplication.Built("web"), FlowApplication.Built("back"))),
            .. FlowApplication.Folder("web"), .. FlowApplication.Folder("back")]);
        await flow.ReleaseAsync();
        await flow.ClearAsync();
        flow.Points.Clear();

        flow.Git.Push(("web/content.txt", "web 2\n"));
        var report = await flow.RunAsync(() => flow.Get<Operations>().ReleaseAsync(new ReleaseRequest("test"), flow.Stop));

        Assert.Equal(1, flow.Points.Count(p => p == "before buildx bake"));
        Assert.All(report.Services, s => Assert.Equal((true, new StepCounts(2, 0, 2)), (s.Fresh, s.Steps)));
    }

    private static async Task<Flow> SealedAsync()
    {
        var flow = Flow.OfWebAndDatabase();
        await flow.ReleaseAsync(("web/Dockerfile", Stages));
        return flow;
    }
}

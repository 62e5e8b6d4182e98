using System.Collections.Immutable;
using System.Text.Json.Nodes;
using WatchParty.Releases.Baking;
using WatchParty.Releases.Caching;
using WatchParty.Releases.Planning;
using WatchParty.Releases.Recording;
using WatchParty.Tools.Configuration;
using WatchParty.Worker.Tests.Baking;

namespace WatchParty.Worker.Tests.Caching;

public sealed class LiveSetTests
{
    private const string ThreeStages = """
        FROM base AS deps
        RUN install
        FROM base AS tests
        RUN test
        FROM base AS build
        COPY --from=deps /d /d
        FROM base
        COPY --from=build /b /b
        """;

    [Fact]
    public void Live_AreTheStagesThatTheTargetNeedsWithItselfLast()
    {
        var live = LiveSet.Of(Service("app"), "c1", ThreeStages, "COMMIT");
        Assert.Equal(["deps", "build", null], live.Stages.Select(s => s.Name));
        Assert.Equal("c1", live.Commit);
    }

    [Fact]
    public void Live_OfAServiceWithATarget_EndsAtIt()
    {
        Assert.Equal(["deps", null], LiveSet.Of(Service("app", target: "build"), "c1", ThreeStages, "COMMIT").Stages.Select(s => s.Name));
        Assert.Equal(["deps", null], LiveSet.Of(Service("app", target: "BUILD"), "c1", ThreeStages, "COMMIT").Stages.Select(s => s.Name));
        Assert.Equal([null], LiveSet.Of(Service("app", target: "tests"), "c1", ThreeStages, "COMMIT").Stages.Select(s => s.Name));
    }

    [Fact]
    public void Live_OfOneStageOrOfAFileThatCannotBeRead_IsTheTargetAlone()
    {
        Assert.Equal([null], LiveSet.Of(Service("app"), "c1", "FROM base AS only\nRUN x", "COMMIT").Stages.Select(s => s.Name));
        Assert.Equal([null], LiveSet.Of(Service("app"), "c1", "FROM base\nRUN x", "COMMIT").Stages.Select(s => s.Name));
    }

    [Fact]
    public void Stage_WithoutAName_GetsOneInATextOfItsOwn()
    {
        var live = LiveSet.Of(Service("app"), "c1", "FROM base\nRUN x\nFROM base\nCOPY --from=0 /x /\n", "COMMIT");
        Assert.Equal([Dockerfile.NameFor(0), null], live.Stages.Select(s => s.Name));
        Assert.Equal("FROM base AS watchparty-stage-0\nRUN x\nFROM base AS watchparty-stage-1\nCOPY --from=0 /x /\n", live.Stages[0].Dockerfile);

        var targets = live.Targets().ToList();
        Assert.Equal([("app-0", "watchparty-stage-0", true), ("app-1", null, false)], targets.Select(t => (t.Name, t.Stage, t.Dockerfile is not null)));
        Assert.All(targets, t => Assert.True(t.Image is null && t.CacheTo is null && t.CacheFrom.Count == 0 && !t.KeepsCacheTo));
    }

    private static JsonNode Targets(ComposeModel model, IReadOnlyCollection<BakeTarget> targets, BuildOptions? options = null) =>
        JsonNode.Parse(Bake.File(model, Definitions.Of(model), targets, options ?? new BuildOptions()).Text)!["target"]!;

    [Fact]
    public void File_OfALiveSet_BuildsStagesAndExportsNothing()
    {
        var model = ComposeModel.Parse("""
            {"name":"shop","services":{"app.web":{"image":"shop-app:latest","build":{"context":"/c","dockerfile":"D","target":"final","tags":["shop-app:other"],
              "cache_from":["x"],"cache_to":["type=inline"],"args":{"A":"1$$"}},"environment":{"SECRET":"s"}}},"secrets":{"token":{"file":"/t"}}}
            """);
        var live = new LiveService(model.Services.Single(), "c1", [new LiveStage("deps", "FROM a AS deps\nRUN echo $X"), new LiveStage(null, null)]);
        var result = Targets(model, [.. live.Targets()], new BuildOptions { Arguments = { ["B"] = "2$" } });

        var (stage, own) = (result[$"{Bake.Target("app.web")}-0"]!, result[$"{Bake.Target("app.web")}-1"]!);
        Assert.Equal(("deps", "FROM a AS deps\nRUN echo $X"), ((string?)stage["target"], (string?)stage["dockerfile-inline"]));
        Assert.Null(stage["dockerfile"]);
        Assert.Equal(("final", "/c/D"), ((string?)own["target"], (string?)own["dockerfile"]));
        foreach (var target in new[] { stage, own })
        {
            Assert.DoesNotContain(target.AsObject(), p => p.Key is "tags" or "cache-from" or "cache-to");
            // Exactly the arguments of the build: another one would mark other records.
            Assert.Equal("""{"A":"1$","B":"2$","GIT_COMMIT_HASH":"c1"}""", target["args"]!.ToJsonString());
            Assert.Equal("shop", (string?)target["labels"]![Bake.ProjectLabel]);
        }
        Assert.DoesNotContain("SECRET", result.ToJsonString(), StringComparison.Ordinal);
    }

    [Fact]
    public void File_OfASeal_NamesItsImageAndItsCacheAlone()
    {
        var model = ComposeModel.Parse("""{"name":"shop","services":{"app":{"image":"shop-app:latest","build":{"context":"/c","tags":["shop-app:other"],"cache_to":["type=gha"]}}}}""");
        var service = model.Services.Single();
        var target = new BakeTarget("app-0", service, "c1", ["type=local,src=/a$b"]) { Image = "shop-app:buildcache", CacheTo = "type=inline" };
        var sealing = Targets(model, [target])["app-0"]!;
        Assert.Equal("""["shop-app:buildcache"]""", sealing["tags"]!.ToJsonString());
        Assert.Equal("""["type=inline"]""", sealing["cache-to"]!.ToJsonString());
        Assert.Equal("""["type=local,src=/a$b"]""", sealing["cache-from"]!.ToJsonString());

        var shipped = Targets(model, [target with { Image = service.Image, CacheTo = null, KeepsCacheTo = true }])["app-0"]!;
        Assert.Equal("""["type=gha"]""", shipped["cache-to"]!.ToJsonString());
        Assert.Equal("""["shop-app:other","shop-app:latest"]""", shipped["tags"]!.ToJsonString());
    }

    [Theory]
    [InlineData("deps", "deps", 3, true)]
    [InlineData("watchparty-stage-1", "stage-1", 3, true)]
    [InlineData("", "", 3, true)]
    [InlineData("deps", "build", 3, false)]
    [InlineData("deps", "deps", 4, false)]
    public void Step_ThatRanWhileTheCacheCameBack_IsKnownAgain(string restoring, string building, int number, bool known)
    {
        var cache = new RestoredCache("image", [new EndedStep(new StepName("", "", restoring, 3, 4, "COPY app ."), TimeSpan.FromSeconds(2))]);
        var step = new BuildStep("app", building, number, 4, "COPY", "COPY app .", StepState.Cached, TimeSpan.Zero, "sha256:0", null, []);
        Assert.Equal(known ? TimeSpan.FromSeconds(2) : null, cache.ElapsedOf(step));
        Assert.Null(cache.ElapsedOf(step with { Text = "COPY other ." }));
    }

    private static ComposeService Service(string name, string? target = null) => new(name, $"shop-{name}:latest",
        new BuildSection("/c", "Dockerfile", null, target, ImmutableDictionary<string, string>.Empty, ImmutableDictionary<string, string>.Empty, [], [], []), 1, false);
}

using System.Text.Json.Nodes;
using WatchParty.Worker.Building;
using WatchParty.Worker.Configuration;
using WatchParty.Worker.Planning;
using WatchParty.Worker.Tests.Planning;

namespace WatchParty.Worker.Tests.Building;

public sealed class BakeTests
{
    private static JsonObject Model(IEnumerable<string> services, IReadOnlyList<string>? cacheFrom = null, Action<BuildOptions>? configure = null, Func<BakeTarget, BakeTarget>? change = null)
    {
        var model = ComposeModel.Parse(ComposeModels.Shapes);
        var options = new BuildOptions();
        configure?.Invoke(options);
        var targets = services.Select(model.Service).Select(s => new BakeTarget(Bake.Target(s.Name), s, "commit-1", cacheFrom ?? s.Build!.CacheFrom) { Image = s.Image, KeepsCacheTo = true });
        return JsonNode.Parse(Bake.Model(model, [.. targets.Select(change ?? (t => t))], options))!.AsObject();
    }

    private static JsonObject Web(IReadOnlyList<string>? cacheFrom = null, Action<BuildOptions>? configure = null, Func<BakeTarget, BakeTarget>? change = null) =>
        Model(["web"], cacheFrom, configure, change)["services"]!["web"]!.AsObject();

    [Fact]
    public void Model_HasOnlyWhatIsBuiltAndNothingOfTheEnvironment()
    {
        var model = Model(["web"]);

        // backend comes along, because a build context of web names it.
        Assert.Equal(["web", "backend"], model["services"]!.AsObject().Select(p => p.Key));
        Assert.Equal(["build", "image"], model["services"]!["web"]!.AsObject().Select(p => p.Key).Order(StringComparer.Ordinal));
        Assert.DoesNotContain("PASSWORD", model.ToJsonString(), StringComparison.Ordinal);
        Assert.Equal("shapes", model["name"]!.ToString());
    }

    [Fact]
    public void Pull_IsWrittenWhereBakeReadsIt()
    {
        Assert.True((bool)Web(change: t => t with { Pull = true })["build"]!["x-bake"]!["pull"]!);
        Assert.Null(Web()["build"]!["x-bake"]?["pull"]);
    }

    [Fact]
    public void Image_ThatTheFileDoesNotName_IsTheOneThatComposeWouldTake() => Assert.Equal("shapes-web", Web()["image"]!.ToString());

    [Fact]
    public void Arguments_AreThoseOfTheFileThenOfTheOptionsThenTheCommit()
    {
        var arguments = Web(configure: o =>
        {
            o.Arguments["PRICE"] = "7$ ${HOME} $$";
            o.Arguments["GIT_COMMIT_HASH"] = "overridden";
        })["build"]!["args"]!.AsObject();

        Assert.Equal("commit-1", arguments["GIT_COMMIT_HASH"]!.ToString());
        Assert.Equal("7$$ $${HOME} $$$$", arguments["PRICE"]!.ToString());
    }

    [Fact]
    public void Arguments_OfTheFile_StayDoubledForTheSecondReading() => Assert.Equal("5$$", Web()["build"]!["args"]!["PRICE"]!.ToString());

    [Fact]
    public void Arguments_OfAServiceWithout_AreTheCommitUnderItsConfiguredName()
    {
        var build = Model(["backend"], configure: o => o.CommitArgument = "REVISION")["services"]!["backend"]!["build"]!;

        Assert.Equal("commit-1", build["args"]!["REVISION"]!.ToString());
        Assert.Null(build["args"]!["GIT_COMMIT_HASH"]);
    }

    [Fact]
    public void Secrets_TagsAndTarget_AreKept()
    {
        var model = Model(["web"]);
        var build = model["services"]!["web"]!["build"]!;

        Assert.Equal("/srv/app/npm$$1.token", model["secrets"]!["npm"]!["file"]!.ToString());
        Assert.Equal("npm", build["secrets"]![0]!["source"]!.ToString());
        Assert.Equal("web:extra", build["tags"]![0]!.ToString());
        Assert.Equal("production", build["target"]!.ToString());
    }

    [Fact]
    public void InlineDockerfile_StaysDoubledForTheSecondReading() =>
        Assert.Equal("FROM busybox\nRUN echo $$HOME\n", Model(["inline"])["services"]!["inline"]!["build"]!["dockerfile_inline"]!.ToString());

    [Fact]
    public void CacheSources_AreThoseOfTheTarget()
    {
        Assert.Equal(2, Web()["build"]!["cache_from"]!.AsArray().Count);
        Assert.Equal("type=local,src=/cache/$$1", Assert.Single(Web(["type=local,src=/cache/$1"])["build"]!["cache_from"]!.AsArray())!.ToString());
        Assert.Null(Web([])["build"]!["cache_from"]);
    }

    [Fact]
    public void Image_CarriesTheProjectAsItsLabel() => Assert.Equal("shapes", Web()["build"]!["labels"]![Bake.ProjectLabel]!.ToString());

    [Fact]
    public void Stage_WithoutAnImage_HasNeitherImageNorTags()
    {
        var web = Web(change: t => t with { Image = null, Stage = "deps", Dockerfile = "FROM busybox AS deps\nRUN echo $HOME", CacheTo = "type=inline", KeepsCacheTo = false });

        Assert.Null(web["image"]);
        Assert.Null(web["build"]!["tags"]);
        Assert.Equal("deps", web["build"]!["target"]!.ToString());
        Assert.Equal("FROM busybox AS deps\nRUN echo $$HOME", web["build"]!["dockerfile_inline"]!.ToString());
        Assert.Equal("type=inline", Assert.Single(web["build"]!["cache_to"]!.AsArray())!.ToString());
    }

    [Theory]
    [InlineData("web:latest", "web:latest")]
    [InlineData("registry.example.org:5000/web", "registry.example.org:5000/web")]
    [InlineData("type=registry,ref=registry.example.org/web:cache", "registry.example.org/web:cache")]
    [InlineData("ref=web:cache", "web:cache")]
    [InlineData("type=registry, ref=web:cache", "web:cache")]
    [InlineData("type=local,src=/srv/cache", null)]
    [InlineData("type=gha,scope=main", null)]
    [InlineData("type=registry", null)]
    public void ImageOf_ACacheSource_IsItsReference(string source, string? image) => Assert.Equal(image, Bake.ImageOf(source));

    [Theory]
    [InlineData("backend", "backend")]
    [InlineData("backend.v2", "backend_v2")]
    public void Target_OfAService_HasNoDot(string service, string target) => Assert.Equal(target, Bake.Target(service));
}

using System.Text.Json.Nodes;
using WatchParty.Worker.Building;
using WatchParty.Worker.Configuration;
using WatchParty.Worker.Planning;
using WatchParty.Worker.Tests.Planning;

namespace WatchParty.Worker.Tests.Building;

public sealed class BakeTests
{
    private readonly List<(string Service, string Source, string Reason)> _dropped = [];

    private JsonObject Model(IEnumerable<string> services, bool withoutCache = false, Func<string, string?>? unusable = null, Action<BuildOptions>? configure = null)
    {
        var model = ComposeModel.Parse(ComposeModels.Shapes);
        var options = new BuildOptions();
        configure?.Invoke(options);
        var plans = services.Select(n => new ServicePlan(model.Service(n), ServiceAction.Built, "a test", withoutCache, null));
        var text = Bake.Model(model, plans, "commit-1", options, withoutCache, unusable ?? (_ => null), (service, source, reason) => _dropped.Add((service, source, reason)));
        return JsonNode.Parse(text)!.AsObject();
    }

    private JsonObject Web(bool withoutCache = false, Func<string, string?>? unusable = null, Action<BuildOptions>? configure = null) =>
        Model(["web"], withoutCache, unusable, configure)["services"]!["web"]!.AsObject();

    [Fact]
    public void Model_HasOnlyWhatIsBuiltAndNothingOfTheEnvironment()
    {
        var model = Model(["web"]);

        Assert.Equal(["web"], model["services"]!.AsObject().Select(p => p.Key));
        Assert.Equal(["build", "image"], model["services"]!["web"]!.AsObject().Select(p => p.Key).Order(StringComparer.Ordinal));
        Assert.DoesNotContain("PASSWORD", model.ToJsonString(), StringComparison.Ordinal);
        Assert.Equal("shapes", model["name"]!.ToString());
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
    public void CacheSources_ThatCanWork_AreKept()
    {
        Assert.Equal(2, Web()["build"]!["cache_from"]!.AsArray().Count);
        Assert.Empty(_dropped);
    }

    [Fact]
    public void CacheSources_ThatCannotWork_AreDroppedWithTheirReason()
    {
        var build = Web(unusable: source => source == "web:latest" ? "a reason" : null)["build"]!;

        Assert.Equal("type=registry,ref=registry.example.org/web:cache", Assert.Single(build["cache_from"]!.AsArray())!.ToString());
        Assert.Equal([("web", "web:latest", "a reason")], _dropped);
    }

    [Fact]
    public void CacheSources_AreGoneWhenNoneCanWorkOrNoneIsWanted()
    {
        Assert.Null(Web(unusable: _ => "a reason")["build"]!["cache_from"]);
        Assert.Null(Web(withoutCache: true)["build"]!["cache_from"]);
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

using System.Text.Json.Nodes;
using WatchParty.Releases.Baking;
using WatchParty.Releases.Planning;
using WatchParty.Tools.Configuration;
using WatchParty.Tools.Docker;
using WatchParty.Worker.Tests.Planning;

namespace WatchParty.Worker.Tests.Baking;

public sealed class BakeTests
{
    private static BakeFile FileOf(IEnumerable<string> services, IReadOnlyList<string>? cacheFrom = null, Action<BuildOptions>? configure = null, Func<BakeTarget, BakeTarget>? change = null)
    {
        var model = ComposeModel.Parse(ComposeModels.Shapes);
        var options = new BuildOptions();
        configure?.Invoke(options);
        var targets = services.Select(model.Service).Select(s => new BakeTarget(Bake.Target(s.Name), s, "commit-1", cacheFrom ?? s.Build!.CacheFrom) { Image = s.Image, KeepsCacheTo = true });
        return Bake.File(model, Definitions.Of(model), [.. targets.Select(change ?? (t => t))], options);
    }

    private static JsonObject Targets(params IEnumerable<string> services) => JsonNode.Parse(FileOf(services).Text)!["target"]!.AsObject();

    private static JsonObject Web(IReadOnlyList<string>? cacheFrom = null, Action<BuildOptions>? configure = null, Func<BakeTarget, BakeTarget>? change = null) =>
        JsonNode.Parse(FileOf(["web"], cacheFrom, configure, change).Text)!["target"]!["web"]!.AsObject();

    [Fact]
    public void File_HasOnlyWhatIsBuiltAndNothingOfTheEnvironment()
    {
        // backend comes along, because a build context of web names it.
        Assert.Equal(["web", "backend"], Targets("web").Select(p => p.Key));
        Assert.DoesNotContain("PASSWORD", FileOf(["web"]).Text, StringComparison.Ordinal);
    }

    [Fact]
    public void Linked_IsNotWhatItsNamesAreFor_ButHasTheCommitAndTheLabel()
    {
        var linked = Targets("web")["backend"]!.AsObject();

        Assert.DoesNotContain(linked, p => p.Key is "tags" or "output" or "cache-from" or "cache-to");
        Assert.Equal(("commit-1", "shapes"), ((string?)linked["args"]!["GIT_COMMIT_HASH"], (string?)linked["labels"]![Bake.ProjectLabel]));
        Assert.Equal("target:backend", Targets("web")["web"]!["contexts"]!.AsObject().Select(c => (string?)c.Value).First(c => c!.StartsWith("target:", StringComparison.Ordinal)));
        Assert.NotNull(Targets("web", "backend")["backend"]!["tags"]);
    }

    [Fact]
    public void Pull_IsWrittenWhereBakeReadsIt()
    {
        Assert.True((bool)Web(change: t => t with { Pull = true })["pull"]!);
        Assert.Null(Web()["pull"]);
    }

    [Fact]
    public void Image_ThatTheFileDoesNotName_IsTheOneThatComposeWouldTake() => Assert.Contains("shapes-web", Web()["tags"]!.AsArray().Select(t => (string?)t));

    [Fact]
    public void Arguments_AreThoseOfTheFileThenOfTheOptionsThenTheCommit()
    {
        var arguments = Web(configure: o =>
        {
            o.Arguments["PRICE"] = "7$ ${HOME} $$ %{x}";
            o.Arguments["GIT_COMMIT_HASH"] = "overridden";
        })["args"]!.AsObject();

        Assert.Equal("commit-1", arguments["GIT_COMMIT_HASH"]!.ToString());
        Assert.Equal("7$ $${HOME} $$ %%{x}", arguments["PRICE"]!.ToString());
    }

    [Fact]
    public void Arguments_OfAServiceWithout_AreTheCommitUnderItsConfiguredName()
    {
        var target = JsonNode.Parse(FileOf(["backend"], configure: o => o.CommitArgument = "REVISION").Text)!["target"]!["backend"]!;

        Assert.Equal("commit-1", target["args"]!["REVISION"]!.ToString());
        Assert.Null(target["args"]!["GIT_COMMIT_HASH"]);
    }

    [Fact]
    public void Secrets_TagsAndTarget_AreKept()
    {
        Assert.Equal("id=npm,type=file,src=/srv/app/npm$1.token", Web()["secret"]![0]!.ToString());
        Assert.Equal("web:extra", Web()["tags"]![0]!.ToString());
        Assert.Equal("production", Web()["target"]!.ToString());
    }

    [Fact]
    public void Texts_AreNoTemplatesForBake()
    {
        var model = ComposeModel.Parse("""
            {"name":"p","services":{"web":{"build":{"context":"/c","dockerfile_inline":"FROM a\nRUN curl -w %{http_code} $${X} $$Y","args":{"A":"$${a} %{b}"},"labels":{"l":"v$${q} %{r}"}}}}}
            """);
        var target = JsonNode.Parse(Bake.File(model, Definitions.Of(model), [new BakeTarget("web", model.Service("web"), "c", []) { Image = "p-web" }], new BuildOptions()).Text)!["target"]!["web"]!;

        Assert.Equal("FROM a\nRUN curl -w %%{http_code} $${X} $Y", (string?)target["dockerfile-inline"]);
        Assert.Equal(("$${a} %%{b}", "v$${q} %%{r}"), ((string?)target["args"]!["A"], (string?)target["labels"]!["l"]));
    }

    [Fact]
    public void CacheSources_AreThoseOfTheTarget()
    {
        Assert.Equal(2, Web()["cache-from"]!.AsArray().Count);
        Assert.Equal("type=local,src=/cache/$1", Assert.Single(Web(["type=local,src=/cache/$1"])["cache-from"]!.AsArray())!.ToString());
        Assert.Null(Web([])["cache-from"]);
    }

    [Fact]
    public void Image_CarriesTheProjectAsItsLabelAndNoVersionOfCompose()
    {
        Assert.Equal("shapes", Web()["labels"]![Bake.ProjectLabel]!.ToString());
        var model = ComposeModel.Parse("""{"name":"p","services":{"web":{"build":{"context":"/c","labels":{"com.docker.compose.version":"2.40.3"}}}}}""");
        Assert.DoesNotContain("2.40.3", Bake.File(model, Definitions.Of(model), [new BakeTarget("web", model.Service("web"), "c", [])], new BuildOptions()).Text, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Services_WithOneNameForBake_AreBuiltEachByItsOwn_AlsoWhereAnotherIsBuiltOnOneOfThem()
    {
        var model = ComposeModel.Parse("""
            {"name":"p","services":{"a.b":{"build":{"context":"/one"}},"a_b":{"build":{"context":"/two"}},
             "web":{"build":{"context":"/three","additional_contexts":{"base":"service:a.b"}}}}}
            """);
        var definitions = await Definitions.OfAsync(model, new Definitions.Tools("2.26.1"));
        var targets = JsonNode.Parse(Bake.File(model, definitions, [.. model.Built.Select(s => new BakeTarget(Bake.Target(s.Name), s, "c", []))], new BuildOptions()).Text)!["target"]!;

        Assert.Equal("/one", targets[Bake.Target("a.b")]!["context"]!.ToString());
        Assert.Equal("/two", targets["a_b"]!["context"]!.ToString());
        Assert.Equal($"target:{Bake.Target("a.b")}", targets["web"]!["contexts"]!["base"]!.ToString());
    }

    [Fact]
    public void Stage_WithoutAnImage_HasNoTags()
    {
        var web = Web(change: t => t with { Image = null, Stage = "deps", Dockerfile = "FROM busybox AS deps\nRUN echo ${HOME}", CacheTo = "type=inline", KeepsCacheTo = false });

        Assert.Null(web["tags"]);
        Assert.Equal("deps", web["target"]!.ToString());
        Assert.Equal("FROM busybox AS deps\nRUN echo $${HOME}", web["dockerfile-inline"]!.ToString());
        Assert.Null(web["dockerfile"]);
        Assert.Equal("type=inline", Assert.Single(web["cache-to"]!.AsArray())!.ToString());
    }

    [Fact]
    public void Mark_OfAServiceThatTheFileBuildsWithoutCache_LooksIntoTheCache()
    {
        var model = ComposeModel.Parse("""{"name":"p","services":{"web":{"build":{"context":"/c","no_cache":true,"pull":true}}}}""");
        JsonNode Target(string? image) => JsonNode.Parse(
            Bake.File(model, Definitions.Of(model), [new BakeTarget("web", model.Service("web"), "c", []) { Image = image }], new BuildOptions()).Text)!["target"]!["web"]!;

        Assert.True((bool)Target("p-web")["no-cache"]!);
        Assert.Null(Target(null)["no-cache"]);
        Assert.Null(Target(null)["pull"]);
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
    [InlineData("backend", "^backend$")]
    [InlineData("backend_v2", "^backend_v2$")]
    [InlineData("backend.v2", "^backend_v2-[0-9a-f]{12}$")]
    public void Target_OfAService_HasNoDot_AndIsThatOfNoOther(string service, string target) => Assert.Matches(target, Bake.Target(service));
}

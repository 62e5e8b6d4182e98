using WatchParty.Releases.Planning;
using WatchParty.Tools.Failures;

namespace WatchParty.Worker.Tests.Planning;

public sealed class ComposeModelTests
{
    private static readonly ComposeModel Model = ComposeModel.Parse(ComposeModels.Shapes);

    [Theory]
    [InlineData("backend", "shapes/backend:1.0", true, 3, false)]
    [InlineData("inline", "shapes-inline", true, 1, false)]
    [InlineData("job", "shapes/backend:1.0", false, 1, true)]
    [InlineData("migrate", "shapes/backend:1.0", false, 1, true)]
    [InlineData("redis", "redis:7", false, 1, false)]
    [InlineData("web", "shapes-web", true, 2, false)]
    public void Service_OfEachShape_IsRead(string name, string image, bool built, int replicas, bool oneShot)
    {
        var service = Model.Service(name);

        Assert.Equal((image, built, replicas, oneShot), (service.Image, service.Build is not null, service.Replicas, service.OneShot));
    }

    [Theory]
    [InlineData("""{ "restart": "no" }""", true)]
    [InlineData("""{ "restart": "on-failure:3" }""", true)]
    [InlineData("""{ "deploy": { "restart_policy": { "condition": "none" } } }""", true)]
    [InlineData("""{ "restart": "no", "ports": [{ "target": 80 }] }""", false)]
    [InlineData("""{ "restart": "always" }""", false)]
    [InlineData("{}", false)]
    public void Job_IsWhatTheFileSaysSo(string section, bool job) => Assert.Equal(job, ComposeModels.Of(("s", section)).Service("s").OneShot);

    [Theory]
    [InlineData("", true)]
    [InlineData(""", "restart": "unless-stopped" """, false)]
    [InlineData(""", "ports": [{ "target": 80 }]""", false)]
    [InlineData(""", "healthcheck": { "test": ["CMD", "x"] }""", false)]
    public void Job_IsAlsoWhatOnlyOthersAreBuiltOn(string more, bool job)
    {
        var model = ComposeModels.Of(("basis", $$"""{ "build": { "context": "/b" }{{more}} }"""), ("web", """{ "build": { "context": "/w", "additional_contexts": { "b": "service:basis" } } }"""));

        Assert.Equal((job, false), (model.Service("basis").OneShot, model.Service("web").OneShot));
    }

    [Fact]
    public void Job_IsAlsoWhatOthersAwait()
    {
        var model = ComposeModels.Of(("init", "{}"), ("web", """{ "depends_on": { "init": { "condition": "service_completed_successfully" } } }"""));

        Assert.True(model.Service("init") is { OneShot: true, IsAwaited: true });
        Assert.False(model.Service("web").OneShot);
    }

    [Fact]
    public void HealthCheck_HasTheTimeThatItAllows()
    {
        static TimeSpan? Allows(string check) => ComposeModels.Of(("s", $$"""{ "healthcheck": {{check}} }""")).Service("s").Health?.Allows;

        Assert.Equal(TimeSpan.FromSeconds(180), Allows("""{ "test": ["CMD", "true"] }"""));
        Assert.Equal(TimeSpan.FromSeconds(90 + (2 * 8.5)), Allows("""{ "interval": "8s", "timeout": "500ms", "retries": 2, "start_period": "1m30s" }"""));
        Assert.True(ComposeModels.Of(("s", """{ "healthcheck": { "test": ["NONE"] } }""")).Service("s").Health!.Disabled);
        Assert.Null(ComposeModels.Of(("s", "{}")).Service("s").Health);
    }

    [Theory]
    [InlineData("8000", "8000", true)]
    [InlineData("8000", "8001", false)]
    [InlineData("8000-8002", "8002", true)]
    [InlineData("8000-8002", "8003", false)]
    [InlineData("0", "40000", true)]
    [InlineData("0", "", false)]
    public void Port_AllowsWhatTheFileDoes(string published, string bound, bool allowed) =>
        Assert.Equal(allowed, ComposeModels.Of(("s", $$"""{ "ports": [{ "target": 80, "published": "{{published}}" }] }""")).Service("s").Ports[0].Allows(bound));

    [Fact]
    public void BuildSection_WithEverything_IsReadWithDollarsUndoubled()
    {
        var build = Model.Service("web").Build!;

        Assert.Equal(("/srv/app/frontend", "Dockerfile", "production", null), (build.Context, build.Dockerfile, build.Target, build.DockerfileInline));
        Assert.Equal(("abc", "5$"), (build.Arguments["GIT_COMMIT_HASH"], build.Arguments["PRICE"]));
        Assert.Equal(("service:backend", "/srv/app/extra"), (build.AdditionalContexts["base"], build.AdditionalContexts["shared"]));
        Assert.Equal(["web:latest", "type=registry,ref=registry.example.org/web:cache"], build.CacheFrom.AsEnumerable());
        // A secret from a variable has no file.
        Assert.Equal(["/srv/app/npm$1.token"], build.SecretFiles.AsEnumerable());
        Assert.Equal("FROM busybox\nRUN echo $HOME\n", Model.Service("inline").Build!.DockerfileInline);
    }

    [Fact]
    public void BuildContent_LeavesOutWhatDoesNotChangeTheImage()
    {
        var content = Model.Service("web").Build!.Content.ToJsonString();

        Assert.DoesNotContain("cache_from", content, StringComparison.Ordinal);
        Assert.DoesNotContain("web:extra", content, StringComparison.Ordinal);
        Assert.Contains("PRICE", content, StringComparison.Ordinal);
        Assert.Contains("production", content, StringComparison.Ordinal);
    }

    [Fact]
    public void ConfigurationHash_FollowsEverythingButBuilds()
    {
        Assert.Equal(Model.ConfigurationHash, ComposeModel.Parse(ComposeModels.Shapes.Replace("\"abc\"", "\"def\"", StringComparison.Ordinal)).ConfigurationHash);
        Assert.NotEqual(Model.ConfigurationHash, ComposeModel.Parse(ComposeModels.Shapes.Replace("a$$b", "a$$c", StringComparison.Ordinal)).ConfigurationHash);
        Assert.NotEqual(Model.ConfigurationHash, ComposeModel.Parse(ComposeModels.Shapes.Replace("shapes_default", "other", StringComparison.Ordinal)).ConfigurationHash);
    }

    [Fact]
    public void ResourcesHash_FollowsEverythingButServices()
    {
        Assert.Equal(Model.ResourcesHash, ComposeModel.Parse(ComposeModels.Shapes.Replace("a$$b", "a$$c", StringComparison.Ordinal)).ResourcesHash);
        Assert.NotEqual(Model.ResourcesHash, ComposeModel.Parse(ComposeModels.Shapes.Replace("shapes_default", "other", StringComparison.Ordinal)).ResourcesHash);
    }

    [Theory]
    [InlineData("""{ "network_mode": "service:db" }""", "db")]
    [InlineData("""{ "ipc": "service:db", "pid": "service:web" }""", "db web")]
    [InlineData("""{ "network_mode": "host", "ipc": "shareable", "pid": "container:db" }""", "")]
    [InlineData("""{ "volumes_from": ["db", "web:ro", "container:other:ro"] }""", "db web")]
    [InlineData("""{ "depends_on": { "db": { "condition": "service_healthy", "restart": true }, "web": { "condition": "service_started" } } }""", "db")]
    public void Service_FollowsThoseWhoseContainersItNeeds(string service, string others) =>
        Assert.Equal(others, string.Join(' ', ComposeModels.Of(("x", service)).Services.Single().Follows.Order(StringComparer.Ordinal)));

    [Fact]
    public void Service_AwaitsTheEndOfSomeThatItDependsOn()
    {
        var service = ComposeModels.Of(("x", """{ "depends_on": { "db": { "condition": "service_healthy" }, "migrate": { "condition": "service_completed_successfully" } } }""")).Services.Single();

        Assert.Equal(["db", "migrate"], service.DependsOn.Order(StringComparer.Ordinal));
        Assert.Equal(["migrate"], service.AwaitsEndOf);
    }

    [Fact]
    public void Model_WithAProfile_HasItsService() => Assert.Equal(("debug", "busybox", 1), ComposeModel.Parse(ComposeModels.WithProfile).Services.Select(s => (s.Name, s.Image, s.Replicas)).Single());

    [Theory]
    [InlineData(ComposeModels.WithoutServices)]
    [InlineData("""{ "name": "none" }""")]
    [InlineData("""{ "name": "none", "services": null }""")]
    public void Model_WithoutServices_IsEmpty(string text) => Assert.Empty(ComposeModel.Parse(text).Services);

    [Theory]
    [InlineData("{}", 1)]
    [InlineData("""{ "scale": 0 }""", 0)]
    [InlineData("""{ "deploy": { "replicas": 0 } }""", 0)]
    [InlineData("""{ "deploy": {} }""", 1)]
    [InlineData("""{ "scale": 2, "deploy": { "replicas": 2 } }""", 2)]
    public void Replicas_AreThoseThatComposeWants(string service, int replicas) => Assert.Equal(replicas, ComposeModels.Of(("web", service)).Services.Single().Replicas);

    [Theory]
    [InlineData("")]
    [InlineData("services:")]
    [InlineData("[]")]
    [InlineData("""{ "services": {} }""")]
    [InlineData("""{ "name": "x", "services": { "web": { "scale": 1.5 } } }""")]
    public void Text_ThatIsNoModel_IsAFaultForAPerson(string text) =>
        Assert.Equal(Remedy.NeedsPerson, Assert.Throws<WorkerException>(() => ComposeModel.Parse(text)).Remedy);
}

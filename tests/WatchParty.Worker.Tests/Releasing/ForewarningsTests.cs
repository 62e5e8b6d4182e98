using WatchParty.Releases.Planning;
using WatchParty.Releases.Releasing;
using WatchParty.Tools.Configuration;
using WatchParty.Tools.Docker;
using WatchParty.Worker.Tests.Fakes;
using WatchParty.Worker.Tests.Planning;
using WatchParty.Worker.Tests.Verifying;
using static WatchParty.Worker.Tests.Verifying.StandingEngine;

namespace WatchParty.Worker.Tests.Releasing;

public sealed class ForewarningsTests
{
    private const string Celery = """{ "image": "app", "command": ["celery"] }""";

    private readonly StandingEngine _engine = new(new ManualTimeProvider());

    private async Task<IReadOnlyList<Forewarning>> OfAsync(ComposeModel model, params string[] built)
    {
        return await new Forewarnings(new DeployOptions(), new BuildOptions(), _engine).OfAsync(model, "abc", built, default);
    }

    private async Task<string> WordsAsync(ComposeModel model, params string[] built) =>
        string.Join('\n', (await OfAsync(model, built)).Where(w => w.Always).Select(w => w.Text));

    private static ComposeModel WithResources(string resources) =>
        ComposeModel.Parse($$"""{ "name": "app", "services": {}, {{resources}} }""");

    private void HasImageWithCheck(long startPeriod = 0) => _engine.Images["app"] =
        new ImageDetails("image", null, null, 0, new(null)
        {
            Healthcheck = new(["CMD", "true"])
            {
                Interval = 1_000_000_000,
                Timeout = 1_000_000_000,
                StartPeriod = startPeriod * 1_000_000_000,
            },
        });

    [Fact]
    public async Task OrdinaryApplication_HasNothingToTell()
    {
        _engine.Images["app"] = new ImageDetails("image", null, null, 0, new(null));
        _engine.Runs("web", () => Running());

        Assert.Empty(await OfAsync(ComposeModels.Of(("web", """{ "image": "app" }"""), ("celery", Celery)), "web"));
    }

    [Fact]
    public async Task WhatComposeWarnsOf_IsTold() => Assert.Equal("compose: X is not set",
        await WordsAsync(ComposeModels.Of(("web", "{}")) with { Warnings = ["compose: X is not set"] }));

    [Fact]
    public async Task TwoBuilds_UnderOneImageName_AreTold()
    {
        static string Build(string argument) =>
            $$$"""{ "image": "app", "build": { "context": "/nowhere", "args": { "A": "{{{argument}}}" } } }""";

        Assert.StartsWith("a, b are built in different ways under the one image name app",
            await WordsAsync(ComposeModels.Of(("a", Build("1")), ("b", Build("2")))), StringComparison.Ordinal);
        Assert.Empty(await WordsAsync(ComposeModels.Of(("a", Build("1")), ("b", Build("1")))));
    }

    [Theory]
    [InlineData("""{ "name": "v", "driver_opts": { "o": "size=2m", "type": "tmpfs" } }""",
        "the volume v exists with other options than the compose file has (o); compose")]
    [InlineData("""{ "name": "v", "driver": "nfs", "driver_opts": { "o": "size=1m", "type": "tmpfs" } }""",
        "the volume v exists with other options than the compose file has (driver); compose")]
    [InlineData("""{ "name": "v" }""", "the volume v exists with other options than the compose file has (o, type); compose")]
    [InlineData("""{ "name": "v", "driver_opts": { "o": "size=1m", "type": "tmpfs" } }""", "")]
    [InlineData("""{ "name": "v", "external": true }""", "")]
    [InlineData("""{ "name": "new", "driver_opts": { "o": "size=2m" } }""", "")]
    public async Task Volume_WithOtherOptions_IsTold_WithoutTheirValues(string section, string words)
    {
        _engine.Volumes["v"] = new VolumeDetails("v", "local", null, new() { ["o"] = "size=1m", ["type"] = "tmpfs" });

        var told = await WordsAsync(WithResources($$"""  "volumes": { "data": {{section}} }"""));
        Assert.StartsWith(words, told, StringComparison.Ordinal);
        Assert.Equal(words.Length == 0, told.Length == 0);
        Assert.DoesNotContain("size=", told, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("""{ "name": "n", "ipam": { "config": [{ "subnet": "10.2.0.0/24" }] }, "internal": true, "driver": "macvlan" }""",
        "driver, internal, subnet")]
    [InlineData("""{ "name": "n", "driver_opts": { "com.docker.network.driver.mtu": "1400" } }""", "com.docker.network.driver.mtu")]
    [InlineData("""{ "name": "n", "ipam": { "config": [{ "subnet": "10.1.0.0/24" }] } }""", null)]
    [InlineData("""{ "name": "n", "ipam": {} }""", null)]
    [InlineData("""{ "name": "n", "external": true, "internal": true }""", null)]
    public async Task Network_WithOtherSettings_IsTold(string section, string? settings)
    {
        _engine.Networks["n"] = new NetworkDetails("1", "n", "bridge", false, null, new() { ["some.default"] = "1" })
        {
            IPAM = new([new("10.1.0.0/24", null)]),
        };

        var told = await WordsAsync(WithResources($$"""  "networks": { "default": {{section}} }"""));
        Assert.StartsWith(settings is null ? "" : $"the network n exists with other settings than the compose file has ({settings});",
            told, StringComparison.Ordinal);
        Assert.Equal(settings is null, told.Length == 0);
    }

    [Fact]
    public async Task VolumeWithoutAName_ThatHidesWhatANewImageHas_IsTold()
    {
        var model = ComposeModels.Of(("web", """{ "image": "app", "build": { "context": "/nowhere" } }"""));
        _engine.Images["app"] = new ImageDetails("image", null, null, 0, null);
        _engine.Runs("web", () => Running(), mounts: [new("volume", new string('a', 64), null, "/app/node_modules"),
            new("volume", "app_data", null, "/data"), new("bind", null, "/srv", "/srv")]);

        Assert.StartsWith("web gets another image and keeps the volume without a name at /app/node_modules, so",
            await WordsAsync(model, "web"), StringComparison.Ordinal);
        Assert.Empty(await WordsAsync(model));
    }

    [Fact]
    public async Task CheckOfAnotherServicesImage_IsTold_WithTheLinesThatMendIt()
    {
        HasImageWithCheck();

        var told = Assert.Single(await OfAsync(ComposeModels.Of(("web", """{ "image": "app" }"""), ("tasks", Celery))));
        Assert.StartsWith(
            "tasks runs the image app with another command, and the health check that comes with this image counts for it, too",
            told.Text, StringComparison.Ordinal);
        Assert.EndsWith("\n  tasks:\n    healthcheck: {disable: true}", told.Fix, StringComparison.Ordinal);
        Assert.True(told.Always);
    }

    [Theory]
    [InlineData("""{ "image": "app", "command": ["celery"], "healthcheck": { "test": ["CMD", "true"] } }""")]
    [InlineData("""{ "image": "app", "command": ["celery"], "healthcheck": { "disable": true } }""")]
    [InlineData("""{ "image": "app", "command": ["gunicorn"], "ports": [{ "target": 80 }] }""")]
    [InlineData("""{ "image": "app" }""")]
    public async Task CheckThatFits_IsNotTold(string section)
    {
        HasImageWithCheck();

        Assert.Empty(await OfAsync(ComposeModels.Of(("web", """{ "image": "app" }"""), ("tasks", section))));
    }

    [Fact]
    public async Task CheckOfADockerfile_IsKnownBeforeTheFirstBuild()
    {
        var web = """{ "image": "app", "build": { "context": "/nowhere", "dockerfile_inline": "FROM x\nHEALTHCHECK CMD true\n" } }""";

        Assert.StartsWith("tasks runs the image app", await WordsAsync(ComposeModels.Of(("web", web), ("tasks", Celery))),
            StringComparison.Ordinal);
    }

    [Fact]
    public async Task CheckOfAServiceThatIsHealthy_IsForDoctorAlone()
    {
        HasImageWithCheck();
        _engine.Runs("tasks", () => Running("healthy"));

        Assert.False(Assert.Single(await OfAsync(ComposeModels.Of(("web", """{ "image": "app" }"""), ("tasks", Celery)))).Always);
    }

    [Fact]
    public async Task CheckThatIsSlowerThanTheWait_IsTold_OfTheFileAndOfTheImage()
    {
        HasImageWithCheck(startPeriod: 600);

        Assert.Equal(
            ["the health check of db may take 240 s until", "the health check of web may take 606 s until"],
            (await OfAsync(ComposeModels.Of(
                ("db", """{ "image": "db", "healthcheck": { "test": ["CMD", "true"], "start_period": "1m" } }"""),
                ("web", """{ "image": "app" }"""))))
                .Select(w => w.Text[..(w.Text.IndexOf("until", StringComparison.Ordinal) + 5)]));
    }
}

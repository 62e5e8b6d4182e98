using WatchParty.Releases.Baking;
using WatchParty.Releases.Planning;
using WatchParty.Tools.Failures;

namespace WatchParty.Worker.Tests.Baking;

public sealed class BuildDefinitionsTests
{
    private static ComposeModel Model(string services, string more = "") => ComposeModel.Parse($$"""{"name":"p","services":{ {{services}} }{{more}} }""");

    [Fact]
    public async Task Services_WhoseNamesAreOneForBake_AreAskedForApart()
    {
        var tools = new Definitions.Tools("v2.40.3-desktop.1");
        var definitions = await Definitions.OfAsync(Model("""
            "a.b":{"build":{"context":"/one"}},"a_b":{"build":{"context":"/two"}},"c":{"build":{"context":"/three"}}
            """), tools);

        Assert.Equal(2, tools.Printed.Count);
        Assert.Equal(("/one", "/two", "/three"), (Context("a.b"), Context("a_b"), Context("c")));
        string? Context(string service) => (string?)definitions[service].Target["context"];
    }

    [Fact]
    public async Task Services_ThatCannotBeToldApartInOneBuild_AreRefusedByName()
    {
        var model = Model("""
            "a.b":{"build":{"context":"/one","additional_contexts":{"x":"service:a_b"}}},"a_b":{"build":{"context":"/two"}}
            """);
        var refused = await Assert.ThrowsAsync<WorkerException>(() => Definitions.OfAsync(model, new Definitions.Tools("2.40.3")));
        Assert.Contains("a.b and a_b", refused.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Compose_IsAskedForNothingButBuilds()
    {
        var tools = new Definitions.Tools("2.40.3");
        await Definitions.OfAsync(Model("""
            "web":{"build":{"context":"/c","secrets":[{"source":"token"}],"additional_contexts":{"b":"service:basis","r":"service:redis"}},"environment":{"PASSWORD":"x"},
              "depends_on":{"db":{"condition":"service_started"}},"platform":"linux/arm64"},
            "basis":{"build":{"context":"/b"},"profiles":["never"]},"redis":{"image":"redis:7"},"db":{"image":"postgres"}
            """, ""","secrets":{"token":{"environment":"TOKEN"},"other":{"file":"/x"}}"""), tools);

        Assert.Equal(
            """{"name":"p","services":{"web":{"build":{"context":"/c","secrets":[{"source":"token"}],"additional_contexts":{"b":"service:basis","r":"docker-image://redis:7"}},"platform":"linux/arm64"},"basis":{"build":{"context":"/b"}}},"secrets":{"token":{"environment":"TOKEN"}}}""",
            Assert.Single(tools.Printed).ToJsonString());
    }

    [Fact]
    public async Task Compose_IsAskedOncePerModel()
    {
        var tools = new Definitions.Tools("2.40.3");
        var definitions = Definitions.Asking(tools);
        await definitions.OfAsync(Model("""
            "web":{"build":{"context":"/c"}}
            """), CancellationToken.None);
        await definitions.OfAsync(Model("""
            "web":{"build":{"context":"/c"}}
            """), CancellationToken.None);
        await definitions.OfAsync(Model("""
            "web":{"build":{"context":"/d"}}
            """), CancellationToken.None);
        Assert.Equal(2, tools.Printed.Count);
    }

    [Theory]
    [InlineData("extra-hosts", "\"extra_hosts\":[\"a=1.2.3.4\"]", "build.extra_hosts")]
    [InlineData("ulimits", "\"ulimits\":{\"nofile\":4321}", "build.ulimits")]
    [InlineData("entitlements", "\"privileged\":true", "build.entitlements")]
    public async Task Key_ThatAnOlderBakeWouldLeaveOut_IsRefused(string unknown, string key, string named)
    {
        var model = Model($$"""
            "web":{"build":{"context":"/c",{{key}} } }
            """);
        var refused = await Assert.ThrowsAsync<WorkerException>(() => Definitions.OfAsync(model, new Definitions.Tools("2.26.1", k => k != unknown)));

        Assert.Contains(named, refused.Message, StringComparison.Ordinal);
        Assert.Contains("service web", refused.Message, StringComparison.Ordinal);
        Assert.Contains("Update buildx", refused.Message, StringComparison.Ordinal);
        Assert.NotNull((await Definitions.OfAsync(model, new Definitions.Tools("2.26.1")))["web"]);
    }

    [Fact]
    public async Task Build_OnTheNetworkOfTheHost_AsksForLeave()
    {
        var model = Model("""
            "web":{"build":{"context":"/c","network":"host"}}
            """);
        var file = Bake.File(model, await Definitions.OfAsync(model, new Definitions.Tools("2.40.3")), [new BakeTarget("web", model.Services[0], "c", [])], new());
        Assert.Equal(["network.host"], file.Entitlements.AsEnumerable());
    }
}

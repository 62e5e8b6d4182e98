using System.Globalization;
using WatchParty.Worker.EngineTests.Harness;

namespace WatchParty.Worker.EngineTests.Behaviour;

[Trait("Engine", "Older")]
public sealed class EngineTests
{
    [Fact]
    public async Task The_engine_is_of_the_generation_and_has_the_image_store_that_is_expected()
    {
        var status = await Command.OutputAsync("docker", ["info", "-f", "{{.Driver}} {{.DriverStatus}}"]);
        var store = status.Contains("io.containerd.snapshotter.v1", StringComparison.Ordinal) ? "containerd" : status.Split(' ')[0];
        if (Environment.GetEnvironmentVariable("WATCHPARTY_TEST_STORE") is { Length: > 0 } expected) { Assert.Equal(expected, store); }
        var version = await Command.OutputAsync("docker", ["version", "-f", "{{.Server.Version}}"]);
        var generation = int.Parse(version.Split('.')[0], CultureInfo.InvariantCulture) >= 28 ? "newer" : "older";
        if (Environment.GetEnvironmentVariable("WATCHPARTY_ENGINE_GENERATION") is ("newer" or "older") and var asked) { Assert.Equal(asked, generation); }
        Assert.NotEmpty(await Command.OutputAsync("docker", ["buildx", "version"]));
        Assert.NotEmpty(await Command.OutputAsync("docker", ["compose", "version"]));
    }
}

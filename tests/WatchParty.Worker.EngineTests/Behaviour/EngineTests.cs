using WatchParty.Worker.EngineTests.Harness;

namespace WatchParty.Worker.EngineTests.Behaviour;

public sealed class EngineTests
{
    [Fact]
    public async Task The_engine_has_the_image_store_that_is_expected()
    {
        var status = await Command.OutputAsync("docker", ["info", "-f", "{{.Driver}} {{.DriverStatus}}"]);
        var store = status.Contains("io.containerd.snapshotter.v1", StringComparison.Ordinal) ? "containerd" : status.Split(' ')[0];
        if (Environment.GetEnvironmentVariable("WATCHPARTY_TEST_STORE") is { Length: > 0 } expected) { Assert.Equal(expected, store); }
        Assert.NotEmpty(await Command.OutputAsync("docker", ["buildx", "version"]));
        Assert.NotEmpty(await Command.OutputAsync("docker", ["compose", "version"]));
    }
}

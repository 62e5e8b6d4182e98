using WatchParty.Worker.EngineTests.Harness;

namespace WatchParty.Worker.Benchmarks;

internal static class Engine
{
    /// <summary>Version and image store, for the head of a table.</summary>
    public static async Task<string> DescribeAsync()
    {
        var version = await Command.OutputAsync("docker", ["version", "-f", "Engine {{.Server.Version}}"]);
        var driver = await Command.OutputAsync("docker", ["info", "-f", "{{.DriverStatus}}"]);
        return $"{version}, {(driver.Contains("containerd", StringComparison.Ordinal) ? "containerd image store" : "graph driver")}";
    }
}

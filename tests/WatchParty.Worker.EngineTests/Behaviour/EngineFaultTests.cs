using System.Globalization;
using WatchParty.Worker.EngineTests.Harness;

namespace WatchParty.Worker.EngineTests.Behaviour;

/// <summary>What an engine can do to the worker: be away, die, hang, and have no space left.</summary>
[Trait("Store", "Any")]
public sealed class EngineFaultTests
{
    private readonly string _marker = Random.Shared.Next(1_000_000, 9_000_000).ToString(CultureInfo.InvariantCulture);

    private const string Compose = """
        services:
          web:
            image: PROJECT-web:latest
            build: {context: ./web, network: none, args: {GIT_COMMIT_HASH: "${GIT_COMMIT_HASH:-unknown}"}}
            network_mode: none
            init: true
            restart: unless-stopped
            healthcheck: {test: [CMD, wget, -q, -O, /dev/null, "http://127.0.0.1:8000/health"], interval: 500ms, timeout: 5s, retries: 5, start_period: 30s}

        """;

    [OwnEngineFact]
    public async Task An_engine_that_is_away_dies_hangs_or_is_full_delays_a_release_and_loses_none()
    {
        await using var app = await Application.OfAsync([.. SmallApplication.Folder("web"), ("compose.yaml", Compose), (".gitignore", ".env\n")]);
        await using var engine = new OwnEngine(app.In("e"));
        app.Configure("Docker:Endpoint", engine.Endpoint);
        await using var service = await app.StartServiceAsync();
        await app.ReleasedAsync(await app.HeadOfCheckoutAsync(), "Failed");
        await engine.StartAsync();
        await app.ReleasedAsync(await app.HeadOfCheckoutAsync());

        var built = await app.PushAsync("web/Dockerfile", SmallApplication.Dockerfile.Replace("RUN ", $"RUN sleep 5; : {_marker}; ", StringComparison.Ordinal));
        await Eventually.HoldsAsync(async () => (await Command.RunAsync("pgrep", ["-f", $": {_marker}"])).ExitCode == 0, "the slow step", () => service.Log);
        await engine.SignalAsync("KILL");
        await app.ReleasedAsync(built);
        Assert.StartsWith($"running healthy\ncommit: {built}", await engine.ContainerAsync(app.Project), StringComparison.Ordinal);

        // It takes a while to become healthy, so that there is a while to kill the engine in.
        var deployed = await app.PushAsync("web/serve.sh", $"sleep 4\n{SmallApplication.Server}");
        await Eventually.HoldsAsync(
            async () => await app.LastReleaseAsync() is { } last && (string?)last["commit"] == deployed && (string?)last["state"] is "Deploying" or "Verifying", "the deployment", () => service.Log);
        await engine.SignalAsync("KILL");
        await app.ReleasedAsync(deployed);
        Assert.StartsWith($"running healthy\ncommit: {deployed}", await engine.ContainerAsync(app.Project), StringComparison.Ordinal);

        await engine.SignalAsync("STOP");
        var late = await app.PushAsync("web/content.txt", "late\n");
        await Eventually.HoldsAsync(async () => (await app.StatusAsync())["service"]?["work"] is not null, "the release", () => service.Log);
        await Task.Delay(TimeSpan.FromSeconds(2), TimeProvider.System);
        Assert.True((bool)(await app.StatusAsync())["running"]!);
        await engine.SignalAsync("CONT");
        await app.ReleasedAsync(late);

        var full = await app.PushAsync("web/Dockerfile", SmallApplication.Dockerfile.Replace("RUN ", "RUN dd if=/dev/zero of=/big bs=1M count=1000 && ", StringComparison.Ordinal));
        Assert.Contains("No space left on device", (string?)(await app.ReleasedAsync(full, "Failed"))["error"], StringComparison.Ordinal);
        Assert.StartsWith($"running healthy\ncommit: {late}", await engine.ContainerAsync(app.Project), StringComparison.Ordinal);
        var smaller = await app.PushAsync("web/Dockerfile", SmallApplication.Dockerfile);
        await app.ReleasedAsync(smaller);
        Assert.False(service.HasEnded);
        Assert.Equal(0, (await service.StopAsync()).ExitCode);
    }
}

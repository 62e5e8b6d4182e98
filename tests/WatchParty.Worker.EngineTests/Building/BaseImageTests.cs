using WatchParty.Worker.EngineTests.Caching;
using WatchParty.Worker.EngineTests.Harness;

namespace WatchParty.Worker.EngineTests.Building;

/// <summary>What a new base image leads to.</summary>
public sealed class BaseImageTests : IAsyncLifetime
{
    private Application? _app;

    public Task InitializeAsync() => Task.CompletedTask;

    public async Task DisposeAsync()
    {
        if (_app is not null) { await _app.DisposeAsync(); }
    }

    [Fact]
    public async Task A_base_image_that_was_replaced_on_this_engine_has_its_services_built_with_the_next_commit()
    {
        var app = _app = await CachedApplication.StartAsync(CachedApplication.Dockerfile.Replace("watchparty-sample-base:1", "PROJECT-base:1", StringComparison.Ordinal));
        var name = $"{app.Project}-base:1";
        await Command.OutputAsync("docker", ["tag", "watchparty-sample-base:1", name]);
        (await app.OnceAsync()).Succeeded();
        await app.PushAsync("docs/README.md", "Other words.\n");
        Assert.Equal("Unchanged", (await app.OnceAsync()).Succeeded().Service("web").Action);

        await BuildBaseAsync(name);
        await app.PushAsync("docs/README.md", "New words.\n");
        var run = (await app.OnceAsync()).Succeeded();
        Assert.Equal(("Built", $"base image {name} was replaced on this engine"), (run.Service("web").Action, run.Service("web").Reason));
        Assert.All(run.MissedOf("web"), m => Assert.Equal("BaseImageChanged", m.Cause));
        await app.PushAsync("docs/README.md", "Last words.\n");
        Assert.Equal("Unchanged", (await app.OnceAsync()).Succeeded().Service("web").Action);
    }

    [RegistryFact]
    public async Task A_base_image_that_is_new_in_its_registry_is_found_on_schedule_and_not_by_commits()
    {
        var app = _app = await CachedApplication.StartAsync();
        using var registry = await Registry.StartAsync(app.In("registry"));
        var name = $"{registry.Address}/base:1";
        await PushBaseAsync("docker tag watchparty-sample-base:1", name);
        await app.PushAsync("web/Dockerfile", CachedApplication.Dockerfile.Replace("watchparty-sample-base:1", name, StringComparison.Ordinal));
        (await app.OnceAsync()).Succeeded();

        await BuildBaseAsync($"{app.Project}-base:2");
        await PushBaseAsync($"docker tag {app.Project}-base:2", name);
        var commit = await app.PushAsync("docs/README.md", "Other words.\n");
        Assert.Equal("Unchanged", (await app.OnceAsync()).Succeeded().Service("web").Action);

        app.Configure("Build:RefreshBaseImages", "0/2 * * * * ?");
        var service = await app.StartServiceAsync();
        await Eventually.HoldsAsync(async () => (string?)(await app.LastReleaseAsync())!["trigger"] == "base images" && (string?)(await app.LastReleaseAsync())!["outcome"] == "Succeeded", "a release for the base image", () => service.Log);
        var release = (await app.LastReleaseAsync())!;
        Assert.Equal(commit, (string?)release["commit"]);
        Assert.Equal($"base image {name} is new in its registry", (string?)release["services"]![0]!["reason"]);
        Assert.Equal("new", (await Command.OutputAsync("docker", ["exec", (await app.ContainersAsync())["web"].Id, "cat", "/base"])).Trim());

        // Nothing more is new, whatever the schedule asks.
        await Eventually.HoldsAsync(() => Task.FromResult(service.Log.Split("0 base images are new").Length > 2), "two more looks", () => service.Log);
        Assert.Equal((string?)release["release"], (string?)(await app.LastReleaseAsync())!["release"]);
        Assert.Equal(0, (await service.StopAsync()).ExitCode);
    }

    private static Task<string> BuildBaseAsync(string name) =>
        Command.ShellAsync($"printf 'FROM watchparty-sample-base:1\\nRUN echo new > /base\\n' | docker build --quiet --tag {name} -");

    /// <summary>Leaves the image in the registry alone.</summary>
    private static Task<string> PushBaseAsync(string tag, string name) => Command.ShellAsync($"{tag} {name} && docker push --quiet {name} && docker image rm {name}");
}

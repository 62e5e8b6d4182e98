using WatchParty.Worker.EngineTests.Harness;

namespace WatchParty.Worker.EngineTests.Caching;

/// <summary>Where the cache is kept beside the builder, and which sources a build is given.</summary>
[Trait("Engine", "Older")]
public sealed class SealTests : IAsyncLifetime
{
    private Application? _app;
    private CacheView? _cache;

    public async Task InitializeAsync() => await CacheView.WipeBuilderAsync();

    public async Task DisposeAsync()
    {
        _cache?.Dispose();
        if (_app is not null) { await _app.DisposeAsync(); }
    }

    [Fact]
    public async Task The_shipped_image_carries_no_cache_metadata_and_the_cache_images_do()
    {
        var app = await StartAsync();
        (await app.OnceAsync()).Succeeded();
        await app.PushContentAsync();
        (await app.OnceAsync()).Succeeded();
        Assert.False(await _cache!.CarriesCacheAsync("web:latest"));
        if (await _cache.OnGraphDriverAsync())
        {
            Assert.Equal(["buildcache", "buildcache-deps"], await _cache.CacheImagesAsync("web"));
            Assert.True(await _cache.CarriesCacheAsync("web:buildcache") && await _cache.CarriesCacheAsync("web:buildcache-deps"));
            Assert.Empty(_cache.CacheFolders("web"));
        }
        else
        {
            // Old ones are removed.
            Assert.Single(_cache.CacheFolders("web"));
            Assert.Empty(await _cache.CacheImagesAsync("web"));
        }

        // A Dockerfile's owner can ask for it all the same; then the record and doctor say so.
        var compose = await File.ReadAllTextAsync(Path.Combine(app.Clone, "compose.yaml"));
        await app.PushAsync("compose.yaml", compose.Replace("FLAVOUR: plain", "FLAVOUR: plain, BUILDKIT_INLINE_CACHE: \"1\"", StringComparison.Ordinal));
        (await app.OnceAsync()).Succeeded();
        Assert.Contains($"{app.Project}-web:latest carries BuildKit's cache metadata", (await app.RunAsync("show", "3", "--json")).Output, StringComparison.Ordinal);
        var check = (await app.RunAsync("doctor", "--json")).Json["checks"]!.AsArray().Single(c => (string?)c!["name"] == "cache metadata of web")!;
        Assert.Equal("Error", (string?)check["status"]);
    }

    [Fact]
    public async Task Nothing_of_the_cache_is_marked_or_sealed_before_the_release_serves()
    {
        var app = await StartAsync();
        (await app.OnceAsync()).Succeeded();
        await app.PushContentAsync();
        app.TakeDockerCalls();
        (await app.OnceAsync()).Succeeded();
        var calls = app.TakeDockerCalls().ToList();
        var up = calls.FindIndex(c => c.Contains(" up ", StringComparison.Ordinal));
        Assert.Single(calls[..up], c => c.StartsWith("buildx bake", StringComparison.Ordinal));
        // Sealing has a call of its own, so the test would see one in the wrong place.
        Assert.Contains(calls[up..], c => c.StartsWith("buildx bake", StringComparison.Ordinal));
        Assert.Matches(@"sealed with release 2 in [0-9.]+ s", (await app.RunAsync("doctor")).Output);
    }

    [Fact]
    public async Task Sources_that_cannot_work_are_left_out_and_said_with_what_to_write_instead()
    {
        var app = await StartAsync(build: """
                  cache_from:
                    - PROJECT-web:latest
                    - somebody-else/web:cache
                    - type=local,src=/nowhere/at/all
                    - type=s3,region=eu,bucket=cache
            """);
        var onGraphDriver = await _cache!.OnGraphDriverAsync();
        (await app.OnceAsync()).Succeeded();
        await app.PushContentAsync();
        var run = (await app.OnceAsync()).Succeeded();
        var doctor = (await app.RunAsync("doctor", "--json")).Json["checks"]!.AsArray()
            .Where(c => (string?)c!["name"] == "cache of web" && (string?)c["status"] == "Warning").ToDictionary(c => (string)c!["message"]!, c => (string)c!["fix"]!);
        (string Source, string Reason, string Fix)[] expected =
        [
            onGraphDriver
                ? ($"{app.Project}-web:latest", "the shipped image carries no cache metadata, so it gives no cache", "Leave it out")
                : ($"{app.Project}-web:latest", "it is looked up in a public registry instead of on this engine", "write the registry into the name"),
            onGraphDriver
                ? ("somebody-else/web:cache", "there is no such image here yet", "Leave it out")
                : ("somebody-else/web:cache", "it is looked up in a public registry instead of on this engine", "write the registry into the name"),
            ("type=local,src=/nowhere/at/all", "the folder /nowhere/at/all does not exist", "Leave it out"),
            ("type=s3,region=eu,bucket=cache", "the engine's own builder has no cache of type s3", "use type=registry"),
        ];
        foreach (var (source, reason, fix) in expected)
        {
            Assert.Contains($"web: cache_from {source} was left out, because {reason}", run.Notes);
            Assert.Contains(fix, doctor[$"cache_from {source} is left out, because {reason}"], StringComparison.Ordinal);
        }
        Assert.Equal(expected.Length, doctor.Count);
        // None of them reached BuildKit.
        Assert.DoesNotContain(run.Notes, n => n.Contains("could not be read", StringComparison.Ordinal));
    }

    [RegistryFact]
    public async Task With_a_registry_the_cache_is_kept_there()
    {
        var app = await StartAsync();
        using var registry = await Registry.StartAsync(app.In("registry"));
        app.Configure("Build:CacheRegistry", $"{registry.Address}/cache");
        (await app.OnceAsync()).Succeeded();
        await app.PushContentAsync();
        var warm = (await app.OnceAsync()).Succeeded();
        Assert.Contains($"{app.Project}-web", await registry.CatalogAsync(), StringComparison.Ordinal);
        for (var round = 0; round < CacheView.Rounds; round++)
        {
            await CacheView.WipeBuilderAsync();
            await app.PushContentAsync();
            var run = (await app.OnceAsync()).Succeeded();
            Assert.Equal(warm.Ran(), run.Ran());
        }
        await app.PruneAsync();
        await app.PushContentAsync();
        Assert.Equal(warm.Ran(), (await app.OnceAsync()).Succeeded().Ran());
        Assert.Equal("Cleared", (await app.RunAsync("clear-cache", "--json")).Outcome);
        await app.PushContentAsync();
        Assert.Equal(["web Built 0/7"], (await app.OnceAsync()).Succeeded().Counts);
    }

    private async Task<Application> StartAsync(string build = "")
    {
        _app = await CachedApplication.StartAsync(build: build);
        _cache = new CacheView(_app);
        return _app;
    }
}

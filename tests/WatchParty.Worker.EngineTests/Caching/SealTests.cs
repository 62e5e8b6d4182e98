using WatchParty.Releases.Caching;
using WatchParty.Releases.Recording;
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
        Assert.False(await CacheView.CarriesCacheAsync($"{app.Project}-web:latest"));
        if (await _cache!.OnGraphDriverAsync())
        {
            // The last stage begins with the commit, so that nothing of it helps another one.
            Assert.Equal([$"watchparty-cache:{app.Project}.web.deps"], await _cache.CacheImagesAsync("web"));
            Assert.True(await CacheView.CarriesCacheAsync($"watchparty-cache:{app.Project}.web.deps"));
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
    public async Task A_seal_takes_no_name_that_somebody_else_gave()
    {
        var app = await StartAsync();
        if (!await _cache!.OnGraphDriverAsync()) { return; }
        var (name, before) = ($"watchparty-cache:{app.Project}.web.deps", await OwnImageAsync(app, "precious"));
        await Command.OutputAsync("docker", ["tag", before, name]);
        (await app.OnceAsync()).Succeeded();

        Assert.Equal(before, await IdAsync(name));
        Assert.Equal("Cleared", (await app.RunAsync("clear-cache", "--json")).Outcome);
        Assert.Equal(before, await IdAsync(name));

        // Out of the way, it is sealed.
        await Command.OutputAsync("docker", ["image", "rm", name]);
        await app.PushContentAsync();
        var sealing = (await app.OnceAsync()).Succeeded();
        Assert.DoesNotContain("not sealed", sealing.Errors, StringComparison.Ordinal);
        Assert.NotEqual(before, await IdAsync(name));
        Assert.True(await _cache.IsSealedAsync("web"));
    }

    [Fact]
    public async Task Seals_of_an_older_program_are_used_and_go_by_the_names_that_it_recorded()
    {
        var app = await StartAsync();
        if (!await _cache!.OnGraphDriverAsync()) { return; }
        (await app.OnceAsync()).Succeeded();
        string[] old = [$"{app.Project}-web:buildcache-deps", $"{app.Project}-web:buildcache"];
        // It had an image for every stage.
        await Command.OutputAsync("docker", ["tag", $"watchparty-cache:{app.Project}.web.deps", old[1]], app.Folder);
        await RenameAsync(app, $"watchparty-cache:{app.Project}.web.deps", old[0]);
        using (var database = Database.Open(Path.Combine(app.State, "history.db")))
        {
            var record = new SealRecord(database);
            record.Save(record.Find("web")! with { Images = old, Stages = null, Of = null, Project = null });
        }
        await CacheView.WipeBuilderAsync();
        await app.PushContentAsync();
        var warm = (await app.OnceAsync()).Succeeded();

        Assert.Equal(["web Built 2/7"], warm.Counts);
        Assert.Single(await _cache.CacheImagesAsync("web"));
        foreach (var name in old) { Assert.Null(await IdAsync(name)); }

        // One that is somebody else's by now stays.
        var other = await OwnImageAsync(app, "other");
        await Command.OutputAsync("docker", ["tag", other, old[1]]);
        using (var database = Database.Open(Path.Combine(app.State, "history.db")))
        {
            var record = new SealRecord(database);
            record.Save(record.Find("web")! with { Images = old, Stages = null, Of = null, Project = null });
        }
        await app.PushContentAsync();
        (await app.OnceAsync()).Succeeded();
        Assert.Equal(other, await IdAsync(old[1]));
    }

    private static async Task RenameAsync(Application app, string from, string to)
    {
        await Command.OutputAsync("docker", ["tag", from, to], app.Folder);
        await Command.OutputAsync("docker", ["image", "rm", from], app.Folder);
    }

    private static async Task<string?> IdAsync(string name)
    {
        var result = await Command.RunAsync("docker", ["image", "inspect", "-f", "{{.Id}}", name]);
        return result.ExitCode == 0 ? result.Output.Trim() : null;
    }

    /// <summary>An image that a person built; its id.</summary>
    private static Task<string> OwnImageAsync(Application app, string content) => Command.ShellAsync(
        $"printf 'FROM watchparty-sample-base:1\\nRUN echo %s > /own\\n' \"{content}\" | docker build -q -t {app.Project}-own:1 - >/dev/null; docker image inspect -f '{{{{.Id}}}}' {app.Project}-own:1", app.Folder);

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
        // The build, and before it the question whether it would give another image.
        Assert.Equal(["web-asked", "web"], calls[..up].Where(c => c.StartsWith("buildx bake --progress", StringComparison.Ordinal)).Select(c => c.Split(' ')[^1]));
        // Sealing has a call of its own, so the test would see one in the wrong place.
        Assert.Contains(calls[up..], c => c.StartsWith("buildx bake --", StringComparison.Ordinal) && !c.Contains("--print", StringComparison.Ordinal));
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

    /// <summary>A file that BuildKit's linter judges, with lower-case words, stages without names, an ignore file of its own, and a stage that no other commit can use.</summary>
    [Fact]
    public async Task What_is_sealed_is_what_was_built_up_to_the_commit()
    {
        const string Dockerfile = """
            # check=error=true
            from watchparty-sample-base:1
            workdir /deps
            copy packages.txt content.tx[t] ./
            run echo PROJECT > salt && test ! -e content.txt && cp packages.txt installed

            from watchparty-sample-base:1
            arg GIT_COMMIT_HASH=unknown
            run echo "$GIT_COMMIT_HASH" > /stamp

            from watchparty-sample-base:1
            workdir /app
            copy --from=0 /deps/installed .
            copy serve.sh status ./
            run sh -n serve.sh && echo first > content.txt
            copy --from=1 /stamp commit
            cmd ["sh", "serve.sh"]

            """;
        var app = await StartAsync();
        await app.PushAsync(("web/Dockerfile", null), ("web/Dockerfile.web", Dockerfile.Replace("PROJECT", app.Project, StringComparison.Ordinal)),
            ("web/Dockerfile.web.dockerignore", "content.txt\nDockerfile*\n"),
            ("compose.yaml", (await File.ReadAllTextAsync(Path.Combine(app.Clone, "compose.yaml"))).Replace("context: ./web", "context: ./web\n      dockerfile: Dockerfile.web", StringComparison.Ordinal)));
        var first = (await app.OnceAsync()).Succeeded();
        Assert.DoesNotContain("not sealed", first.Errors, StringComparison.Ordinal);
        if (await _cache!.OnGraphDriverAsync())
        {
            Assert.Equal([$"watchparty-cache:{app.Project}.web", $"watchparty-cache:{app.Project}.web.watchparty-stage-0"], await _cache.CacheImagesAsync("web"));
        }

        await app.PushAsync("web/serve.sh", $"{SmallApplication.Server}\n# two\n");
        var warm = (await app.OnceAsync()).Succeeded();
        Assert.Equal("", await Command.ShellAsync($"docker image ls -q --filter dangling=true --filter label=watchparty.worker.project={app.Project}"));
        Assert.Equal(("Pruned", 0), await PruneAsync(app));
        await CacheView.WipeBuilderAsync();
        await app.PushAsync("web/serve.sh", $"{SmallApplication.Server}\n# three\n");
        Assert.Equal(warm.Ran(), (await app.OnceAsync()).Succeeded().Ran());

        static async Task<(string?, int)> PruneAsync(Application app) => (await app.PruneAsync()) is var prune ? (prune.Outcome, prune.Notes.Count()) : default;
    }

    private async Task<Application> StartAsync(string build = "")
    {
        _app = await CachedApplication.StartAsync(build: build);
        _cache = new CacheView(_app);
        return _app;
    }
}

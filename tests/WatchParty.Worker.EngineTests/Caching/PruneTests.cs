using System.Globalization;
using WatchParty.Worker.EngineTests.Harness;

namespace WatchParty.Worker.EngineTests.Caching;

/// <summary>What a prune takes and what it leaves.</summary>
public sealed class PruneTests : IAsyncLifetime
{
    private readonly List<string> _foreign = [];
    private Application? _app;
    private CacheView? _cache;

    public async Task InitializeAsync() => await CacheView.WipeBuilderAsync();

    public async Task DisposeAsync()
    {
        _cache?.Dispose();
        if (_app is not null) { await _app.DisposeAsync(); }
        foreach (var image in _foreign) { await Command.RunAsync("docker", ["image", "rm", "--force", image]); }
    }

    [Fact]
    public async Task Cache_mounts_stay_and_go_only_when_that_is_configured()
    {
        const string Counting = "RUN --mount=type=cache,target=/counter echo x >> /counter/runs && wc -l < /counter/runs > runs\nRUN sh -n";
        var app = await StartAsync(CachedApplication.Dockerfile.Replace("RUN sh -n", Counting, StringComparison.Ordinal));
        await app.PushAsync("web/serve.sh", SmallApplication.Server.Replace("cat content.txt", "cat content.txt; echo \"runs: $(cat runs)\"", StringComparison.Ordinal));
        // BuildKit, when it is asked whether a build is needed, may have run the step before it is stopped.
        async Task<int> RunsAsync()
        {
            await app.PushContentAsync();
            (await app.OnceAsync()).Succeeded();
            return int.Parse((await app.GetAsync("/version")).Split("runs: ")[1], CultureInfo.InvariantCulture);
        }
        var first = await RunsAsync();
        var second = await RunsAsync();
        Assert.Equal("Pruned", (await app.PruneAsync()).Outcome);
        var third = await RunsAsync();
        Assert.True(first < second && second < third, $"{first}, {second}, {third}");
        app.Configure("Prune:KeepCacheMounts", false);
        Assert.Equal("Pruned", (await app.PruneAsync()).Outcome);
        Assert.InRange(await RunsAsync(), 1, 2);
    }

    [Fact]
    public async Task A_mark_that_would_run_a_step_stops_and_what_the_service_still_has_is_left_to_it()
    {
        var app = await StartAsync();
        (await app.OnceAsync()).Succeeded();
        await app.PushContentAsync();
        var warm = (await app.OnceAsync()).Succeeded();
        Assert.Equal("Pruned", (await app.PruneAsync()).Outcome);

        await _cache!.BreakSealAsync("web");
        // Where every build imports the seal, the prune before has left nothing else of the step.
        var record = (await _cache.RecordsAsync()).SingleOrDefault(r => r.Description?.Contains("salt && cp packages.txt", StringComparison.Ordinal) == true);
        if (record is not null) { await Command.OutputAsync("docker", ["builder", "prune", "--all", "--force", "--filter", $"id={record.ID}"]); }
        Assert.DoesNotContain(await _cache.RecordsAsync(), r => r.ID == record?.ID);
        var kept = (await _cache.RecordsAsync()).Where(r => r.Type == "regular").Select(r => r.ID).ToHashSet();

        var prune = await app.PruneAsync();
        Assert.Contains(prune.Notes, n => n.StartsWith("web is not all in the cache: its next build would run ", StringComparison.Ordinal));
        Assert.Superset(kept, (await _cache.RecordsAsync()).Select(r => r.ID).ToHashSet());
        if (!await _cache.OnGraphDriverAsync())
        {
            Assert.Contains("nothing was swept, because the cache of web is not sealed and this engine would lose it", prune.Notes);
            return;
        }
        Assert.NotNull(record);
        Assert.Contains(prune.Notes, n => n.Contains("salt && cp packages.txt", StringComparison.Ordinal));
        await app.PushContentAsync();
        // The step itself was quick enough in the mark on some engines, and stopped on others.
        Assert.Equal(warm.Ran(), (await app.OnceAsync()).Succeeded().Ran().Where(s => !s.Contains("salt && cp packages.txt", StringComparison.Ordinal)));
    }

    [Fact]
    public async Task The_cache_is_brought_down_to_its_largest_size()
    {
        // Twenty megabytes in a cache mount, which no image shares and the sweep keeps.
        var app = await StartAsync(CachedApplication.Dockerfile.Replace("RUN sh -n", "RUN --mount=type=cache,target=/big head -c 20000000 /dev/urandom > /big/file\nRUN sh -n", StringComparison.Ordinal));
        (await app.OnceAsync()).Succeeded();
        Assert.Equal("Pruned", (await app.PruneAsync()).Outcome);
        Assert.True(await SizeAsync() > 20_000_000);
        app.Configure("Prune:MaxCacheSize", "10MB");
        var prune = await app.PruneAsync();
        Assert.Equal("Pruned", prune.Outcome);
        Assert.True((long)prune.Json["freedBytes"]! >= 20_000_000, prune.All);
        Assert.InRange(await SizeAsync(), 0, 10_000_000);

        async Task<long> SizeAsync() => (await _cache!.RecordsAsync()).Where(r => !r.Shared).Sum(r => r.Size);
    }

    [Fact]
    public async Task A_full_disk_makes_the_service_prune_at_once()
    {
        var app = await StartAsync();
        (await app.OnceAsync()).Succeeded();
        app.Configure("Prune:MinFreeSpace", "1000000TB");
        var service = await app.StartServiceAsync();
        await Eventually.HoldsAsync(async () => (string?)(await app.StatusAsync())["lastPrune"]?["trigger"] == "disk pressure", "a prune for the disk", () => service.Log);
        Assert.Equal("Pruned", (string?)(await app.StatusAsync())["lastPrune"]!["outcome"]);
        Assert.Contains("less than", service.Log, StringComparison.Ordinal);
        Assert.Equal(0, (await service.StopAsync()).ExitCode);
    }

    [Fact]
    public async Task Stages_without_a_name_are_kept()
    {
        const string Unnamed = """
            FROM watchparty-sample-base:1
            WORKDIR /deps
            COPY packages.txt .
            RUN echo PROJECT > salt && cp packages.txt installed
            COPY content.txt .
            RUN cat content.txt > built

            FROM watchparty-sample-base:1
            WORKDIR /app
            COPY --from=0 /deps/installed /deps/built ./
            COPY serve.sh status content.txt ./
            ARG GIT_COMMIT_HASH=unknown
            ENV GIT_COMMIT_HASH=$GIT_COMMIT_HASH
            CMD ["sh", "serve.sh"]

            """;
        var app = await StartAsync(Unnamed);
        (await app.OnceAsync()).Succeeded();
        await app.PushContentAsync();
        var before = (await app.OnceAsync()).Succeeded();
        // The steps of the first stage above the change can only come from its own records.
        Assert.Equal(["web Built 2/6"], before.Counts);
        var prune = await app.PruneAsync();
        Assert.Equal(("Pruned", 0), (prune.Outcome, prune.Notes.Count()));
        await app.PushContentAsync();
        Assert.Equal(before.Ran(), (await app.OnceAsync()).Succeeded().Ran());
    }

    [Fact]
    public async Task A_dry_run_removes_nothing_and_says_what_would_go()
    {
        var app = await StartAsync();
        app.Configure("Prune:KeepReleases", 1);
        for (var i = 0; i < 3; i++)
        {
            (await app.OnceAsync()).Succeeded();
            await app.PushContentAsync();
        }
        // Old names go after each release; these wait for the prune.
        await Command.OutputAsync("docker", ["tag", "watchparty-sample-base:1", $"watchparty-release:{app.Project}.1.web"]);
        var (records, images) = ((await _cache!.RecordsAsync()).Select(r => r.ID).Order().ToList(), await ImagesAsync());

        var dry = await app.PruneAsync("--dry-run");
        Assert.Equal("DryRun", dry.Outcome);
        Assert.True(dry.Before() == records.Count && dry.After() < dry.Before(), dry.All);
        Assert.Equal($"watchparty-release:{app.Project}.1.web", (string?)Assert.Single(dry.Json["targets"]!.AsArray()));
        // A mark may add a record of local files, when two of its targets read them at once.
        Assert.Empty(records.Except((await _cache.RecordsAsync()).Select(r => r.ID)));
        Assert.Equal(images, await ImagesAsync());
        Assert.Contains("Would remove: ", (await app.RunAsync("prune", "--dry-run")).Output, StringComparison.Ordinal);

        var prune = await app.PruneAsync();
        Assert.InRange(prune.Before() - prune.After() - (dry.Before() - dry.After()), -2, 2);
        Assert.Null(await app.KeptImageAsync("1", "web"));
    }

    [Fact]
    public async Task Old_rollback_images_go_and_what_the_worker_did_not_make_stays()
    {
        var app = await StartAsync();
        app.Configure("Prune:KeepReleases", 1);
        (await app.OnceAsync()).Succeeded();
        var foreign = string.Create(CultureInfo.InvariantCulture, $"somebody{Environment.ProcessId}/tool:watchparty-1");
        var nameless = await Command.ShellAsync("tar -c -T /dev/null | docker import -");
        var built = (await Command.ShellAsync("printf 'FROM watchparty-sample-base:1\\nRUN echo theirs > /file\\n' | docker build --quiet -")).Trim();
        await Command.OutputAsync("docker", ["tag", nameless, foreign]);
        _foreign.AddRange([foreign, nameless, built]);
        for (var i = 0; i < 3; i++)
        {
            await app.PushContentAsync();
            (await app.OnceAsync()).Succeeded();
        }
        await app.PruneAsync();
        Assert.Null(await app.KeptImageAsync("1", "web"));
        Assert.Null(await app.KeptImageAsync("2", "web"));
        Assert.NotNull(await app.KeptImageAsync("3", "web"));
        Assert.Equal(await app.ImageAsync("web:latest"), await app.KeptImageAsync("4", "web"));
        await ForeignStaysAsync();
        Assert.Equal("Cleared", (await app.RunAsync("clear-cache", "--json")).Outcome);
        await ForeignStaysAsync();

        async Task ForeignStaysAsync()
        {
            foreach (var image in _foreign) { Assert.True((await Command.RunAsync("docker", ["image", "inspect", image])).ExitCode == 0, $"{image} is gone"); }
        }
    }

    private async Task<Application> StartAsync(string dockerfile = CachedApplication.Dockerfile)
    {
        _app = await CachedApplication.StartAsync(dockerfile);
        _cache = new CacheView(_app);
        return _app;
    }

    private static Task<string> ImagesAsync() => Command.ShellAsync("docker image ls --all --no-trunc --format '{{.Repository}}:{{.Tag}} {{.ID}}' | sort");
}

using WatchParty.Worker.EngineTests.Harness;

namespace WatchParty.Worker.EngineTests.Caching;

/// <summary>The promise that a clear gives a fresh build, and touches nothing else, on the running sample application.</summary>
public sealed class ClearTests : IAsyncLifetime
{
    private static readonly string[] Both = ["backend", "frontend"];
    private Application _app = null!;
    private CacheView _cache = null!;

    public async Task InitializeAsync()
    {
        _app = await Application.SampleAsync(quick: true);
        _cache = new CacheView(_app);
        (await _app.OnceAsync()).Succeeded();
        await CommitAsync();
    }

    public async Task DisposeAsync()
    {
        _cache.Dispose();
        await _app.DisposeAsync();
    }

    [Theory]
    [Trait("Engine", "Older")]
    [InlineData("all", "backend Built 0/9", "frontend Built 0/7")]
    [InlineData("backend", "backend Built 0/9", "frontend Built 3/7")]
    public async Task The_next_build_of_what_was_cleared_uses_no_cache_and_that_of_the_others_all_of_it(string target, string backend, string frontend)
    {
        string[] cleared = target == "all" ? Both : [target];
        Assert.All(await Task.WhenAll(Both.Select(_cache.IsSealedAsync)), Assert.True);
        var containers = await _app.ContainersAsync();
        await using (_app.Visit("/version", "BACKEND_PORT"))
        await using (_app.Visit("/version", "FRONTEND_PORT"))
        {
            var clear = await _app.RunAsync("clear-cache", target, "--json");
            Assert.True(clear.ExitCode == 0 && clear.Outcome == "Cleared", clear.All);
            Assert.Equal(containers, await _app.ContainersAsync());
            foreach (var service in Both) { Assert.Equal(!cleared.Contains(service), await _cache.IsSealedAsync(service)); }
            // Of another process, so it is on disk.
            Assert.Equal(cleared, (await _app.StatusAsync())["freshBuildPending"]!.AsArray().Select(s => (string?)s));
            // A prune in between changes nothing of that.
            await _app.PruneAsync();
            Assert.Equal(cleared, (await _app.StatusAsync())["freshBuildPending"]!.AsArray().Select(s => (string?)s));
        }

        var run = await CommitAsync();
        Assert.Equal([backend, "celery Restarted", frontend, "redis Unchanged"], run.Counts);
        Assert.All(cleared, s => Assert.True(run.Service(s).Fresh && run.MissedOf(s).All(m => m.Cause == "FreshBuild"), run.All));
        Assert.Empty((await _app.StatusAsync())["freshBuildPending"]!.AsArray());
        Assert.All(await Task.WhenAll(Both.Select(_cache.IsSealedAsync)), Assert.True);
        Assert.Equal(["backend Built 2/9", "celery Restarted", "frontend Built 3/7", "redis Unchanged"], (await CommitAsync()).Counts);
    }

    [Fact]
    public async Task A_clear_that_is_killed_still_gives_a_fresh_build()
    {
        // The first bake of the clear, which marks what is not cleared, hangs until it is killed.
        var docker = await File.ReadAllTextAsync(_app.In("bin/docker"));
        await File.WriteAllTextAsync(_app.In("bin/docker"), docker.Replace("exec '", $"case \"$1 $2\" in 'buildx bake') echo $$ > '{_app.In("held.pid")}'; exec sleep 60 ;; esac\nexec '", StringComparison.Ordinal));
        var clear = await _app.StartAsync("clear-cache", "backend");
        await Eventually.HoldsAsync(() => File.Exists(_app.In("held.pid")), "the mark", () => clear.Log);
        await clear.KillAsync();
        await Command.RunAsync("sh", ["-c", $"kill -KILL $(cat '{_app.In("held.pid")}')"]);
        await File.WriteAllTextAsync(_app.In("bin/docker"), docker);

        Assert.Equal("backend", (string?)Assert.Single((await _app.StatusAsync())["freshBuildPending"]!.AsArray()));
        Assert.Equal(["backend Built 0/9", "celery Restarted", "frontend Built 3/7", "redis Unchanged"], (await CommitAsync()).Counts);
    }

    private async Task<Run> CommitAsync()
    {
        await _app.PushAsync(("backend/app/content.txt", $"{Guid.NewGuid():N}\n"), ("frontend/src/index.html", $"<h1>{Guid.NewGuid():N}</h1>\n"));
        return (await _app.OnceAsync()).Succeeded();
    }
}

using WatchParty.Worker.EngineTests.Harness;

namespace WatchParty.Worker.EngineTests.Caching;

/// <summary>The promise that a prune costs nothing, on the sample application; <c>CACHE_ROUNDS=20</c> for the long form.</summary>
[Trait("Engine", "Older")]
public sealed class PruneRoundsTests : IAsyncLifetime
{
    private Application _app = null!;
    private CacheView _cache = null!;

    public async Task InitializeAsync()
    {
        _app = await Application.SampleAsync(quick: true);
        _cache = new CacheView(_app);
        await CacheView.WipeBuilderAsync();
        (await _app.OnceAsync()).Succeeded();
    }

    public async Task DisposeAsync()
    {
        _cache.Dispose();
        await _app.DisposeAsync();
    }

    [Fact]
    public async Task The_commit_after_a_nightly_prune_runs_exactly_the_steps_of_the_commit_before_it()
    {
        int? live = null;
        // One night alone could not show that the next leaves as much.
        for (var round = 0; round < Math.Max(2, CacheView.Rounds); round++)
        {
            await CommitAsync();
            var before = await CommitAsync();
            Assert.Equal(["backend Built 2/9", "celery Restarted", "frontend Built 3/7", "redis Unchanged"], before.Counts);

            var prune = await _app.PruneAsync();
            Assert.Equal("Pruned", prune.Outcome);
            Assert.Empty(prune.Notes);
            Assert.True(prune.Before() > prune.After(), prune.All);
            if (await _cache.OnGraphDriverAsync())
            {
                // What is left is the live set: it has the same size every night, and another sweep finds nothing.
                var results = await _cache.ResultsAsync();
                live ??= results.Count;
                Assert.Equal(live, results.Count);
                Assert.Equal("Pruned", (await _app.PruneAsync()).Outcome);
                Assert.Equal(results, await _cache.ResultsAsync());
            }

            var after = await CommitAsync();
            Assert.Equal(before.Counts, after.Counts);
            Assert.Equal(before.Ran(), after.Ran());
        }
    }

    [Fact]
    public async Task The_commit_after_a_foreign_prune_loses_no_step()
    {
        for (var round = 0; round < CacheView.Rounds; round++)
        {
            var before = await CommitAsync();
            await CacheView.WipeBuilderAsync();
            var after = await CommitAsync();
            Assert.Equal(before.Counts, after.Counts);
            Assert.Equal(before.Ran(), after.Ran());
            // And the one after that needs no restoring.
            Assert.Equal(before.Ran(), (await CommitAsync()).Ran());
        }
        if (!await _cache.OnGraphDriverAsync()) { return; }

        await CacheView.WipeBuilderAsync();
        var prune = await _app.PruneAsync();
        Assert.Equal("Pruned", prune.Outcome);
        Assert.Contains("backend: the builder cache was wiped by somebody else; it is restored from the sealed cache", prune.Notes);
        Assert.Contains("frontend: the builder cache was wiped by somebody else; it is restored from the sealed cache", prune.Notes);
        var warm = await CommitAsync();
        Assert.Equal(["backend Built 2/9", "celery Restarted", "frontend Built 3/7", "redis Unchanged"], warm.Counts);
        Assert.DoesNotContain(warm.Notes, n => n.Contains("wiped", StringComparison.Ordinal));
    }

    [Fact]
    public async Task The_record_says_what_the_cache_saved()
    {
        // So that the slow steps run once in this history: no prune removes the records that a killed build of another test left.
        foreach (var list in (string[])["backend/requirements.txt", "frontend/packages.txt"])
        {
            await _app.PushAsync(list, $"{await File.ReadAllTextAsync(Path.Combine(_app.Clone, list))}own-{Guid.NewGuid():N}\n");
        }
        await CommitAsync();
        var run = await CommitAsync();
        var (backend, frontend) = (run.Document("backend"), run.Document("frontend"));
        // "pip install" of 0.3 s and "pnpm install" of 0.2 s came from the cache.
        Assert.InRange((double)backend["secondsSaved"]!, 0.3, 30);
        Assert.InRange((double)frontend["secondsSaved"]!, 0.2, 30);
        Assert.Equal((9, 2, 7), (run.Service("backend").Total, run.Service("backend").Cached, run.Service("backend").Executed));
        var shown = await _app.RunAsync("show", (string)run.Json["release"]!);
        Assert.Contains("saved", shown.Output, StringComparison.Ordinal);
    }

    /// <summary>A commit that changes the backend and the frontend.</summary>
    private async Task<Run> CommitAsync()
    {
        await _app.PushAsync(("backend/app/content.txt", $"{Guid.NewGuid():N}\n"), ("frontend/src/index.html", $"<h1>{Guid.NewGuid():N}</h1>\n"));
        return (await _app.OnceAsync()).Succeeded();
    }
}

using System.Globalization;
using WatchParty.Worker.EngineTests.Caching;
using WatchParty.Worker.EngineTests.Harness;

namespace WatchParty.Worker.Benchmarks;

/// <summary>What follows a release of large images, a commit that comes meanwhile, a fresh build beside a cold bake, and what the seals take.</summary>
internal sealed class AfterReleaseBenchmark(Application app, CacheView cache)
{
    private static readonly string[][] s_commits = [["backend"], ["frontend"], ["backend", "frontend"]];

    public static async Task<int> RunAsync(int rounds)
    {
        await using var app = await Application.SampleAsync();
        using var cache = new CacheView(app);
        await SampleForm.Large.ApplyAsync(app);
        await CacheView.WipeBuilderAsync();
        (await app.OnceAsync()).Succeeded();
        await app.CopyEnvironmentToCloneAsync();
        Console.WriteLine($"{await Engine.DescribeAsync()}; {SampleForm.Large.Name}; {Figure.Count(rounds, "round")}, medians");
        Console.WriteLine();
        await new AfterReleaseBenchmark(app, cache).RunRoundsAsync(rounds);
        return 0;
    }

    private async Task RunRoundsAsync(int rounds)
    {
        var table = new MarkdownTable("what", "seconds", "beside", "seconds", "ratio");
        // The start of the program is part of the whole, but follows no release.
        var start = Figure.Median(await TimesAsync(3, () => Figure.SecondsOfAsync(() => app.OnceAsync())));
        foreach (var services in s_commits)
        {
            List<double> releases = [], after = [];
            for (var round = 0; round < rounds; round++)
            {
                await SampleForm.PushAsync(app, services);
                Run? run = null;
                var whole = await Figure.SecondsOfAsync(async () => run = (await app.OnceAsync()).Succeeded());
                releases.Add((double)run!.Json["seconds"]!["total"]!);
                after.Add(whole - releases[^1] - start);
            }
            Add(table, $"what follows a release of {string.Join(" and ", services)}", Figure.Median(after), "the release", Figure.Median(releases));
        }
        var seals = await CacheBenchmark.DiskOfSealsAsync(app, cache);

        await SampleForm.Large.PushAsync(app);
        (await app.OnceAsync()).Succeeded();
        Assert.Equal(0, (await app.RunAsync("prune", "--json")).ExitCode);
        var live = (await cache.RecordsAsync()).Sum(r => r.Size);

        List<double> alone = [], meanwhile = [];
        await using (var service = await app.StartServiceAsync())
        {
            for (var round = 0; round < rounds; round++)
            {
                alone.Add(await ReleaseAsync());
                // The seals of the release before have begun, and have not ended.
                meanwhile.Add(await ReleaseAsync());
                await Task.Delay(TimeSpan.FromSeconds(60), TimeProvider.System);
            }
            await service.StopAsync();
        }
        Add(table, "a commit that comes when the release before has just ended, until it is released", Figure.Median(meanwhile), "one that comes a minute later", Figure.Median(alone));

        List<double> fresh = [], cold = [];
        for (var round = 0; round < rounds; round++)
        {
            Assert.Equal(0, (await app.RunAsync("clear-cache")).ExitCode);
            await SampleForm.Large.PushAsync(app);
            fresh.Add((double)(await app.OnceAsync()).Succeeded().Json["seconds"]!["build"]!);
            await CacheView.WipeBuilderAsync();
            cold.Add(await Figure.SecondsOfAsync(() => Command.ShellAsync(
                $"export BUILDX_NO_DEFAULT_ATTESTATIONS=1; docker compose --project-name {app.Project} config > ../plain.yaml; docker buildx bake --no-cache -f ../plain.yaml {string.Join(' ', SampleForm.Large.Services)}", app.Clone)));
        }
        Add(table, "the build of both after a clear, shown to be fresh", Figure.Median(fresh), "bake --no-cache", Figure.Median(cold));
        table.Write();
        Console.WriteLine(string.Create(CultureInfo.InvariantCulture, $"Seals: {seals}. The builder's live set: {live / 1e6:0} MB."));
    }

    private async Task<double> ReleaseAsync() => await Figure.SecondsOfAsync(async () => await app.ReleasedAsync(await SampleForm.Large.PushAsync(app)));

    private static async Task<IReadOnlyList<double>> TimesAsync(int times, Func<Task<double>> measure)
    {
        List<double> seconds = [];
        for (var i = 0; i < times; i++) { seconds.Add(await measure()); }
        return seconds;
    }

    private static void Add(MarkdownTable table, string what, double seconds, string beside, double other) =>
        table.Add(what, Figure.Of(seconds), beside, Figure.Of(other), Figure.Of(seconds / other));
}

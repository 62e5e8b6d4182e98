using System.Globalization;
using WatchParty.Releases.Baking;
using WatchParty.Releases.Caching;
using WatchParty.Releases.Recording;
using WatchParty.Worker.EngineTests.Caching;
using WatchParty.Worker.EngineTests.Harness;

namespace WatchParty.Worker.Benchmarks;

/// <param name="Build">Seconds of the build: with the worker the record's, which includes restoring; without it those of compose config and bake.</param>
/// <param name="Whole">Seconds of the whole <c>once</c> with its deployment and what follows it; null without the worker.</param>
internal sealed record Sample(double Build, double? Whole, int Cached, int Total);

/// <summary>A commit after a prune beside the same commit without one.</summary>
internal sealed class CacheBenchmark(SampleForm form, int rounds)
{
    private readonly List<double> _seals = [];

    public async Task<int> RunAsync()
    {
        await using var app = await Application.SampleAsync();
        using var cache = new CacheView(app);
        await form.ApplyAsync(app);
        await CacheView.WipeBuilderAsync();
        (await app.OnceAsync()).Succeeded();
        await app.CopyEnvironmentToCloneAsync();

        List<(double Mark, double Sweep, int Before, int After)> prunes = [];
        (string Name, Func<Task> Before, Func<Task<Sample>> Commit)[] variants =
        [
            ("commit, nothing pruned", () => Task.CompletedTask, () => CommitAsync(app)),
            ("commit after the worker's prune", async () => prunes.Add(await PruneAsync(app)), () => CommitAsync(app)),
            ("commit after `docker builder prune -af`, sealed", CacheView.WipeBuilderAsync, () => CommitAsync(app)),
            ("commit after `docker builder prune -af`, plain `cache_from`, no worker", CacheView.WipeBuilderAsync, () => PlainAsync(app)),
        ];
        var samples = variants.Select(_ => new List<Sample>()).ToList();
        for (var round = 0; round < rounds; round++)
        {
            // The order turns, so that none is always the first on a machine that warms up or fills.
            foreach (var i in Enumerable.Range(0, variants.Length).Select(i => (i + round) % variants.Length))
            {
                // An untimed commit first: whatever the last one left, the cache is warm and sealed now.
                await CommitAsync(app);
                await variants[i].Before();
                var sample = await variants[i].Commit();
                samples[i].Add(sample);
                await Console.Error.WriteLineAsync(string.Create(CultureInfo.InvariantCulture, $"round {round + 1}: {variants[i].Name}: {sample.Build:0.00} s, {sample.Cached}/{sample.Total}"));
            }
        }
        List<double> restores = [];
        for (var round = 0; round < Math.Min(rounds, 3); round++)
        {
            await CommitAsync(app);
            await CacheView.WipeBuilderAsync();
            restores.Add((await PruneAsync(app)).Mark);
        }

        Console.WriteLine($"{await Engine.DescribeAsync()}; {form.Name}; {Figure.Count(rounds, "round")}, medians");
        Console.WriteLine();
        var warm = Figure.Median(samples[0].Select(s => s.Build));
        var table = new MarkdownTable("", "build, s", "×", "whole `once`, s", "steps cached");
        foreach (var ((name, _, _), of) in variants.Zip(samples))
        {
            var build = Figure.Median(of.Select(s => s.Build));
            table.Add(name, Figure.Of(build), Figure.Of(build / warm), of[0].Whole is null ? "" : Figure.Of(Figure.Median(of.Select(s => s.Whole!.Value))), string.Join(", ", of.Select(s => $"{s.Cached}/{s.Total}").Distinct()));
        }
        table.Write();
        var pruned = Figure.Median(samples[1].Select(s => s.Build));
        Console.WriteLine($"After the worker's prune: {Figure.Of(pruned / warm)} × of no prune (goal 1.1) and {Figure.Of(pruned / Figure.Median(samples[3].Select(s => s.Build)))} × of the plain one (goal 0.2).");
        Console.WriteLine($"Mark {Figure.Of(Figure.Median(prunes.Select(p => p.Mark)))} s, sweep {Figure.Of(Figure.Median(prunes.Select(p => p.Sweep)))} s, records {Figure.Median(prunes.Select(p => (double)p.Before)):0} to {Figure.Median(prunes.Select(p => (double)p.After)):0}; mark with restoring {Figure.Of(Figure.Median(restores))} s; seal of one service {Figure.Of(Figure.Median(_seals))} s, off the critical path; seals take {await DiskOfSealsAsync(app, cache)} of disk.");
        return 0;
    }

    private async Task<Sample> CommitAsync(Application app)
    {
        await form.PushAsync(app);
        var started = TimeProvider.System.GetTimestamp();
        var run = (await app.OnceAsync()).Succeeded();
        var whole = TimeProvider.System.GetElapsedTime(started).TotalSeconds;
        using (var database = Database.Open(Path.Combine(app.State, "history.db"))) { _seals.AddRange(new SealRecord(database).All().Select(s => s.Seconds)); }
        return new Sample((double)run.Json["seconds"]!["build"]!, whole, run.Services.Sum(s => s.Cached), run.Services.Sum(s => s.Total));
    }

    /// <summary>What the scripts amount to: the compose file as it is, with its <c>cache_from</c> of the shipped image.</summary>
    private async Task<Sample> PlainAsync(Application app)
    {
        var commit = await form.PushAsync(app);
        var trace = app.In("plain.trace");
        var started = TimeProvider.System.GetTimestamp();
        await Command.ShellAsync($"export GIT_COMMIT_HASH={commit} BUILDX_NO_DEFAULT_ATTESTATIONS=1; docker compose --project-name {app.Project} config > ../plain.yaml; docker buildx bake --progress rawjson -f ../plain.yaml {string.Join(' ', form.Services)} 2> '{trace}'", app.Clone);
        var elapsed = TimeProvider.System.GetElapsedTime(started).TotalSeconds;
        var report = new StepReport([.. form.Services]);
        await using (var stream = File.OpenRead(trace)) { await BuildTrace.ReadAsync(stream, report.Add, CancellationToken.None); }
        var steps = form.Services.SelectMany(report.StepsOf).ToList();
        return new Sample(elapsed, null, steps.Count(s => s.State == StepState.Cached), steps.Count);
    }

    private static async Task<(double Mark, double Sweep, int Before, int After)> PruneAsync(Application app)
    {
        var run = await app.RunAsync("prune", "--json");
        Assert.True(run is { ExitCode: 0, Outcome: "Pruned" }, run.All);
        return ((double)run.Json["markSeconds"]!, (double)run.Json["sweepSeconds"]!, (int)run.Json["recordsBefore"]!, (int)run.Json["recordsAfter"]!);
    }

    /// <summary>What the seals' folders hold, or by how much the engine's layers shrink without the cache images.</summary>
    public static async Task<string> DiskOfSealsAsync(Application app, CacheView cache)
    {
        List<Seal> seals;
        using (var database = Database.Open(Path.Combine(app.State, "history.db"))) { seals = [.. new SealRecord(database).All()]; }
        if (!await cache.OnGraphDriverAsync()) { return string.Create(CultureInfo.InvariantCulture, $"{seals.Sum(s => s.Bytes) / 1e3:0} kB"); }
        var before = await ImagesAsync();
        foreach (var seal in seals) { await cache.BreakSealAsync(seal.Service); }
        return $"what makes the images fall from {before} to {await ImagesAsync()}";

        static Task<string> ImagesAsync() => Command.ShellAsync("docker system df --format '{{.Type}} {{.Size}}' | sed -n 's/^Images //p'");
    }
}

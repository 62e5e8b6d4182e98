using System.Globalization;
using WatchParty.Worker.Building;
using WatchParty.Worker.Caching;
using WatchParty.Worker.EngineTests.Caching;
using WatchParty.Worker.EngineTests.Harness;
using WatchParty.Worker.Recording;

namespace WatchParty.Worker.Benchmarks;

/// <param name="Build">Seconds of the build: with the worker the record's, which includes restoring; without it those of compose config and bake.</param>
/// <param name="Whole">Seconds of the whole <c>once</c> with its deployment and what follows it; null without the worker.</param>
internal sealed record Sample(double Build, double? Whole, int Cached, int Total);

/// <summary>The sample application, a commit that changes both services each time.</summary>
internal static class CacheBenchmark
{
    private static readonly string[] Services = ["backend", "frontend"];

    public static async Task<int> RunAsync(int rounds)
    {
        await using var app = await Application.SampleAsync();
        using var cache = new CacheView(app);
        await CacheView.WipeBuilderAsync();
        (await app.OnceAsync()).Succeeded();
        await Command.ShellAsync($"cp '{app.Checkout}/.env' '{app.Clone}/'; cp '{app.Checkout}/backend/.env' '{app.Clone}/backend/'; cp '{app.Checkout}/frontend/.env.local' '{app.Clone}/frontend/'");

        List<(double Mark, double Sweep, int Before, int After)> prunes = [];
        List<double> seals = [];
        (string Name, Func<Task> Before, Func<Task<Sample>> Commit)[] variants =
        [
            ("commit, nothing pruned", () => Task.CompletedTask, () => CommitAsync(app, seals)),
            ("commit after the worker's prune", async () => prunes.Add(await PruneAsync(app)), () => CommitAsync(app, seals)),
            ("commit after `docker builder prune -af`, sealed", CacheView.WipeBuilderAsync, () => CommitAsync(app, seals)),
            ("commit after `docker builder prune -af`, plain `cache_from`, no worker", CacheView.WipeBuilderAsync, () => PlainAsync(app)),
        ];
        var samples = variants.Select(_ => new List<Sample>()).ToList();
        for (var round = 0; round < rounds; round++)
        {
            // The order turns, so that none is always the first on a machine that warms up or fills.
            foreach (var i in Enumerable.Range(0, variants.Length).Select(i => (i + round) % variants.Length))
            {
                // An untimed commit first: whatever the last one left, the cache is warm and sealed now.
                await CommitAsync(app, seals);
                await variants[i].Before();
                var sample = await variants[i].Commit();
                samples[i].Add(sample);
                await Console.Error.WriteLineAsync(string.Create(CultureInfo.InvariantCulture, $"round {round + 1}: {variants[i].Name}: {sample.Build:0.00} s, {sample.Cached}/{sample.Total}"));
            }
        }
        List<double> restores = [];
        for (var round = 0; round < Math.Min(rounds, 3); round++)
        {
            await CommitAsync(app, seals);
            await CacheView.WipeBuilderAsync();
            restores.Add((await PruneAsync(app)).Mark);
        }

        Console.WriteLine($"{await Command.OutputAsync("docker", ["version", "-f", "Engine {{.Server.Version}}"])}, {(await cache.OnGraphDriverAsync() ? "graph driver" : "containerd image store")}, {Count(rounds, "round")}, medians");
        Console.WriteLine();
        Console.WriteLine("| | build, s | × | whole release, s | steps cached |");
        Console.WriteLine("|---|---|---|---|---|");
        var warm = Median(samples[0].Select(s => s.Build));
        foreach (var ((name, _, _), of) in variants.Zip(samples))
        {
            var whole = of[0].Whole is null ? "" : Text(Median(of.Select(s => s.Whole!.Value)));
            Console.WriteLine($"| {name} | {Text(Median(of.Select(s => s.Build)))} | {Text(Median(of.Select(s => s.Build)) / warm)} | {whole} | {string.Join(", ", of.Select(s => $"{s.Cached}/{s.Total}").Distinct())} |");
        }
        Console.WriteLine();
        Console.WriteLine($"After the worker's prune: {Text(Median(samples[1].Select(s => s.Build)) / warm)} × of no prune (goal 1.1) and {Text(Median(samples[1].Select(s => s.Build)) / Median(samples[3].Select(s => s.Build)))} × of the plain one (goal 0.2).");
        Console.WriteLine($"Mark {Text(Median(prunes.Select(p => p.Mark)))} s, sweep {Text(Median(prunes.Select(p => p.Sweep)))} s, records {Median(prunes.Select(p => (double)p.Before)):0} to {Median(prunes.Select(p => (double)p.After)):0}; mark with restoring {Text(Median(restores))} s; seal of one service {Text(Median(seals))} s, off the critical path; seals take {await DiskOfSealsAsync(app, cache)} of disk.");
        return 0;
    }

    private static async Task<string> PushAsync(Application app) => await app.PushAsync(
        ("backend/app/content.txt", $"{Guid.NewGuid():N}\n"), ("frontend/src/index.html", $"<h1>{Guid.NewGuid():N}</h1>\n"));

    private static async Task<Sample> CommitAsync(Application app, List<double> seals)
    {
        await PushAsync(app);
        var started = TimeProvider.System.GetTimestamp();
        var run = (await app.OnceAsync()).Succeeded();
        var whole = TimeProvider.System.GetElapsedTime(started).TotalSeconds;
        using (var database = Database.Open(Path.Combine(app.State, "history.db"))) { seals.AddRange(new SealRecord(database).All().Select(s => s.Seconds)); }
        return new Sample((double)run.Json["seconds"]!["build"]!, whole, run.Services.Sum(s => s.Cached), run.Services.Sum(s => s.Total));
    }

    /// <summary>What the scripts amount to: the compose file as it is, with its <c>cache_from</c> of the shipped image.</summary>
    private static async Task<Sample> PlainAsync(Application app)
    {
        var commit = await PushAsync(app);
        var trace = app.In("plain.trace");
        var started = TimeProvider.System.GetTimestamp();
        await Command.ShellAsync($"export GIT_COMMIT_HASH={commit} BUILDX_NO_DEFAULT_ATTESTATIONS=1; docker compose --project-name {app.Project} config > ../plain.yaml; docker buildx bake --progress rawjson -f ../plain.yaml {string.Join(' ', Services)} 2> '{trace}'", app.Clone);
        var elapsed = TimeProvider.System.GetElapsedTime(started).TotalSeconds;
        var report = new StepReport(Services);
        await using (var stream = File.OpenRead(trace)) { await BuildTrace.ReadAsync(stream, report.Add, CancellationToken.None); }
        var steps = Services.SelectMany(report.StepsOf).ToList();
        return new Sample(elapsed, null, steps.Count(s => s.State == StepState.Cached), steps.Count);
    }

    private static async Task<(double Mark, double Sweep, int Before, int After)> PruneAsync(Application app)
    {
        var run = await app.RunAsync("prune", "--json");
        Assert.True(run is { ExitCode: 0, Outcome: "Pruned" }, run.All);
        return ((double)run.Json["markSeconds"]!, (double)run.Json["sweepSeconds"]!, (int)run.Json["recordsBefore"]!, (int)run.Json["recordsAfter"]!);
    }

    /// <summary>What the seals' folders hold, or by how much the engine's layers shrink without the cache images.</summary>
    private static async Task<string> DiskOfSealsAsync(Application app, CacheView cache)
    {
        using var database = Database.Open(Path.Combine(app.State, "history.db"));
        var folders = new SealRecord(database).All().Sum(s => s.Bytes);
        if (!await cache.OnGraphDriverAsync()) { return string.Create(CultureInfo.InvariantCulture, $"{folders / 1e3:0} kB"); }
        var before = await ImagesAsync();
        foreach (var service in Services) { await cache.BreakSealAsync(service); }
        return $"what makes the images fall from {before} to {await ImagesAsync()}";

        static Task<string> ImagesAsync() => Command.ShellAsync("docker system df --format '{{.Type}} {{.Size}}' | sed -n 's/^Images //p'");
    }

    private static double Median(IEnumerable<double> values)
    {
        var sorted = values.Order().ToList();
        return sorted.Count == 0 ? double.NaN : sorted.Count % 2 == 1 ? sorted[sorted.Count / 2] : (sorted[sorted.Count / 2 - 1] + sorted[sorted.Count / 2]) / 2;
    }

    private static string Text(double value) => value.ToString("0.00", CultureInfo.InvariantCulture);

    private static string Count(int number, string word) => string.Create(CultureInfo.InvariantCulture, $"{number} {word}{(number == 1 ? "" : "s")}");
}

using System.Globalization;
using System.Text.Json;
using System.Text.RegularExpressions;
using WatchParty.Releases.Recording;
using WatchParty.Worker.Control;
using WatchParty.Worker.EngineTests.Caching;
using WatchParty.Worker.EngineTests.Harness;

namespace WatchParty.Worker.Benchmarks;

/// <summary>One way to bring a commit to healthy containers.</summary>
internal abstract class Contestant(string name, Application app)
{
    public string Name => name;

    public Application App => app;

    /// <summary>Leaves nothing of the cache, wherever it is kept.</summary>
    public virtual Task ForgetAsync() => CacheView.WipeBuilderAsync();

    public abstract Task PruneAsync();

    public abstract Task ClearAsync();

    /// <returns>Seconds to healthy containers, and how many build steps came from the cache.</returns>
    public abstract Task<(double Seconds, string Cached)> ReleaseAsync(IReadOnlyList<string> services);
}

/// <summary>The worker, as the service that runs all the time. Its seconds are the record's, from the commit that a poll found to the last health
/// check: sealing comes after it, and is waited for before something else is measured.</summary>
internal sealed class TheWorker(Application app) : Contestant("worker", app)
{
    private Service? _service;

    public override async Task ForgetAsync()
    {
        await base.ForgetAsync();
        using var cache = new CacheView(App);
        foreach (var service in new[] { "backend", "frontend" }) { await cache.BreakSealAsync(service); }
    }

    public override async Task PruneAsync() => Assert.Equal("Pruned", (await App.RunAsync("prune", "--json")).Outcome);

    public override async Task ClearAsync() => Assert.Equal("Cleared", (await App.RunAsync("clear-cache", "--json")).Outcome);

    public override async Task<(double Seconds, string Cached)> ReleaseAsync(IReadOnlyList<string> services)
    {
        _service ??= await App.StartServiceAsync();
        var commit = await App.GitAsync(App.Clone, "rev-parse", "HEAD");
        await _service.SaysAsync($"of commit {commit} is healthy");
        await Eventually.HoldsAsync(IsIdleAsync, "an idle service", () => _service.Log);
        var release = (await App.LastReleaseAsync())!;
        var steps = release["services"]!.AsArray().Select(s => s!["steps"]!).ToList();
        var total = steps.Sum(s => (int)s["total"]!);
        return ((double)release["seconds"]!["total"]!, total == 0 ? "nothing built" : $"{steps.Sum(s => (int)s["cached"]!)}/{total}");
    }

    private async Task<bool> IsIdleAsync() =>
        await ControlClient.AskAsync(StateFolder.Open(App.State), new ControlRequest("status", "benchmark"), _ => { }, CancellationToken.None) is { Document: { } document }
            && JsonSerializer.Deserialize(document, ControlJson.Default.ServiceStatus) is { Work: null, Waiting: 0 };
}

/// <summary>Docker by hand, by somebody who knows which services changed: <c>bake</c> and <c>up</c> of these.</summary>
internal sealed class BareDocker(Application app) : Contestant("bare bake and up", app)
{
    public override Task PruneAsync() => CacheView.WipeBuilderAsync();

    public override Task ClearAsync() => CacheView.WipeBuilderAsync();

    public override async Task<(double Seconds, string Cached)> ReleaseAsync(IReadOnlyList<string> services)
    {
        var elapsed = await Scripts.TimeAsync($"""
            git pull --quiet
            export GIT_COMMIT_HASH=$(git rev-parse HEAD) BUILDX_NO_DEFAULT_ATTESTATIONS=1
            [ -z "$BUILD" ] || docker compose config | docker buildx bake --progress plain -f - $BUILD > ../bake.log 2>&1
            docker compose up --detach --no-build --wait --quiet-pull
            """, App, ("BUILD", string.Join(' ', services)));
        return (elapsed, services.Count == 0 ? "nothing built" : Scripts.CountCached(App.In("bake.log")));
    }
}

/// <summary>The scripts that the worker replaces: everything goes down, everything is built, everything comes up.</summary>
internal sealed class TheScripts(Application app) : Contestant("the scripts", app)
{
    /// <summary>The last line of the deployment script.</summary>
    public override Task PruneAsync() => Command.ShellAsync("docker system prune --force");

    public override Task ClearAsync() => Command.ShellAsync($"docker builder prune --force; docker image rm {App.Project}-backend:latest {App.Project}-frontend:latest || true; docker image prune --force");

    public override async Task<(double Seconds, string Cached)> ReleaseAsync(IReadOnlyList<string> services)
    {
        var elapsed = await Scripts.TimeAsync("""
            git pull --quiet
            export GIT_COMMIT_HASH=$(git rev-parse HEAD)
            docker compose down
            docker compose --progress plain build > ../build.log 2>&1
            docker compose up --detach --wait
            """, App);
        return (elapsed, Scripts.CountCached(App.In("build.log")));
    }
}

internal static partial class Scripts
{
    /// <summary>Runs a script in the checkout.</summary>
    /// <returns>Its seconds.</returns>
    public static Task<double> TimeAsync(string script, Application app, params (string Name, string Value)[] variables)
    {
        var environment = variables.Append(("COMPOSE_PROJECT_NAME", app.Project)).ToDictionary(v => v.Item1, v => (string?)v.Item2);
        return Figure.SecondsOfAsync(() => Command.OutputAsync("sh", ["-euc", script], app.Checkout, environment));
    }

    /// <summary>Counts RUN, COPY and ADD in a build's plain output, as the worker counts them.</summary>
    public static string CountCached(string log)
    {
        var text = File.ReadAllText(log);
        var steps = Step().Matches(text).Select(m => m.Groups[1].Value).Distinct().ToList();
        var cached = Cached().Matches(text).Select(m => m.Groups[1].Value).Distinct().Count(steps.Contains);
        return string.Create(CultureInfo.InvariantCulture, $"{cached}/{steps.Count}");
    }

    [GeneratedRegex(@"^#(\d+) \[[^\]]*\d+/\d+\] (?:RUN|COPY|ADD) ", RegexOptions.Multiline)]
    private static partial Regex Step();

    [GeneratedRegex(@"^#(\d+) CACHED", RegexOptions.Multiline)]
    private static partial Regex Cached();
}

/// <summary>The worker beside the scripts it replaces and beside docker by hand, each with the sample application of its own.</summary>
internal static class ReleaseBenchmark
{
    private sealed record Scenario(string Name, IReadOnlyList<string> Services, Func<Contestant, Task> Before);

    private static readonly Scenario[] Scenarios =
    [
        new("cold, both services", ["backend", "frontend"], c => c.ForgetAsync()),
        new("backend-only commit", ["backend"], _ => Task.CompletedTask),
        new("frontend-only commit", ["frontend"], _ => Task.CompletedTask),
        new("commit of both", ["backend", "frontend"], _ => Task.CompletedTask),
        new("documents-only commit", [], _ => Task.CompletedTask),
        new("backend-only commit after the nightly prune", ["backend"], c => c.PruneAsync()),
        new("commit of both after a clear", ["backend", "frontend"], c => c.ClearAsync()),
    ];

    public static async Task<int> RunAsync(int rounds)
    {
        await using var first = await Application.SampleAsync();
        await using var second = await Application.SampleAsync();
        await using var third = await Application.SampleAsync();
        Contestant[] contestants = [new TheWorker(first), new BareDocker(second), new TheScripts(third)];
        foreach (var contestant in contestants) { await contestant.ReleaseAsync(["backend", "frontend"]); }

        var results = Scenarios.Select(_ => contestants.Select(_ => new List<(double Seconds, double Silent, string Cached)>()).ToArray()).ToArray();
        for (var round = 0; round < rounds; round++)
        {
            // The order turns, so that none is always the first. They share the builder, so each has all of its scenarios by itself, beginning cold.
            foreach (var i in Enumerable.Range(0, contestants.Length).Select(i => (i + round) % contestants.Length))
            {
                foreach (var (index, scenario) in Scenarios.Index())
                {
                    var sample = await MeasureAsync(contestants[i], scenario);
                    results[index][i].Add(sample);
                    await Console.Error.WriteLineAsync(string.Create(CultureInfo.InvariantCulture, $"round {round + 1}: {scenario.Name}: {contestants[i].Name}: {sample.Seconds:0.00} s, {sample.Silent:0.00} s without an answer, {sample.Cached}"));
                }
            }
        }

        Console.WriteLine($"{await Engine.DescribeAsync()}; {Figure.Count(rounds, "round")}, medians of seconds to healthy containers; in brackets the seconds without an answer of the backend");
        Console.WriteLine();
        var table = new MarkdownTable(["", .. contestants.Select(c => c.Name), "worker / bare", "worker / scripts", "steps cached (worker, bare, scripts)"]);
        foreach (var (scenario, of) in Scenarios.Zip(results))
        {
            var seconds = of.Select(samples => Figure.Median(samples.Select(s => s.Seconds))).ToArray();
            table.Add([scenario.Name, .. of.Select((samples, i) => $"{Figure.Of(seconds[i])} ({Figure.Of(Figure.Median(samples.Select(s => s.Silent)))})"),
                Figure.Of(seconds[0] / seconds[1]), Figure.Of(seconds[0] / seconds[2]), string.Join(", ", of.Select(samples => string.Join(" or ", samples.Select(s => s.Cached).Distinct())))]);
        }
        table.Write();
        return 0;
    }

    private static async Task<(double Seconds, double Silent, string Cached)> MeasureAsync(Contestant contestant, Scenario scenario)
    {
        await scenario.Before(contestant);
        var visitor = contestant.App.Visit("/health", "BACKEND_PORT");
        if (scenario.Services.Count == 0) { await contestant.App.PushAsync("docs/README.md", $"{Guid.NewGuid():N}\n"); }
        else { await SampleForm.PushAsync(contestant.App, scenario.Services); }
        var (seconds, cached) = await contestant.ReleaseAsync(scenario.Services);
        return (seconds, (await visitor.StopAsync()).TotalSeconds, cached);
    }
}

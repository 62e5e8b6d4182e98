using System.Globalization;
using System.Text.Json.Nodes;
using WatchParty.Worker.EngineTests.Harness;

namespace WatchParty.Worker.Benchmarks;

/// <summary>Pushes a history of commits at their times to the running service.</summary>
/// <remarks>A line of the history: seconds since the first push, and the changed paths, separated by blanks.</remarks>
internal static class ReplayBenchmark
{
    private sealed record Push(double At, string[] Paths);

    private sealed record Pushed(string Commit, DateTimeOffset At);

    public static async Task<int> RunAsync(string file)
    {
        var pushes = (await File.ReadAllLinesAsync(file)).Where(l => l.Length > 0 && l[0] != '#').Select(l => l.Split(' ', StringSplitOptions.RemoveEmptyEntries))
            .Select(w => new Push(double.Parse(w[0], CultureInfo.InvariantCulture), w[1..])).ToList();
        await using var app = await Application.SampleAsync();
        (await app.OnceAsync()).Succeeded();
        var service = await app.StartServiceAsync();
        await service.SaysAsync("is up");

        List<Pushed> pushed = [];
        var started = TimeProvider.System.GetTimestamp();
        foreach (var push in pushes)
        {
            var wait = TimeSpan.FromSeconds(push.At) - TimeProvider.System.GetElapsedTime(started);
            if (wait > TimeSpan.Zero) { await Task.Delay(wait, TimeProvider.System); }
            pushed.Add(new Pushed(await app.PushAsync([.. push.Paths.Select(p => (p, (string?)$"{Guid.NewGuid():N}\n"))]), TimeProvider.System.GetUtcNow()));
        }
        await app.ReleasedAsync(pushed[^1].Commit);
        await service.StopAsync();

        var releases = JsonNode.Parse((await app.RunAsync("history", "--last", "1000", "--json")).Output)!.AsArray().Select(r => r!.AsObject()).Where(r => (string?)r["trigger"] == "poll").ToList();
        var order = pushed.Select(p => p.Commit).ToList();
        var healthy = releases.Where(r => (string?)r["outcome"] == "Succeeded")
            .Select(r => (Index: order.IndexOf((string)r["commit"]!), At: DateTimeOffset.Parse((string)r["endedAt"]!, CultureInfo.InvariantCulture))).OrderBy(r => r.At).ToList();
        // A commit is there when it, or one pushed after it, is healthy.
        var latencies = pushed.Select((p, i) => (healthy.First(h => h.Index >= i).At - p.At).TotalSeconds).ToList();
        var builds = releases.SelectMany(r => r["services"]!.AsArray()).Count(s => (string?)s!["action"] == "Built");

        Console.WriteLine($"{await Engine.DescribeAsync()}; {pushed.Count} pushes in {pushes[^1].At:0} s");
        Console.WriteLine();
        var table = new MarkdownTable("releases", "superseded", "builds of a service", "busy, s", "push to healthy: median, s", "95th percentile, s");
        table.Add(
            healthy.Count.ToString(CultureInfo.InvariantCulture), releases.Count(r => (string?)r["outcome"] == "Superseded").ToString(CultureInfo.InvariantCulture), builds.ToString(CultureInfo.InvariantCulture),
            Figure.Of(releases.Sum(r => (double)r["seconds"]!["total"]!)), Figure.Of(Figure.Median(latencies)), Figure.Of(Figure.Quantile(latencies, 0.95)));
        table.Write();
        return 0;
    }
}

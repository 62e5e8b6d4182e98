using System.Globalization;
using System.Text.Json.Nodes;
using WatchParty.Worker.EngineTests.Harness;

namespace WatchParty.Worker.Benchmarks;

/// <summary>How quickly the status page answers, and what the service takes with and without it.</summary>
internal static class PageBenchmark
{
    private const int Releases = 10_000;
    private const int Asked = 200;
    private const int Times = 3;
    private static readonly Uri Site = new("http://127.0.0.1:18923");
    private static readonly TimeSpan Settling = TimeSpan.FromSeconds(10);

    public static async Task<int> RunAsync(int rounds)
    {
        await using var app = await HistoryBenchmark.PrepareAsync(Releases);
        var without = await MemoryAsync(app, _ => Task.CompletedTask);
        app.Configure("Status:Address", JsonValue.Create(Site.GetLeftPart(UriPartial.Authority)));
        string[] paths = ["/", "/releases", "/releases?before=5000", $"/releases/{Releases}", "/cache", "/settings", "/api/status", "/api/releases"];
        var times = paths.ToDictionary(p => p, _ => new List<double>());
        async Task AskAsync(HttpClient http)
        {
            foreach (var (path, of) in times)
            {
                for (var i = 0; i < Asked; i++) { of.Add(1000 * await Figure.SecondsOfAsync(() => http.GetStringAsync(path))); }
            }
        }
        var with = await MemoryAsync(app, [http => http.GetStringAsync("/healthz"), .. Enumerable.Repeat<Func<HttpClient, Task>>(AskAsync, Times)]);
        var table = new MarkdownTable("", "first 200: median, ms", "95 %, ms", $"last 200 of {Asked * Times}: median, ms", "95 %, ms");
        foreach (var (path, of) in times)
        {
            var (first, last) = (of.Take(Asked).ToList(), of.TakeLast(Asked).ToList());
            table.Add($"`{path}`", Figure.Of(Figure.Median(first)), Figure.Of(Figure.Quantile(first, 0.95)), Figure.Of(Figure.Median(last)), Figure.Of(Figure.Quantile(last, 0.95)));
        }
        Console.WriteLine(string.Create(CultureInfo.InvariantCulture, $"{Releases} releases, pages asked one after the other"));
        Console.WriteLine();
        table.Write();
        var each = Asked * paths.Length;
        Console.WriteLine(string.Create(CultureInfo.InvariantCulture,
            $"Memory of the service (private, MB): {without[0]:0.0} without a page, {with[0]:0.0} with one that nobody looks at{string.Concat(with.Skip(1).Select((m, i) => $", {m:0.0} after {each * (i + 1)} requests"))}"));
        Console.WriteLine();
        return 0;
    }

    /// <returns>What the service takes, some seconds after each use.</returns>
    private static async Task<List<double>> MemoryAsync(Application app, params Func<HttpClient, Task>[] uses)
    {
        await using var service = await app.StartServiceAsync();
        using var http = new HttpClient { BaseAddress = Site };
        await service.SaysAsync("is up");
        List<double> memory = [];
        foreach (var use in uses)
        {
            await use(http);
            await Task.Delay(Settling, TimeProvider.System);
            memory.Add((await File.ReadAllLinesAsync($"/proc/{service.Id}/smaps_rollup")).Where(l => l.StartsWith("Private_", StringComparison.Ordinal))
                .Sum(l => long.Parse(l.Split(' ', StringSplitOptions.RemoveEmptyEntries)[1], CultureInfo.InvariantCulture)) / 1024.0);
        }
        return memory;
    }
}

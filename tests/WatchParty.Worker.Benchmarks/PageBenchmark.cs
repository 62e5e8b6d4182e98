using System.Globalization;
using System.Text.Json.Nodes;
using WatchParty.Worker.EngineTests.Harness;

namespace WatchParty.Worker.Benchmarks;

/// <summary>How quickly the status page answers, and what the service takes with and without it.</summary>
internal static class PageBenchmark
{
    private const int Releases = 10_000;
    private const int Asked = 200;
    private static readonly Uri Site = new("http://127.0.0.1:18923");
    private static readonly TimeSpan Settling = TimeSpan.FromSeconds(10);

    public static async Task<int> RunAsync(int rounds)
    {
        await using var app = await HistoryBenchmark.PrepareAsync(Releases);
        var without = await MemoryAsync(app, _ => Task.CompletedTask);
        app.Configure("Status:Address", JsonValue.Create(Site.GetLeftPart(UriPartial.Authority)));
        var table = new MarkdownTable("", "median, ms", "95 %, ms");
        var idle = await MemoryAsync(app, async http => await http.GetStringAsync("/healthz"));
        var used = await MemoryAsync(app, async http =>
        {
            foreach (var path in new[] { "/", "/releases", "/releases?before=5000", $"/releases/{Releases}", "/cache", "/settings", "/api/status", "/api/releases" })
            {
                List<double> times = [];
                for (var i = 0; i < Asked; i++) { times.Add(1000 * await Figure.SecondsOfAsync(() => http.GetStringAsync(path))); }
                table.Add($"`{path}`", Figure.Of(Figure.Median(times)), Figure.Of(Figure.Quantile(times, 0.95)));
            }
        });
        Console.WriteLine(string.Create(CultureInfo.InvariantCulture, $"{Releases} releases, each page {Asked} times, one after the other"));
        Console.WriteLine();
        table.Write();
        Console.WriteLine($"Memory of the service (private, MB): {without:0.0} without a page, {idle:0.0} with one that nobody looks at, {used:0.0} after all of the above");
        Console.WriteLine();
        return 0;
    }

    private static async Task<double> MemoryAsync(Application app, Func<HttpClient, Task> use)
    {
        await using var service = await app.StartServiceAsync();
        using var http = new HttpClient { BaseAddress = Site };
        await service.SaysAsync("is up");
        await use(http);
        await Task.Delay(Settling, TimeProvider.System);
        var line = (await File.ReadAllLinesAsync($"/proc/{service.Id}/smaps_rollup")).Where(l => l.StartsWith("Private_", StringComparison.Ordinal))
            .Sum(l => long.Parse(l.Split(' ', StringSplitOptions.RemoveEmptyEntries)[1], CultureInfo.InvariantCulture));
        return line / 1024.0;
    }
}

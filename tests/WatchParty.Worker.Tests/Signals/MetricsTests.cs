using System.Diagnostics;
using System.Text;
using System.Text.Json;
using System.Text.RegularExpressions;
using WatchParty.Releases.Planning;
using WatchParty.Releases.Recording;
using WatchParty.Releases.Signals;
using WatchParty.Tools.Configuration;
using WatchParty.Tools.Docker;
using WatchParty.Tools.Processes;
using WatchParty.Worker.Notifying;
using WatchParty.Worker.Operating;
using WatchParty.Worker.Telemetry;
using WatchParty.Worker.Tests.Fakes;
using WatchParty.Worker.Tests.Recording;
using WatchParty.Worker.Triggering;

namespace WatchParty.Worker.Tests.Signals;

/// <summary>A test with the programs of Debian's package prometheus; test.sh brings them.</summary>
internal sealed class PrometheusFactAttribute : FactAttribute
{
    public PrometheusFactAttribute() => Skip = ToolRunner.FindOnPath("promtool", Environment.GetEnvironmentVariable("PATH")) is null ? "Needs promtool and prometheus on the PATH" : null;
}

/// <summary>What the worker counts, as others read it.</summary>
public sealed class MetricsTests : IDisposable
{
    private readonly RecordBench _bench = new();
    private readonly WorkGate _gate = new(TimeProvider.System);
    private readonly MetricsRegistry _registry;
    private PollState _poll = new(DateTimeOffset.UnixEpoch.AddSeconds(1000), null, null);

    // The counters are those of the process, and other tests use them, too.
    private readonly string _service = $"backend-{Guid.NewGuid():N}";

    public MetricsTests() => _registry = new MetricsRegistry(_gate, _bench.History, () => _poll);

    public void Dispose()
    {
        _registry.Dispose();
        _gate.Dispose();
        _bench.Dispose();
    }

    private void Release() => new ReleaseTelemetry().Ended(new ReleaseReport(
        "12", RecordBench.Commit, null, "once by ann", ReleaseOutcome.Succeeded,
        [new ServiceReport(_service, ServiceAction.Built, "backend/app.py changed", false, new StepCounts(13, 9, 4), 8, "sha256:1", []) { SecondsSaved = 41.5 }],
        RecordBench.Seconds, null, StartedAt: DateTimeOffset.UnixEpoch.AddDays(20000)));

    private static async Task<(int Code, string Output)> RunAsync(string program, string input, params string[] arguments)
    {
        using var process = Process.Start(new ProcessStartInfo(program, arguments) { RedirectStandardInput = true, RedirectStandardOutput = true, RedirectStandardError = true })!;
        await process.StandardInput.WriteAsync(input);
        process.StandardInput.Close();
        var texts = await Task.WhenAll(process.StandardOutput.ReadToEndAsync(), process.StandardError.ReadToEndAsync());
        await process.WaitForExitAsync();
        return (process.ExitCode, string.Concat(texts));
    }

    [Fact]
    public void Release_IsCountedByOutcomePhaseAndService()
    {
        Release();
        Metrics.CacheSeen([new CacheRecord("a", "regular", null, false, false, 1000, null)]);

        var lines = _registry.Render().Split('\n');
        Assert.Contains(lines, l => l.StartsWith("watchparty_releases_total{outcome=\"Succeeded\",trigger=\"once\"} ", StringComparison.Ordinal));
        Assert.Contains(lines, l => l.StartsWith("watchparty_release_phase_duration_seconds_bucket{phase=\"verify\",le=\"2.5\"} ", StringComparison.Ordinal));
        Assert.Contains($"watchparty_build_steps_total{{result=\"cached\",service=\"{_service}\"}} 9", lines);
        Assert.Contains($"watchparty_build_steps_total{{result=\"executed\",service=\"{_service}\"}} 4", lines);
        Assert.Contains($"watchparty_build_saved_seconds_total{{service=\"{_service}\"}} 41.5", lines);
        Assert.Contains($"watchparty_build_duration_seconds_sum{{service=\"{_service}\"}} 8", lines);
        Assert.Contains(lines, l => l.StartsWith("watchparty_cache_size_bytes ", StringComparison.Ordinal));
    }

    [Fact]
    public void State_IsLookedUpWhenItIsAskedFor()
    {
        Assert.DoesNotContain("watchparty_release_last_success", _registry.Render(), StringComparison.Ordinal);

        _bench.History.Finish(_bench.History.Begin(RecordBench.Commit, null, "poll", forced: false), ReleaseOutcome.Succeeded, null, RecordBench.Seconds);
        _poll = _poll with { Error = "no route" };

        var lines = _registry.Render().Split('\n');
        Assert.Contains($"watchparty_release_last_success_timestamp_seconds {_bench.Time.GetUtcNow().ToUnixTimeSeconds()}", lines);
        Assert.Contains("watchparty_poll_last_success_timestamp_seconds 1000", lines);
        Assert.Contains("watchparty_poll_failing 1", lines);
        Assert.Contains("watchparty_work_running 0", lines);
    }

    [Fact]
    public void Metrics_AreAllDocumented_AndTheDashboardAsksForNoOthers()
    {
        var tree = new DirectoryInfo(AppContext.BaseDirectory);
        while (!File.Exists(Path.Combine(tree.FullName, "WatchParty.Worker.sln"))) { tree = tree.Parent!; }
        static HashSet<string> Names(string text) => [.. Regex.Matches(text, "watchparty_[a-z_]+").Select(m => Regex.Replace(m.Value, "_(bucket|sum|count)$", ""))];
        Release();
        Metrics.Kept(new HousekeepingReport("prune", "schedule", "Pruned", [], 61, 23, 1000, 0.3, 0.4, null, DateTimeOffset.UnixEpoch, DateTimeOffset.UnixEpoch));
        Metrics.PollFailed();
        Metrics.CacheSeen([]);
        _bench.History.Finish(_bench.History.Begin(RecordBench.Commit, null, "poll", forced: false), ReleaseOutcome.Succeeded, null, RecordBench.Seconds);

        var there = Names(_registry.Render());
        Assert.Equal(there.Order(StringComparer.Ordinal), Names(File.ReadAllText(Path.Combine(tree.FullName, "docs/metrics.md"))).Order(StringComparer.Ordinal));
        Assert.Subset(there, Names(File.ReadAllText(Path.Combine(tree.FullName, "docs/grafana.json"))));
    }

    [PrometheusFact]
    public async Task Exposition_IsWithoutFaultForPromtool()
    {
        Release();
        Metrics.Kept(new HousekeepingReport("prune", "schedule", "Pruned", [], 61, 23, 1000, 0.3, 0.4, null, DateTimeOffset.UnixEpoch, DateTimeOffset.UnixEpoch));
        Metrics.PollFailed();

        Assert.Equal((0, ""), await RunAsync("promtool", _registry.Render(), "check", "metrics"));
    }

    [PrometheusFact]
    public async Task Prometheus_ScrapesIt()
    {
        Release();
        using var page = new HttpReceiver((context, _) =>
        {
            context.Response.ContentType = PrometheusText.ContentType;
            context.Response.OutputStream.Write(Encoding.UTF8.GetBytes(_registry.Render()));
        });
        var folder = Directory.CreateTempSubdirectory("prometheus-").FullName;
        var address = $"127.0.0.1:{GitHttpServer.FreePort()}";
        await File.WriteAllTextAsync(Path.Combine(folder, "prometheus.yml"),
            $$"""{ global: { scrape_interval: 1s }, scrape_configs: [ { job_name: watchparty, static_configs: [ { targets: [ "{{new Uri(page.Address).Authority}}" ] } ] } ] }""");
        using var prometheus = Process.Start(new ProcessStartInfo("prometheus",
            [$"--config.file={folder}/prometheus.yml", $"--storage.tsdb.path={folder}/data", $"--web.listen-address={address}", "--log.level=error"]))!;
        try
        {
            using var http = new HttpClient();
            var query = $"http://{address}/api/v1/query?query={Uri.EscapeDataString($"watchparty_build_steps_total{{service=\"{_service}\",result=\"cached\"}}")}";
            string? value = null;
            for (var tries = 0; value is null && tries < 150; tries++)
            {
                await Task.Delay(TimeSpan.FromMilliseconds(200), TimeProvider.System, CancellationToken.None);
                try
                {
                    using var answer = JsonDocument.Parse(await http.GetStringAsync(query));
                    value = answer.RootElement.GetProperty("data").GetProperty("result").EnumerateArray().Select(r => r.GetProperty("value")[1].GetString()).FirstOrDefault();
                }
                catch (HttpRequestException)
                {
                    // It starts.
                }
            }
            Assert.Equal("9", value);
        }
        finally
        {
            prometheus.Kill();
            await prometheus.WaitForExitAsync();
            Directory.Delete(folder, recursive: true);
        }
    }

    [Fact]
    public async Task Collector_GetsMetricsAndTheTraceOfARelease()
    {
        using var collector = new HttpReceiver();
        using (var export = new OtlpExport(new TelemetryOptions { OtlpEndpoint = $"{collector.Address}/" }, _registry))
        {
            await export.StartAsync(CancellationToken.None);
            Release();
            await export.StopAsync(CancellationToken.None);
        }

        string Sent(string path) => string.Concat(collector.All.Where(r => r.Path == path && r.Headers["Content-Type"] == "application/x-protobuf").Select(r => Encoding.UTF8.GetString(r.Body)));
        foreach (var name in (string[])["release", "plan", "build", "deploy", "verify", $"build {_service}", "backend/app.py changed"]) { Assert.Contains(name, Sent("/v1/traces"), StringComparison.Ordinal); }
        foreach (var name in (string[])["watchparty-worker", "watchparty.releases", "watchparty.work.running", _service]) { Assert.Contains(name, Sent("/v1/metrics"), StringComparison.Ordinal); }
    }

    [Fact]
    public void Trace_OfARelease_HasItsPhasesOneAfterTheOther()
    {
        List<Activity> spans = [];
        using var listener = new ActivityListener
        {
            ShouldListenTo = s => s.Name == Metrics.Name,
            Sample = (ref ActivityCreationOptions<ActivityContext> _) => ActivitySamplingResult.AllData,
            ActivityStopped = spans.Add,
        };
        ActivitySource.AddActivityListener(listener);

        Release();

        var release = spans.Single(s => s.OperationName == "release" && spans.Any(b => b.OperationName == $"build {_service}" && b.TraceId == s.TraceId));
        var trace = spans.Where(s => s.TraceId == release.TraceId).ToList();
        Assert.Equal(["detect", "plan", $"build {_service}", "build", "deploy", "verify", "release"], trace.Select(s => s.OperationName));
        Assert.Equal((11.4, 8), (release.Duration.TotalSeconds, trace.Single(s => s.OperationName == "build").Duration.TotalSeconds));
        Assert.Equal(trace.Single(s => s.OperationName == "build").SpanId, trace.Single(s => s.OperationName == $"build {_service}").ParentSpanId);
        Assert.Equal(release.StartTimeUtc.AddSeconds(0.3), trace.Single(s => s.OperationName == "build").StartTimeUtc);
    }
}

using System.Globalization;
using System.Text.Json.Nodes;
using WatchParty.Worker.EngineTests.Caching;
using WatchParty.Worker.EngineTests.Harness;

namespace WatchParty.Worker.Benchmarks;

/// <summary>The running service under commits, flags, prunes and faults in an order that a seed gives, for hours; then what was lost, done twice,
/// left behind or grew.</summary>
internal sealed class Soak(Application app, TimeSpan duration, int seed)
{
    private const string Ok = "ok\n";

    /// <summary>The id of the engine's process, where it is a private one: the file lies beside its socket.</summary>
    private static readonly string? s_engine = Environment.GetEnvironmentVariable("DOCKER_HOST") is { } host
        && Path.Combine(Path.GetDirectoryName(new Uri(host).LocalPath)!, "docker.pid") is var file && File.Exists(file) ? File.ReadAllText(file).Trim() : null;

    private static readonly TimeSpan s_quiet = TimeSpan.FromSeconds(10);

    /// <summary>From here on the service runs on in one piece, so that what grows in it can be seen.</summary>
    private const double Calm = 0.5;

    /// <summary>Longest pause between two events; the shortest is none.</summary>
    private static readonly TimeSpan s_pause = TimeSpan.FromSeconds(10);

    /// <summary>Most that may come on top between the beginning and the end of the calm part: of its memory a third, of the rest this many.</summary>
    private const double MemoryGrowth = 1.33;
    private const int CountGrowth = 8;

    private readonly Random _random = new(seed);
    private readonly SortedDictionary<string, int> _events = new(StringComparer.Ordinal);
    private readonly List<string> _faults = [];
    private readonly List<Sample> _samples = [];
    private readonly List<string> _order = [];
    private readonly HashSet<string> _forced = [];
    private readonly long _started = TimeProvider.System.GetTimestamp();
    private Service? _service;
    private double _startedAt;
    private int _commits;
    private int _flags;

    private bool IsCalm => Elapsed > Calm * duration;

    private TimeSpan Elapsed => TimeProvider.System.GetElapsedTime(_started);

    /// <returns>0 when nothing was lost, done twice or left behind.</returns>
    public static async Task<int> RunAsync(TimeSpan duration, int seed)
    {
        await using var app = await Application.OfAsync(SmallApplication.WebAndSide);
        return await new Soak(app, duration, seed).RunAsync();
    }

    private (string Name, int Weight, Func<Task> Run)[] Events =>
    [
        ("commit of a service", 30, () => CommitAsync((_random.Next(2) == 0 ? "web/content.txt" : "side/content.txt", Text()))),
        ("commit of both", 10, () => CommitAsync(("web/content.txt", Text()), ("side/content.txt", Text()))),
        ("commit of documents", 10, () => CommitAsync(("docs/README.md", Text()))),
        ("commits in quick succession", 6, BurstAsync),
        ("commit that does not build", 6, () => BadCommitAsync("web/Dockerfile", SmallApplication.Dockerfile + "RUN false\n", SmallApplication.Dockerfile, "BuildFailed")),
        ("commit that is not healthy", 6, () => BadCommitAsync("web/status", "broken\n", Ok, "RolledBack")),
        ("clear by flag", 6, () => FlagAsync("clear-cache.flag", _random.Next(2) == 0 ? "all" : "web")),
        ("forced rebuild by flag", 4, ForceAsync),
        ("prune", 5, async () => Expect("Pruned", (await app.RunAsync("prune", "--json")).Outcome)),
        ("foreign wipe of the builder", 3, CacheView.WipeBuilderAsync),
        ("tool of a release killed", 4, KillToolAsync),
        ("engine frozen for a while", s_engine is null ? 0 : 2, FreezeEngineAsync),
        ("worker killed in a release", IsCalm ? 0 : 6, KillAsync),
        ("worker stopped in a release", IsCalm ? 0 : 4, StopAsync),
        ("remote away for a while", 4, RemoteAwayAsync),
    ];

    private async Task<int> RunAsync()
    {
        await StartAsync();
        await CommitAsync(("web/content.txt", Text()));
        await SampleAsync();
        while (Elapsed < duration)
        {
            var (name, _, run) = Draw();
            _events[name] = _events.GetValueOrDefault(name) + 1;
            try
            {
                await run();
            }
            catch (Exception e) when (e is not OperationCanceledException)
            {
                // An assertion of the harness counts as a fault, and the soak goes on.
                Fault($"{name}: {e.Message}");
                await RepairAsync();
            }
            await Task.Delay(s_pause * _random.NextDouble(), TimeProvider.System);
            if (_events.Values.Sum() % 100 == 0) { await Console.Error.WriteLineAsync(string.Create(CultureInfo.InvariantCulture, $"{Elapsed.TotalMinutes:0} min: {_commits} commits, {_faults.Count} faults")); }
            if (_events.Values.Sum() % 10 == 0) { await SampleAsync(); }
        }
        await Task.Delay(s_quiet, TimeProvider.System);
        await CheckReleasesAsync();
        await CheckLeaksAsync();
        CheckGrowth();
        await ReportAsync();
        await _service!.StopAsync();
        return _faults.Count == 0 ? 0 : 1;
    }

    private (string Name, int Weight, Func<Task> Run) Draw()
    {
        var events = Events;
        var place = _random.Next(events.Sum(e => e.Weight));
        return events.First(e => (place -= e.Weight) < 0);
    }

    // What happens ---------------------------------------------------------------------------------------------------------

    private async Task CommitAsync(params (string Path, string? Text)[] files) => await ServesAsync(await PushAsync(files));

    private async Task BurstAsync()
    {
        for (var i = 0; i < 4; i++) { await PushAsync(("web/content.txt", Text())); }
        await ServesAsync(await PushAsync(("web/content.txt", Text())));
    }

    /// <summary>A commit that must not stay, and the one that puts it right.</summary>
    private async Task BadCommitAsync(string path, string bad, string good, string outcome)
    {
        var served = await VersionAsync();
        await app.ReleasedAsync(await PushAsync((path, bad)), outcome);
        if (await VersionAsync() is var now && now != served) { Fault($"{outcome}: the site served '{served}' before and '{now}' after"); }
        await CommitAsync((path, good), ("web/content.txt", Text()));
    }

    private async Task FlagAsync(string name, string text)
    {
        var flag = Path.Combine(app.Checkout, name);
        await File.WriteAllTextAsync(flag, text + "\n");
        _flags++;
        await Eventually.HoldsAsync(() => !File.Exists(flag), $"the end of {name}", () => _service!.Log);
    }

    private async Task ForceAsync()
    {
        _forced.Add(_order[^1]);
        await FlagAsync("force-rebuild.flag", "");
        await ServesAsync(_order[^1]);
    }

    private async Task KillAsync()
    {
        var commit = await PushAsync(("web/content.txt", Text()));
        await Task.Delay(TimeSpan.FromMilliseconds(_random.Next(6000)), TimeProvider.System);
        await _service!.KillAsync();
        await StartAsync();
        await ServesAsync(commit);
    }

    private async Task StopAsync()
    {
        var commit = await PushAsync(("side/content.txt", Text()), ("web/content.txt", Text()));
        await Task.Delay(TimeSpan.FromMilliseconds(_random.Next(6000)), TimeProvider.System);
        await RestartAsync();
        await ServesAsync(commit);
    }

    /// <summary>One of the programs that the worker runs for a release (git, docker, buildx, compose) ends by SIGKILL, as by the kernel for want of memory.</summary>
    private async Task KillToolAsync()
    {
        var commit = await PushAsync(("web/content.txt", Text()), ("side/content.txt", Text()));
        await Task.Delay(TimeSpan.FromMilliseconds(_random.Next(6000)), TimeProvider.System);
        await Command.RunAsync("pkill", ["-KILL", "-P", Id(_service!.Id)]);
        await ServesAsync(commit);
    }

    private async Task FreezeEngineAsync()
    {
        var commit = await PushAsync(("web/content.txt", Text()));
        await Task.Delay(TimeSpan.FromMilliseconds(_random.Next(4000)), TimeProvider.System);
        await Command.ShellAsync($"kill -STOP {s_engine}; sleep 5; kill -CONT {s_engine}");
        await ServesAsync(commit);
    }

    private async Task RemoteAwayAsync()
    {
        Directory.Move(app.In("origin.git"), app.In("origin.away"));
        await Task.Delay(TimeSpan.FromSeconds(3), TimeProvider.System);
        Directory.Move(app.In("origin.away"), app.In("origin.git"));
        await CommitAsync(("web/content.txt", Text()));
    }

    /// <summary>A commit that stays, after an event that ended in the middle.</summary>
    private async Task RepairAsync()
    {
        if (Directory.Exists(app.In("origin.away"))) { Directory.Move(app.In("origin.away"), app.In("origin.git")); }
        await RestartAsync();
        await CommitAsync(("web/Dockerfile", SmallApplication.Dockerfile), ("web/status", Ok), ("web/content.txt", Text()));
    }

    private async Task RestartAsync()
    {
        if (!_service!.HasEnded) { await _service.StopAsync(); }
        await StartAsync();
    }

    private async Task StartAsync()
    {
        _service = await app.StartServiceAsync();
        _startedAt = Elapsed.TotalMinutes;
    }

    private async Task<string> PushAsync(params (string Path, string? Text)[] files)
    {
        var commit = await app.PushAsync(files);
        _order.Add(commit);
        _commits++;
        return commit;
    }

    private string Text() => $"{_random.NextInt64():x}\n";

    // What must be true ----------------------------------------------------------------------------------------------------

    /// <summary>Waits until the commit is released, and looks at what the site says.</summary>
    private async Task ServesAsync(string commit)
    {
        await app.ReleasedAsync(commit);
        var served = await VersionAsync();
        var content = (await File.ReadAllTextAsync(Path.Combine(app.Clone, "web/content.txt"))).Trim();
        if (!served.Contains(content, StringComparison.Ordinal)) { Fault($"{commit[..7]} is released, but the site says '{served}' and not '{content}'"); }
    }

    private async Task<string> VersionAsync()
    {
        string? answer = null;
        await Eventually.HoldsAsync(async () =>
        {
            try { answer = await app.GetAsync("/version"); }
            catch (HttpRequestException) { }
            return answer is not null;
        }, "an answer of the site", () => _service!.Log);
        return answer!.ReplaceLineEndings(" ").Trim();
    }

    private async Task CheckReleasesAsync()
    {
        var releases = JsonNode.Parse((await app.RunAsync("history", "--last", "100000", "--json")).Output)!.AsArray().Select(r => r!.AsObject()).ToList();
        var ended = releases.ToLookup(r => (string)r["commit"]!, r => (string)r["outcome"]!);
        foreach (var twice in ended.Where(e => !_forced.Contains(e.Key) && e.Count(o => o == "Succeeded") > 1)) { Fault($"{twice.Key[..7]} was released twice"); }
        foreach (var open in releases.Where(r => (string?)r["state"] != "Done")) { Fault($"release {open["release"]} has no end"); }
        foreach (var (outcome, count) in releases.GroupBy(r => (string)r["outcome"]!).Select(g => (g.Key, g.Count())).OrderBy(g => g.Key, StringComparer.Ordinal)) { _events[$"outcome {outcome}"] = count; }
    }

    private async Task CheckLeaksAsync()
    {
        var children = (await Command.RunAsync("pgrep", ["-a", "-P", Id(_service!.Id)])).Output.Trim();
        if (children.Length > 0) { Fault($"processes remain: {children}"); }
        var work = Directory.EnumerateFileSystemEntries(Path.Combine(app.State, "work")).ToList();
        if (work.Count > 0) { Fault($"files of work remain: {string.Join(", ", work)}"); }
        var locks = Directory.EnumerateFiles(Path.Combine(app.Checkout, ".git"), "*.lock", SearchOption.AllDirectories).ToList();
        if (locks.Count > 0) { Fault($"locks of git remain: {string.Join(", ", locks)}"); }
        var strangers = (await Command.OutputAsync("docker", ["ps", "-aq", "--filter", $"label=com.docker.compose.project={app.Project}"])).Split('\n', StringSplitOptions.RemoveEmptyEntries).Length;
        if (strangers != 2) { Fault($"{strangers} containers instead of 2"); }
    }

    /// <summary>Compares the first and the last quarter of the calm part.</summary>
    private void CheckGrowth()
    {
        var calm = _samples.Where(s => s.Since == _samples[^1].Since && s.Minutes > Calm * duration.TotalMinutes).ToList();
        if (calm.Count < 8) { return; }
        var quarter = calm.Count / 4;
        void Compare(string what, Func<Sample, double> of, Func<double, double> most)
        {
            var (first, last) = (Figure.Median(calm.Take(quarter).Select(of)), Figure.Median(calm.TakeLast(quarter).Select(of)));
            Console.WriteLine(string.Create(CultureInfo.InvariantCulture, $"{what}: {first:0.0} in the first quarter of the calm part, {last:0.0} in the last"));
            if (last > most(first)) { Fault($"{what} grew from {first:0.0} to {last:0.0}"); }
        }
        Compare("resident, MB", s => s.Resident, m => m * MemoryGrowth);
        Compare("open files", s => s.Files, n => n + CountGrowth);
        Compare("threads", s => s.Threads, n => n + CountGrowth);
        Compare("images", s => s.Images, n => n + CountGrowth);
    }

    private async Task SampleAsync()
    {
        if (_service!.HasEnded) { return; }
        var files = Directory.GetFiles($"/proc/{_service.Id}/fd").Length;
        var images = (await Command.OutputAsync("docker", ["images", "-aq"])).Split('\n', StringSplitOptions.RemoveEmptyEntries).Length;
        var state = double.Parse(await Command.ShellAsync($"du -sk --exclude=cache '{app.State}' | cut -f1"), CultureInfo.InvariantCulture) / 1024;
        _samples.Add(new(Elapsed.TotalMinutes, _startedAt, ProcessFigures.Megabytes(_service.Id, "VmRSS"), files, ProcessFigures.Status(_service.Id, "Threads"), images, state));
    }

    private static string Id(int process) => process.ToString(CultureInfo.InvariantCulture);

    private void Expect(string expected, string actual)
    {
        if (actual != expected) { Fault($"{actual} instead of {expected}"); }
    }

    private void Fault(string what)
    {
        _faults.Add(string.Create(CultureInfo.InvariantCulture, $"after {Elapsed.TotalMinutes:0.0} min: {what}"));
        Console.Error.WriteLine($"FAULT {_faults[^1]}");
    }

    private async Task ReportAsync()
    {
        var engine = await Engine.DescribeAsync();
        Console.WriteLine(string.Create(CultureInfo.InvariantCulture, $"{engine}; seed {seed}, {Elapsed.TotalMinutes:0} min, {_commits} commits, {_flags} flags; {_faults.Count} faults"));
        Console.WriteLine();
        var events = new MarkdownTable("what", "times");
        foreach (var (name, count) in _events) { events.Add(name, count.ToString(CultureInfo.InvariantCulture)); }
        events.Write();
        var samples = new MarkdownTable("after, min", "service since, min", "resident, MB", "open files", "threads", "images", "state folder, MB");
        foreach (var s in _samples) { samples.Add([.. new[] { s.Minutes, s.Since, s.Resident, s.Files, s.Threads, s.Images, s.State }.Select(Figure.Of)]); }
        samples.Write();
        Console.WriteLine($"State folder: {await Command.ShellAsync($"du -sh --exclude=cache '{app.State}' | cut -f1")}; {(await Command.OutputAsync("docker", ["system", "df", "--format", "{{.Type}} {{.TotalCount}} {{.Size}}"])).ReplaceLineEndings("; ")}");
        foreach (var fault in _faults) { Console.WriteLine($"- {fault}"); }
    }

    private sealed record Sample(double Minutes, double Since, double Resident, double Files, double Threads, double Images, double State);
}

using System.Globalization;
using System.Text.Json.Nodes;
using WatchParty.Tools.Processes;
using WatchParty.Worker.EngineTests.Harness;

namespace WatchParty.Worker.EngineTests.Reliability;

/// <summary>What the worker does when it is killed.</summary>
internal enum Work
{
    Commit,
    BadCommit,
    ForcedRebuild,
    Clear,
    Prune,
    Rollback,

    /// <summary>A commit and a clear at once, and a prune when both are done.</summary>
    Cycle,
}

/// <summary>One kill.</summary>
/// <param name="Point">Where, as <see cref="Failpoints"/> names it; at a random time when null.</param>
/// <param name="MostNew">Containers of the new release that may be made: 2 where a retry is recorded.</param>
/// <param name="MostOld">Containers of earlier releases that may be made on the way back.</param>
internal sealed record Kill(Work Work, string? Point, int MostNew = 0, int MostOld = 0)
{
    /// <summary>The system call instead of which it is killed.</summary>
    public NthCall? Call { get; init; }

    /// <summary>Whether a worker is killed that starts with the work waiting for it, and not one that runs already.</summary>
    public bool AtStart { get; init; }

    public string Name => Call is { } call ? $"{Work}/{call.Name}{(AtStart ? ", from the start" : "")}" : $"{Work}/{Point ?? "random"}{(AtStart ? ", at a start" : "")}";
}

/// <summary>Kills the worker again and again on one application, each time with other work, starts it again and asks the oracle.</summary>
internal sealed class KillRuns : IAsyncDisposable
{
    private static readonly TimeSpan Bound = TimeSpan.FromSeconds(60);

    private readonly Application _app;
    private readonly Oracle _oracle;
    private readonly (string Name, string Value)[] _environment;
    private Service _service = null!;
    private Expected _good = new("", "");
    private int _number;

    private KillRuns(Application app, (string Name, string Value)[] environment)
    {
        _app = app;
        _oracle = new Oracle(app);
        _environment = [(Failpoints.Variable, Order), (Failpoints.TraceVariable, Trace), .. environment];
    }

    /// <summary>Seconds from the start of a worker that finds a new commit until that serves, without a kill.</summary>
    public List<double> Clean { get; } = [];

    /// <summary>The same from the start after a kill.</summary>
    public List<double> Recoveries { get; } = [];

    /// <summary>Whether the worker did all the work of the last run before it came to the call at which it was to be killed.</summary>
    public bool LivedThrough { get; private set; }

    private string Order => _app.In("kill-at");

    private string Trace => _app.In("reached");

    /// <summary>An application, and the worker that follows it.</summary>
    /// <param name="releases">How many there are of it already.</param>
    /// <param name="environment">Variables for each worker.</param>
    public static async Task<KillRuns> BeginAsync(int releases = 3, params (string Name, string Value)[] environment)
    {
        var web = SmallApplication.Service("web", """
                ports: ["127.0.0.1:${WEB_PORT}:8000"]
                healthcheck: {test: [CMD, wget, -q, -O, /dev/null, "http://127.0.0.1:8000/health"], interval: 200ms, timeout: 2s, retries: 8}

            """);
        var app = await Application.OfAsync([.. SmallApplication.Web, ("compose.yaml", SmallApplication.Compose(web))]);
        app.Configure("Deploy:SettleTime", "00:00:00.2");
        var runs = new KillRuns(app, environment);
        try
        {
            await runs.ReleaseAsync();
            for (var release = 1; release < releases; release++)
            {
                await runs._service.KillAloneAsync();
                await runs.ReleaseAsync();
            }
            return runs;
        }
        catch
        {
            await runs.DisposeAsync();
            throw;
        }
    }

    public async ValueTask DisposeAsync()
    {
        await _oracle.DisposeAsync();
        await _app.DisposeAsync();
    }

    /// <param name="killAfter">Time from the push to the kill where the kill has no point.</param>
    public async Task<IReadOnlyList<Finding>> RunAsync(Kill kill, TimeSpan killAfter)
    {
        _oracle.TakeCreations();
        _app.TakeDockerCalls();
        LivedThrough = false;
        var (before, touched) = (_good, TimeProvider.System.GetUtcNow());
        List<Finding?> findings = [];
        await BeKilledAsync(kill, killAfter);
        var log = _service.Log;

        var started = TimeProvider.System.GetTimestamp();
        await StartAsync();
        if (kill.Work is not Work.Commit) { await _service.SaysAsync("is up"); }
        findings.Add(await _oracle.SettlesAsync(_good, before, Bound));
        if (kill.Work == Work.Commit) { Recoveries.Add(TimeProvider.System.GetElapsedTime(started).TotalSeconds); }
        findings.Add(kill.Work switch
        {
            Work.BadCommit => await StaysAsync(),
            Work.Prune => await PruneAsync(),
            Work.Clear or Work.ForcedRebuild => await AnswersAsync(kill.Work, touched),
            Work.Cycle => await AnswersAsync(kill.Work, touched) ?? await PruneAsync(),
            _ => null,
        });
        findings.AddRange(Doubles(kill));
        findings.Add(await _oracle.LeakAsync());
        List<Finding> found = [.. findings.OfType<Finding>().Select(f => f with { What = $"{kill.Name}: {f.What}" })];
        if (found.Count > 0) { found[^1] = found[^1] with { What = $"{found[^1].What}\nkilled{(kill.Call is { } call ? $" at number {call.Number}" : "")}:\n{log}\nafter it:\n{_service.Log}" }; }
        return found;
    }

    /// <summary>The points that the worker reaches while it does this and nobody kills it, in order.</summary>
    /// <param name="atStart">Whether they are those of a worker that starts; then with a commit that waits.</param>
    public async Task<IReadOnlyList<string>> PointsOfAsync(Work work, bool atStart)
    {
        if (atStart) { await _service.KillAloneAsync(); } else { await QuietAsync(); }
        File.Delete(Trace);
        var before = _good;
        if (work is Work.Commit) { _good = await PushAsync("ok"); }
        if (work == Work.BadCommit) { await PushAsync("broken"); }
        if (work is Work.Clear or Work.ForcedRebuild) { await File.WriteAllTextAsync(Flag(work), ""); }
        if (atStart) { await StartAsync(); }
        if (work is Work.Prune or Work.Rollback) { Assert.Equal(0, (await _app.RunAsync(work == Work.Prune ? "prune" : "rollback", "--json")).ExitCode); }
        if (work is Work.Clear or Work.ForcedRebuild) { await Eventually.HoldsAsync(() => !File.Exists(Flag(work)), "the end of the flag", () => _service.Log); }
        if (work == Work.BadCommit) { await _service.SaysAsync("RolledBack"); }
        if (work != Work.Rollback) { Assert.True(await _oracle.SettlesAsync(_good, before, Bound) is null, _service.Log); }
        await QuietAsync();
        string[] points = [.. (await File.ReadAllLinesAsync(Trace)).Where(l => !IsPoll(l))];
        if (work == Work.Rollback) { await BeginAgainAsync(); }
        return points;
    }

    /// <summary>Waits until the worker does no more than to poll, or has ended.</summary>
    private async Task QuietAsync(int tenths = 10)
    {
        for (var (seen, quiet) = (-1, 0); quiet < tenths && !_service.HasEnded;)
        {
            await Task.Delay(TimeSpan.FromMilliseconds(100), TimeProvider.System);
            var now = File.Exists(Trace) ? (await File.ReadAllLinesAsync(Trace)).Count(l => !IsPoll(l)) : 0;
            (seen, quiet) = (now, now == seen ? quiet + 1 : 0);
        }
    }

    private static bool IsPoll(string point) => point.EndsWith(" git ls-remote", StringComparison.Ordinal);

    /// <summary>Brings about a good state for the next run, after one that found something.</summary>
    public async Task BeginAgainAsync()
    {
        File.Delete(Order);
        await _service.KillAloneAsync();
        await ReleaseAsync();
    }

    /// <summary>Starts the worker with a new commit to release.</summary>
    private async Task ReleaseAsync()
    {
        var before = _good;
        _good = await PushAsync("ok");
        var started = TimeProvider.System.GetTimestamp();
        await StartAsync();
        Assert.True(await _oracle.SettlesAsync(_good, before, Bound) is null, _service.Log);
        Clean.Add(TimeProvider.System.GetElapsedTime(started).TotalSeconds);
    }

    private async Task StartAsync(params string[] under) => _service = await _app.StartServiceUnderAsync(under, _environment);

    private async Task<Expected> PushAsync(string status)
    {
        var content = string.Create(CultureInfo.InvariantCulture, $"number {++_number}.");
        return new Expected(await _app.PushAsync(("web/content.txt", content + "\n"), ("web/status", status + "\n")), content);
    }

    private async Task BeKilledAsync(Kill kill, TimeSpan killAfter)
    {
        if (kill.AtStart) { await _service.KillAloneAsync(); }
        if (kill.Point is { } point)
        {
            // What follows the release before would be counted, too.
            if (!kill.AtStart) { await QuietAsync(); }
            await File.WriteAllTextAsync(Order, point);
        }
        using var strace = kill is { Call: { } call, AtStart: false } ? await Strace.AttachAsync(call, _service.Id) : null;
        if (kill.Work is Work.Commit or Work.Cycle) { _good = await PushAsync("ok"); }
        if (kill.Work == Work.BadCommit) { await PushAsync("broken"); }
        if (kill.Work is Work.Clear or Work.ForcedRebuild or Work.Cycle) { await File.WriteAllTextAsync(Flag(kill.Work), ""); }
        if (kill.AtStart) { await StartAsync(kill.Call is null ? [] : Strace.Under(kill.Call)); }
        if (kill.Work is Work.Prune or Work.Rollback)
        {
            var verb = await _app.RunAsync(kill.Work == Work.Prune ? "prune" : "rollback", "--json");
            // Its request is not kept: who asked has to know that it was not done.
            Assert.True(verb.ExitCode != 0 || !_service.HasEnded, $"{kill.Name}: the verb of a killed worker says that all is well: {verb.All}");
        }
        if (kill.Call is not null)
        {
            LivedThrough = await LivesThroughCycleAsync();
            await _service.KillAloneAsync();
        }
        else if (kill.Point is null)
        {
            await Task.Delay(killAfter, TimeProvider.System);
            await _service.KillAloneAsync();
        }
        else
        {
            // Some points are reached only where something was not noted yet; by now it may have been.
            await QuietAsync(tenths: 100);
            LivedThrough = !_service.HasEnded;
            if (LivedThrough) { await _service.KillAloneAsync(); }
        }
        Assert.True(await _service.EndsAsync() == 137, $"{kill.Name} was not reached: {_service.Log}");
    }

    /// <summary>Waits until the worker has been killed, or has done all its work.</summary>
    private async Task<bool> LivesThroughCycleAsync()
    {
        await Eventually.HoldsAsync(async () => _service.HasEnded || (!File.Exists(Flag(Work.Cycle)) && await _oracle.DifferenceAsync(_good) is null), "a whole cycle", () => _service.Log);
        // Its turn comes when the cache is sealed.
        return !_service.HasEnded && (await _app.RunAsync("prune", "--json")).ExitCode == 0 && !_service.HasEnded;
    }

    private async Task<Finding?> PruneAsync()
    {
        var prune = await _app.RunAsync("prune", "--json");
        return prune.ExitCode == 0 ? null : new Finding(Harm.Lost, $"the prune after it: {prune.All}");
    }

    /// <summary>Every touch is followed by work that started later, and then the flag is gone.</summary>
    private async Task<Finding?> AnswersAsync(Work work, DateTimeOffset touched)
    {
        // One that was moved aside comes back.
        await Eventually.HoldsAsync(() => !File.Exists(Path.Combine(_app.Checkout, $".{Path.GetFileName(Flag(work))}.claimed")) && !File.Exists(Flag(work)), $"the end of {Flag(work)}");
        var result = JsonNode.Parse(await File.ReadAllTextAsync(Path.ChangeExtension(Flag(work), ".result.json")))!;
        return (string?)result["outcome"] is "Cleared" or "Succeeded" && DateTimeOffset.Parse((string)result["startedAt"]!, CultureInfo.InvariantCulture) >= touched
            ? null : new Finding(Harm.Lost, $"the result of the flag: {result}");
    }

    /// <summary>Two polls later the commit that was not healthy has not been tried again.</summary>
    private async Task<Finding?> StaysAsync()
    {
        await Task.Delay(TimeSpan.FromSeconds(2), TimeProvider.System);
        return await _oracle.DifferenceAsync(_good) is { } difference ? new Finding(Harm.Down, $"it did not stay: {difference}") : null;
    }

    private IEnumerable<Finding> Doubles(Kill kill)
    {
        var made = _oracle.TakeCreations().GroupBy(c => c).Select(g => (g.Key, Count: g.Count())).ToList();
        if (made.Sum(m => m.Count) > kill.MostNew + kill.MostOld || made.Any(m => m.Count > Math.Max(kill.MostNew, 1)))
        {
            yield return new Finding(Harm.Double, $"containers were made: {string.Join(", ", made)}");
        }
        var builds = _app.TakeBuilds();
        if (builds.Count > (kill.Work is Work.Commit or Work.BadCommit or Work.ForcedRebuild or Work.Cycle ? 2 : 0)) { yield return new Finding(Harm.Double, $"{builds.Count} builds"); }
    }

    private string Flag(Work work) => Path.Combine(_app.Checkout, work == Work.ForcedRebuild ? "force-rebuild.flag" : "clear-cache.flag");
}

using Microsoft.Data.Sqlite;
using WatchParty.Releases.Recording;
using WatchParty.Tools.Failures;
using WatchParty.Tools.Processes;
using WatchParty.Worker.Tests.Fakes;

namespace WatchParty.Worker.Tests.Releasing;

/// <summary>What is left when a step of the flow fails, or the worker is stopped there.</summary>
public sealed class FailingPathTests
{
    private static readonly (string, string?)[] Good = [("web/content.txt", "web 2\n")];
    private static readonly (string, string?)[] Bad = [("web/content.txt", "web 2\n"), ("web/status", "broken\n")];

    private static readonly string[] Questions =
        ["after engine Find", "after engine Container", "after engine Images", "after engine Info", "after engine CacheRecords",
            "after compose config"];

    /// <param name="call">Program that ends with 1 and these words.</param>
    [Theory]
    [InlineData("git fetch", "fatal: unable to access", ReleaseOutcome.Failed, false)]
    [InlineData("git checkout", "fatal: unable to write new index file", ReleaseOutcome.Failed, false)]
    [InlineData("compose config", "yaml: line 3: mapping values are not allowed", ReleaseOutcome.Failed, false)]
    [InlineData("buildx bake", "ERROR: failed to solve: process did not complete successfully: exit code: 1", ReleaseOutcome.BuildFailed,
        true)]
    [InlineData("compose up", "Error response from daemon: No such image: app-web:latest", ReleaseOutcome.Failed, false)]
    internal async Task A_program_that_fails_before_a_container_is_touched_leaves_what_served(string call, string words,
        ReleaseOutcome outcome, bool quarantined)
    {
        using var flow = await ReleasedAsync();
        var before = flow.Serving;
        flow.Tools.Fail(call, words);
        // The first only asks.
        if (call == "buildx bake") { flow.Tools.Fail(call, words); }

        var report = await flow.ReleaseAsync(Good);

        Assert.Equal((outcome, quarantined), (report.Outcome, flow.History.Quarantined(report.Commit) is not null));
        Assert.Contains(words.Split(": ")[^1], report.Error, StringComparison.Ordinal);
        AssertServesBefore(flow, before);
        Assert.Equal(quarantined ? ReleaseOutcome.Quarantined : ReleaseOutcome.Succeeded, (await flow.ReleaseAsync()).Outcome);
    }

    /// <param name="step">Step of a program at which somebody kills it.</param>
    [Theory]
    [InlineData("build web", ReleaseOutcome.Failed)]
    [InlineData("create beside app-web-1", ReleaseOutcome.Failed)]
    [InlineData("stop app-web-1", ReleaseOutcome.RolledBack)]
    [InlineData("remove app-web-1", ReleaseOutcome.RolledBack)]
    [InlineData("start app-web-1", ReleaseOutcome.RolledBack)]
    internal async Task A_program_that_is_killed_on_the_way_is_not_the_fault_of_the_commit(string step, ReleaseOutcome outcome)
    {
        using var flow = await ReleasedAsync();
        var before = flow.Serving;
        KillAt(flow, step);

        var report = await flow.ReleaseAsync(Good);

        Assert.Null(flow.History.Quarantined(report.Commit));
        Assert.True(outcome == report.Outcome || report.Outcome == ReleaseOutcome.RolledBack, report.Error);
        AssertServesBefore(flow, before);
        Assert.Equal(ReleaseOutcome.Succeeded, (await flow.ReleaseAsync()).Outcome);
    }

    [Theory]
    [InlineData("web/status", "broken\n", "web is unhealthy")]
    [InlineData("web/Dockerfile", "FROM base:1\nCMD exit 3\n", "web ")]
    internal async Task A_commit_that_is_not_healthy_is_taken_back_and_blamed(string path, string content, string words)
    {
        using var flow = await ReleasedAsync();
        var before = flow.Serving;

        var report = await flow.ReleaseAsync((path, content));

        Assert.Equal(ReleaseOutcome.RolledBack, report.Outcome);
        Assert.Contains(words, report.Error, StringComparison.Ordinal);
        Assert.NotNull(flow.History.Quarantined(report.Commit));
        AssertServesBefore(flow, before);
    }

    [Fact]
    public Task Whatever_fails_in_a_release_it_ends_with_what_served_or_with_the_new_commit() =>
        EachPointAsync(f => f.ReleaseAsync(Good), (flow, point) => flow.Fail(point.Name, FailureOf(point.Name), point.Times),
            AfterFailureAsync);

    [Fact]
    public Task Wherever_the_worker_is_stopped_in_a_release_it_ends_with_what_served_or_with_the_new_commit() =>
        EachPointAsync(f => f.ReleaseAsync(Good), (flow, point) => flow.At(point.Name, flow.StopWorker, point.Times), AfterFailureAsync);

    [Fact]
    public Task Whatever_fails_in_a_release_that_is_taken_back_what_served_is_there_at_the_latest_after_the_next_start() =>
        EachPointAsync(f => f.ReleaseAsync(Bad), (flow, point) => flow.Fail(point.Name, FailureOf(point.Name), point.Times), AfterBadAsync);

    [Fact]
    public Task Wherever_the_worker_is_stopped_in_a_release_that_is_taken_back_what_served_is_there_at_the_latest_after_the_next_start() =>
        EachPointAsync(f => f.ReleaseAsync(Bad), (flow, point) => flow.At(point.Name, flow.StopWorker, point.Times), AfterBadAsync);

    /// <summary>Does something once for each point that it reaches, and lets something happen there.</summary>
    private static async Task EachPointAsync(
        Func<Flow, Task> work, Action<Flow, (string Name, int Times)> happens, Func<Flow, IReadOnlyList<(string, string, string)>,
            Task<string?>> check)
    {
        List<string> violations = [];
        var points = await PointsOfAsync(work);
        Assert.True(points.Count > 80, $"{points.Count} points");
        foreach (var point in points)
        {
            using var flow = await ReleasedAsync();
            var before = flow.Serving;
            happens(flow, point);
            try
            {
                await work(flow);
            }
            catch (Exception e) when (e is WorkerException or ToolFailedException or OperationCanceledException)
            {
                // The very first steps have no record yet.
            }
            if (await check(flow, before) is { } violation) { violations.Add($"{point.Name}#{point.Times}: {violation}"); }
        }
        Assert.True(violations.Count == 0, $"{violations.Count} of {points.Count}:\n{string.Join('\n', violations)}");
    }

    /// <summary>A release that failed left what served, or is done; and the next try is.</summary>
    private static async Task<string?> AfterFailureAsync(Flow flow, IReadOnlyList<(string, string, string)> before)
    {
        var commit = flow.Git.RemoteHead;
        if (flow.History.DeployedCommit() == commit) { return Differs(flow, commit); }
        if (flow.History.Quarantined(commit) is { } blame) { return $"it is blamed: {blame.Reason}"; }
        // What could not be put right by then is, when the worker comes back.
        if (!before.SequenceEqual(flow.Serving))
        {
            var left = flow.Serving;
            flow.Restart();
            await flow.RecoverAsync();
            if (flow.History.DeployedCommit() != commit && !before.SequenceEqual(flow.Serving))
            {
                return $"{Text(left)} serves, and after a start {Text(flow.Serving)} instead of {Text(before)}";
            }
            if (flow.History.Last(1)[0] is
                {
                    Outcome: not (
                ReleaseOutcome.DeployFailed or ReleaseOutcome.Interrupted or ReleaseOutcome.Succeeded), Outcome: var outcome,
                    Error: var error
                })
            {
                return $"{Text(left)} served after {outcome}: {error}";
            }
        }
        flow.Restart();
        var again = await flow.ReleaseAsync();
        return again.Outcome is ReleaseOutcome.Succeeded or ReleaseOutcome.NothingToDo ? Differs(flow, commit)
            : $"the next try: {again.Outcome}, {again.Error}";
    }

    private static async Task<string?> AfterBadAsync(Flow flow, IReadOnlyList<(string, string, string)> before)
    {
        var commit = flow.Git.RemoteHead;
        if (flow.History.DeployedCommit() == commit) { return "it is deployed"; }
        var left = flow.History.Last(1)[0];
        if (left.Outcome == ReleaseOutcome.RolledBack && !before.SequenceEqual(flow.Serving))
        {
            return $"RolledBack, and {Text(flow.Serving)} serves";
        }
        flow.Restart();
        await flow.RecoverAsync();
        if (!before.SequenceEqual(flow.Serving))
        {
            return $"{left.Outcome} ({left.Error}), and after a start {Text(flow.Serving)} serves instead of {Text(before)}";
        }
        return flow.History.Unfinished().Count > 0 ? "a release has no end in the record" : null;
    }

    private static string? Differs(Flow flow, string commit)
    {
        var recorded = flow.History.Deployed()!;
        if (recorded.Commit != commit) { return $"{recorded.Commit} is deployed"; }
        if (flow.Git.Head != commit) { return $"{flow.Git.Head} is checked out"; }
        var differing = flow.Serving.Where(s => s.Status != "running"
            || recorded.Served.Services.GetValueOrDefault(s.Service)?.ImageId != s.Image).ToList();
        return differing.Count > 0 ? $"{Text(flow.Serving)} serves" : null;
    }

    private static string Text(IEnumerable<(string Service, string Image, string Status)> serving) =>
        string.Join(", ", serving.Select(s => $"{s.Service} {s.Image[7..13]} {s.Status}"));

    private static void AssertServesBefore(Flow flow, IReadOnlyList<(string, string, string)> before)
    {
        Assert.Equal(before, flow.Serving);
        Assert.Equal(flow.History.DeployedCommit(), flow.Git.Head);
        foreach (var (service, id) in flow.History.Deployed()!.Served.Services)
        {
            Assert.Equal(id.ImageId, flow.Engine.Find(id.Image)!.Id);
        }
    }

    private static async Task<Flow> ReleasedAsync()
    {
        var flow = Flow.OfWebAndDatabase();
        await flow.ReleaseAsync();
        return flow;
    }

    /// <summary>The points of some work, each with how often it was reached by then.</summary>
    private static async Task<List<(string Name, int Times)>> PointsOfAsync(Func<Flow, Task> work)
    {
        using var flow = await ReleasedAsync();
        flow.Points.Clear();
        await work(flow);
        // What is only asked has no more to it afterwards than before.
        return [.. flow.Points.Select((name, i) => (name, flow.Points.Take(i + 1).Count(p => p == name)))
            .Where(p => !Questions.Any(p.name.StartsWith))];
    }

    private static Exception FailureOf(string point) => point.Split(' ')[1] switch
    {
        "record" => new WorkerException("the disk is full", Remedy.RetriedByItself,
            new SqliteException("database or disk is full", SQLitePCL.raw.SQLITE_FULL)),
        "engine" => new WorkerException("the engine is away", Remedy.RetriedByItself),
        var program => new ToolFailedException(new ToolCommand(program), 137, "was ended by a signal"),
    };

    private static void KillAt(Flow flow, string step)
    {
        var killed = false;
        flow.Tools.OnStep = (name, _) =>
        {
            if (killed || name != step) { return Task.CompletedTask; }
            killed = true;
            throw new ToolFailedException(new ToolCommand("docker", step), 137, "was ended by a signal");
        };
    }
}

using System.Globalization;
using WatchParty.Worker.EngineTests.Harness;
using Xunit.Abstractions;

namespace WatchParty.Worker.EngineTests.Reliability;

/// <summary>Nothing is lost, done twice, left down or left behind, wherever the worker is killed.</summary>
/// <remarks>KILL_RUNS runs of each point, and twenty times as many at random times; without it some points once, and three random times. The random times follow from KILL_SEED.
/// With KILL_STEP the worker is killed at every rename, sync and unlink and every KILL_STEP-th write of a whole cycle, or only at those that KILL_CALL names;
/// without it at two of them.
/// The tables go to the file that KILL_TABLE names.</remarks>
[Trait("Store", "Overlay2")]
public sealed class KillTests(ITestOutputHelper output)
{
    /// <summary>More than a cycle has in one thread.</summary>
    private const int MostCalls = 1000;

    private static readonly NthCall Write = new("write", "write,pwrite64,writev,pwritev,pwritev2", 1);
    private static readonly NthCall Rename = new("rename", "rename,renameat,renameat2", 1);
    private static readonly NthCall Sync = new("sync", "fsync,fdatasync", 1);
    private static readonly NthCall Unlink = new("unlink", "unlink,unlinkat,rmdir", 1);

    // strace counts for each thread by itself. With one for all work, its N-th call is the N-th of the worker, but for the thread that begins.
    private static readonly (string, string)[] OneThread = [("DOTNET_ThreadPool_ForceMinWorkerThreads", "1"), ("DOTNET_ThreadPool_ForceMaxWorkerThreads", "1")];

    /// <summary>Kills of the short form.</summary>
    private const int ShortForm = 18;

    private static int Runs => Number("KILL_RUNS", 1);

    [Fact]
    public async Task Killed_at_any_point_it_settles_what_it_did()
    {
        await using var runs = await KillRuns.BeginAsync();
        var all = await PlanAsync(runs);
        Assert.True(all.Count > 38, $"only {all.Count} points: {string.Join(", ", all.Select(k => k.Name))}");
        output.WriteLine($"{all.Count} points");
        var kills = Runs == 1 ? KillPlan.Some(all, ShortForm) : Enumerable.Repeat(all, Runs).SelectMany(k => k);
        var table = new KillTable(FileOf("points"));
        foreach (var kill in kills) { await table.RunAsync(runs, kill, TimeSpan.Zero); }
        Judge(table, runs);
        Assert.True(table.NotReached.Count * 10 < table.Reached, $"not reached: {string.Join("; ", table.NotReached)}");
    }

    /// <summary>Every point of every piece of work, found by doing each once.</summary>
    private static async Task<IReadOnlyList<Kill>> PlanAsync(KillRuns runs)
    {
        List<Kill> kills = [];
        foreach (var (work, atStart) in new[]
        {
            // The images of many forced rebuilds push out those of the commit before, which a rollback would then build again; and after a bad commit it
            // is that one which would be rebuilt.
            (Work.Commit, true), (Work.Commit, false), (Work.Rollback, false), (Work.ForcedRebuild, false), (Work.BadCommit, false), (Work.Clear, false), (Work.Prune, false),
        })
        {
            var points = await runs.PointsOfAsync(work, atStart);
            // What comes with the commit that waits is the same as without a start.
            if (atStart) { points = [.. points.TakeWhile(p => p != "before record insert release")]; }
            kills.AddRange(KillPlan.Of(work, points, atStart));
        }
        return [.. kills.DistinctBy(k => (k.Name, k.AtStart))];
    }

    [Fact]
    public Task Killed_at_any_time_it_settles_what_it_did()
    {
#pragma warning disable CA5394 // The same kills again is what the seed is for.
        var random = new Random(Number("KILL_SEED", 1));
        var kill = new Kill(Work.Commit, null, MostNew: 2, MostOld: 1);
        return RunAsync("times", Enumerable.Range(0, Runs == 1 ? 3 : Runs * 20).Select(_ => (kill, TimeSpan.FromMilliseconds(random.Next(100, 6000)))));
#pragma warning restore CA5394
    }

    [StraceFact]
    public async Task Killed_at_any_write_rename_sync_or_unlink_it_settles_what_it_did()
    {
        await using var runs = await KillRuns.BeginAsync(releases: 1, OneThread);
        var table = new KillTable(FileOf("calls"));
        if (Number("KILL_STEP", 0) is > 0 and var step)
        {
            var only = Environment.GetEnvironmentVariable("KILL_CALL");
            foreach (var (call, each) in new[] { (Rename, 1), (Unlink, 1), (Sync, 1), (Write, step) }.Where(c => only is null || c.Item1.Name == only)) { await SweepAsync(runs, table, call, each); }
        }
        else
        {
            foreach (var call in new[] { Rename, Sync with { Number = 12 } })
            {
                await table.RunAsync(runs, At(call, atStart: false), TimeSpan.Zero);
                Assert.False(runs.LivedThrough, $"{call} was not reached.");
            }
        }
        Judge(table, runs);
    }

    /// <summary>Kills at one call after the other until the worker does all its work alive: one that starts, and one that runs already.</summary>
    private static async Task SweepAsync(KillRuns runs, KillTable table, NthCall first, int step)
    {
        foreach (var atStart in new[] { true, false })
        {
            var call = first;
            do
            {
                await table.RunAsync(runs, At(call, atStart), TimeSpan.Zero);
                call = call with { Number = call.Number + step };
            }
            while (!runs.LivedThrough && call.Number < MostCalls);
            Assert.True(runs.LivedThrough && call.Number > 1 + step, $"The sweep of {call.Name} ended at {call.Number}.");
        }
    }

    private static Kill At(NthCall call, bool atStart) => new(Work.Cycle, null, MostNew: 2, MostOld: 1) { Call = call, AtStart = atStart };

    private async Task RunAsync(string name, IEnumerable<(Kill Kill, TimeSpan After)> kills)
    {
        await using var runs = await KillRuns.BeginAsync();
        var table = new KillTable(FileOf(name));
        foreach (var (kill, after) in kills) { await table.RunAsync(runs, kill, after); }
        Judge(table, runs);
    }

    private void Judge(KillTable table, KillRuns runs)
    {
        output.WriteLine(table.Text(runs));
        Assert.True(table.Findings.Count == 0, string.Join("\n\n", table.Findings.Select(f => $"{f.Harm}: {f.What}")));
    }

    private static string? FileOf(string name) => Environment.GetEnvironmentVariable("KILL_TABLE") is { Length: > 0 } file ? $"{file}.{name}" : null;

    private static int Number(string variable, int otherwise) =>
        Environment.GetEnvironmentVariable(variable) is { Length: > 0 } text ? int.Parse(text, CultureInfo.InvariantCulture) : otherwise;
}

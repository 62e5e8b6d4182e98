using System.Globalization;
using WatchParty.Worker.Hosting;
using Xunit.Abstractions;

namespace WatchParty.Worker.EngineTests.Reliability;

/// <summary>Nothing is lost, done twice, left down or left behind, wherever the worker is killed.</summary>
/// <remarks>KILL_RUNS runs of each point, and twenty times as many at random times; once and three times without it. The random times follow from KILL_SEED.
/// The tables go to the file that KILL_TABLE names.</remarks>
[Trait("Store", "Any")]
public sealed class KillTests(ITestOutputHelper output)
{
    private static int Runs => Number("KILL_RUNS", 1);

    [Fact]
    public void Every_kill_point_has_its_run() =>
        Assert.Equal(Enum.GetValues<KillPoint>(), Kill.All.Select(k => k.Point!.Value).Distinct().Order());

    [Fact]
    public Task Killed_at_any_point_it_settles_what_it_did() => RunAsync("points", Enumerable.Repeat(Kill.All, Runs).SelectMany(k => k).Select(k => (k, TimeSpan.Zero)));

    [Fact]
    public Task Killed_at_any_time_it_settles_what_it_did()
    {
#pragma warning disable CA5394 // The same kills again is what the seed is for.
        var random = new Random(Number("KILL_SEED", 1));
        var kill = new Kill(Work.Commit, null, MostNew: 2, MostOld: 1);
        return RunAsync("times", Enumerable.Range(0, Runs == 1 ? 3 : Runs * 20).Select(_ => (kill, TimeSpan.FromMilliseconds(random.Next(100, 6000)))));
#pragma warning restore CA5394
    }

    private async Task RunAsync(string name, IEnumerable<(Kill Kill, TimeSpan After)> kills)
    {
        await using var runs = await KillRuns.BeginAsync();
        var table = new KillTable(Environment.GetEnvironmentVariable("KILL_TABLE") is { Length: > 0 } file ? $"{file}.{name}" : null);
        foreach (var (kill, after) in kills) { await table.RunAsync(runs, kill, after); }
        output.WriteLine(table.Text(runs));
        Assert.True(table.Findings.Count == 0, string.Join("\n\n", table.Findings.Select(f => $"{f.Harm}: {f.What}")));
    }

    private static int Number(string variable, int otherwise) =>
        Environment.GetEnvironmentVariable(variable) is { Length: > 0 } text ? int.Parse(text, CultureInfo.InvariantCulture) : otherwise;
}

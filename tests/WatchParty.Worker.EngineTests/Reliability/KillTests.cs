using System.Globalization;
using WatchParty.Worker.Hosting;
using Xunit.Abstractions;

namespace WatchParty.Worker.EngineTests.Reliability;

/// <summary>Nothing is lost, done twice or left down, wherever the worker is killed.</summary>
/// <remarks>KILL_RUNS runs of each point and of random times (1 and 0 without it), from the seed KILL_SEED.</remarks>
[Trait("Store", "Any")]
public sealed class KillTests(ITestOutputHelper output)
{
    private static int Runs => int.Parse(Environment.GetEnvironmentVariable("KILL_RUNS") ?? "1", CultureInfo.InvariantCulture);

    private static int Seed => int.Parse(Environment.GetEnvironmentVariable("KILL_SEED") ?? "1", CultureInfo.InvariantCulture);

    [Fact]
    public void Every_kill_point_has_its_run() =>
        Assert.Equal(Enum.GetValues<KillPoint>(), Kill.All.Select(k => k.Point!.Value).Distinct().Order());

    [Fact]
    public async Task Killed_at_any_point_it_loses_nothing_does_nothing_twice_and_leaves_nothing_down()
    {
        await using var runs = await KillRuns.BeginAsync();
        var table = new KillTable();
        for (var run = 0; run < Runs; run++)
        {
            foreach (var kill in Kill.All) { table.Add(kill.Name, await runs.RunAsync(kill)); }
        }
        // The short form has these in each of its points.
        if (Runs > 1)
        {
#pragma warning disable CA5394 // The same kills again is what the seed is for.
            var random = new Random(Seed);
            var kill = new Kill(Work.Commit, null, MostNew: 2, MostOld: 1);
            for (var run = 0; run < Runs * 20; run++) { table.Add(kill.Name, await runs.RunAsync(kill, TimeSpan.FromMilliseconds(random.Next(100, 6000)))); }
#pragma warning restore CA5394
        }
        output.WriteLine(table.Text(runs));
        table.Save(runs);
        Assert.True(table.Findings.Count == 0, string.Join("\n\n", table.Findings.Select(f => $"{f.Harm}: {f.What}")));
    }
}

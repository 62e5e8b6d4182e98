using System.Globalization;

namespace WatchParty.Worker.Tests.Simulation;

/// <summary>Thousands of lives of a worker in simulated time. <c>SIMULATION_SEED=N</c> runs one of them alone; <c>SIMULATION_SEEDS=N</c> so
/// many.</summary>
public sealed class SimulationTests
{
    /// <summary>A run waits now and then for another thread; meanwhile another one goes on.</summary>
    private static int Parts => Environment.ProcessorCount * 2;

    private static int Number(string variable, int otherwise) =>
        Environment.GetEnvironmentVariable(variable) is { Length: > 0 } text ? int.Parse(text, CultureInfo.InvariantCulture) : otherwise;

    [Fact]
    public async Task Nothing_is_lost_or_done_twice_or_made_worse_whatever_happens()
    {
        var only = Number("SIMULATION_SEED", -1);
        var seeds = only >= 0 ? [only] : Enumerable.Range(0, Number("SIMULATION_SEEDS", 2_500)).ToList();
        var results = await Task.WhenAll(Enumerable.Range(0, Parts).Select(part => Task.Factory.StartNew(
            () => Run(seeds.Where((_, i) => i % Parts == part)), CancellationToken.None,
                TaskCreationOptions.LongRunning, TaskScheduler.Default)));

        var violations = results.SelectMany(r => r.Violations).ToList();
        Assert.True(violations.Count == 0,
            $"{violations.Count} of {seeds.Count} seeds. {violations.FirstOrDefault()}\n{string.Join('\n', violations.Select(v => v.Split('\n')[0]).Take(20))}");
        // Otherwise it would be easy to keep.
        var deployments = results.Sum(r => r.Deployments);
        Assert.True(only >= 0 || deployments > seeds.Count, $"only {deployments} deployments");
    }

    [Fact]
    public void A_seed_gives_the_same_run_each_time()
    {
        using var run = new SimulationRun(Without.Recovery);
        var seed = Enumerable.Range(0, 1000).First(s => run.Of(s) is not null);

        Assert.Equal(run.Of(seed), run.Of(seed));
    }

    [Theory]
    [InlineData(Without.TheGate, "I5")]
    [InlineData(Without.Recovery, "I1")]
    [InlineData(Without.Rollback, "I3")]
    [InlineData(Without.Quarantine, "I2")]
    [InlineData(Without.TheFlagStaying, "I4")]
    [InlineData(Without.KeptImages, "I3")]
    [InlineData(Without.FreshMarks, "I6")]
    [InlineData(Without.TheNewestCommit, "I1")]
    internal void A_worker_without_one_of_its_protections_is_found_out(Without without, string invariant)
    {
        using var run = new SimulationRun(without);

        // Some are seen in one run of a thousand.
        Assert.Contains(Enumerable.Range(0, 5000).Select(run.Of), v => v?.Contains($"{invariant}:", StringComparison.Ordinal) == true);
    }

    private static (List<string> Violations, int Deployments) Run(IEnumerable<int> seeds)
    {
        using var run = new SimulationRun();
        List<string> violations = [];
        foreach (var seed in seeds)
        {
            if (run.Of(seed) is { } violation) { violations.Add($"SIMULATION_SEED={seed} shows it again. {violation}"); }
        }
        return (violations, run.Deployments);
    }
}

using System.Globalization;

namespace WatchParty.Worker.Tests.Simulation;

/// <summary>Thousands of lives of a worker in simulated time. <c>SIMULATION_SEED=N</c> runs one of them alone; <c>SIMULATION_SEEDS=N</c> so many.</summary>
public sealed class SimulationTests : IDisposable
{
    private readonly SimulationRun _run = new();

    public void Dispose() => _run.Dispose();

    private static int Number(string variable, int otherwise) =>
        Environment.GetEnvironmentVariable(variable) is { Length: > 0 } text ? int.Parse(text, CultureInfo.InvariantCulture) : otherwise;

    [Fact]
    public void Nothing_is_lost_or_done_twice_or_made_worse_whatever_happens()
    {
        var only = Number("SIMULATION_SEED", -1);
        List<int> seeds = only >= 0 ? [only] : [.. Enumerable.Range(0, Number("SIMULATION_SEEDS", 10_000))];
        foreach (var seed in seeds)
        {
            if (_run.Of(seed) is { } violation) { Assert.Fail($"SIMULATION_SEED={seed} shows it again. {violation}"); }
        }
        // Otherwise it would be easy to keep.
        Assert.True(only >= 0 || _run.Deployments > seeds.Count, $"only {_run.Deployments} deployments");
    }

    [Fact]
    public void A_seed_gives_the_same_run_each_time()
    {
        var seed = Enumerable.Range(0, 1000).First(s => _run.Of(s, Without.Recovery) is not null);

        Assert.Equal(_run.Of(seed, Without.Recovery), _run.Of(seed, Without.Recovery));
    }

    [Theory]
    [InlineData(Without.TheGate, "I5")]
    [InlineData(Without.Recovery, "I3")]
    [InlineData(Without.Rollback, "I3")]
    [InlineData(Without.Quarantine, "I2")]
    [InlineData(Without.TheFlagStaying, "I4")]
    internal void A_worker_without_one_of_its_protections_is_found_out(Without without, string invariant) =>
        Assert.Contains(Enumerable.Range(0, 1000).Select(s => _run.Of(s, without)), v => v?.Contains($"{invariant}:", StringComparison.Ordinal) == true);
}

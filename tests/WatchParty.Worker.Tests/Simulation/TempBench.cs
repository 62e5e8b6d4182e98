
#pragma warning disable
using System.Diagnostics;
namespace WatchParty.Worker.Tests.Simulation;
public sealed class TempBench
{
    [Fact]
    public void Bench()
    {
        using var run = new SimulationRun();
        var p = Process.GetCurrentProcess();
        for (var i = 0; i < 60; i++) { run.Of(i); }
        p.Refresh(); var c = p.TotalProcessorTime;
        var gc = GC.GetTotalAllocatedBytes();
        int points = 0, starts = 0;
        SimulationRun.Starts = 0; SimulationRun.StartTicks = 0; World.Points = 0; World.Programs = 0;
        for (var i = 100; i < 300; i++) { run.Of(i); }
        p.Refresh();
        Assert.Fail($"cpu per seed {(p.TotalProcessorTime - c).TotalMilliseconds / 200} ms, alloc {(GC.GetTotalAllocatedBytes() - gc) / 200 / 1024} KB, deployments {run.Deployments}, starts {SimulationRun.Starts}, start cpu ms {SimulationRun.StartTicks * 1000.0 / Stopwatch.Frequency}, points {World.Points}, programs {World.Programs}");
    }
}

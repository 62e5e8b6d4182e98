using Microsoft.Extensions.Logging.Abstractions;
using WatchParty.Releases.Building;
using WatchParty.Releases.Caching;
using WatchParty.Releases.Planning;
using WatchParty.Releases.Recording;
using WatchParty.Releases.Releasing;
using WatchParty.Releases.Signals;
using WatchParty.Tools.Configuration;
using WatchParty.Worker.Tests.Recording;

namespace WatchParty.Worker.Tests.Releasing;

public sealed class ReleaseRecorderTests : IDisposable
{
    private readonly RecordBench _record = new();
    private readonly string _root = Directory.CreateTempSubdirectory("recorder-").FullName;

    public void Dispose()
    {
        _record.Dispose();
        Directory.Delete(_root, recursive: true);
    }

    [Theory]
    [InlineData(true, StepState.Executed, StepState.Executed)]
    [InlineData(false, StepState.Executed, StepState.Cached)]
    [InlineData(false)]
    internal void FreshBuild_IsOwedUntilItsTraceShowsStepsAndNoCachedOne(bool proven, params StepState[] steps)
    {
        var marks = new FreshMarks(_record.Database, _record.Time);
        marks.Add(["backend"], "a clear");
        var recorder = new ReleaseRecorder(
            new DeployOptions(), _record.History, StateFolder.Open(_root), new ProgressFeed(), new ReleaseListeners([], NullLogger<ReleaseListeners>.Instance), _record.Time, NullLogger<ReleaseRecorder>.Instance);
        var plan = RecordBench.Plan(RecordBench.Commit, "backend");
        plan = plan with { Services = [.. plan.Services.Select(s => s with { Fresh = s.Action == ServiceAction.Built })] };
        using (var release = recorder.Begin(new Detection(RecordBench.Commit, null, true, null), new ReleaseRequest("test"), new PhaseClock(_record.Time)))
        {
            release.Planned(plan);
            var basis = new BuildBasis(RecordBench.Commit, "FROM scratch", new Dictionary<string, string>(), new Dictionary<string, string>());
            release.Built([new BuiltImage(plan.Builds[0], "sha256:1", basis, TimeSpan.FromSeconds(1), [.. steps.Select((s, i) => RecordBench.Step($"RUN {i}", s))])], plan);
            Assert.Equal(proven, release.Succeeded().Services.Single(s => s.Name == "backend").Fresh);
        }
        Assert.Equal(proven ? [] : ["backend"], marks.All());
    }
}

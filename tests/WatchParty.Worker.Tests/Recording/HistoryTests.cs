using System.Text.Json;
using WatchParty.Releases.Planning;
using WatchParty.Releases.Recording;

namespace WatchParty.Worker.Tests.Recording;

public sealed class HistoryTests : IDisposable
{
    private const string Commit = RecordBench.Commit;
    private const string Other = RecordBench.Other;

    private readonly RecordBench _bench = new();

    private History History => _bench.History;

    public void Dispose() => _bench.Dispose();

    [Fact]
    public void Release_FromBeginToEnd_IsReadBackWhole()
    {
        var started = _bench.Time.GetUtcNow();
        var id = History.Begin(Commit, Other, "once by ann", forced: true);
        History.SaveLog(id, "/var/lib/watchparty/logs/release-1.log");
        History.SavePlan(id, RecordBench.Plan(Commit, "backend"), null);
        History.Note(id, "first");
        History.Note(id, "second \"quoted\"");
        History.SaveBuild(id, "backend", "sha256:1", null, TimeSpan.FromSeconds(7.8999),
            [RecordBench.Step("COPY . .", StepState.Cached), RecordBench.Step("RUN make", StepState.Executed), RecordBench.Step("RUN test", StepState.Failed, 2, "exit code: 1")],
            [new MissedStep("RUN make", 1.5, "a reason")], ["advice"]);
        _bench.Time.Advance(TimeSpan.FromSeconds(12));
        History.Finish(id, ReleaseOutcome.BuildFailed, "it failed", RecordBench.Seconds);

        var report = _bench.Elsewhere(h => h.Find(id))!;

        Assert.Equal(($"{id}", Commit, Other, "once by ann", true), (report.Release, report.Commit, report.PreviousCommit, report.Trigger, report.Forced));
        Assert.Equal((ReleaseOutcome.BuildFailed, "it failed", ReleaseState.Done), (report.Outcome, report.Error, report.State));
        Assert.Equal((started, started.AddSeconds(12)), (report.StartedAt, report.EndedAt));
        Assert.Equal(RecordBench.Seconds, report.Seconds);
        Assert.Equal(["first", "second \"quoted\""], report.Notes);
        Assert.Equal("/var/lib/watchparty/logs/release-1.log", report.Log);
        Assert.Equal(["backend", "frontend", "redis"], report.Services.Select(s => s.Name));
        var backend = report.Services[0];
        Assert.Equal((ServiceAction.Built, "backend/app changed", false, 7.9, "sha256:1"), (backend.Action, backend.Reason, backend.Fresh, backend.Seconds, backend.Image));
        Assert.Equal(new StepCounts(3, 1, 2), backend.Steps);
        Assert.Equal([new MissedStep("RUN make", 1.5, "a reason")], backend.Missed);
        Assert.Equal(new StepCounts(3, 1, 2), report.Steps);
        Assert.Equal(
            [("COPY . .", "Cached", 1.5, null), ("RUN make", "Executed", 1.5, null), ("RUN test", "Failed", 2.0, "exit code: 1")],
            _bench.Elsewhere(h => h.Steps(id)).Select(s => (s.Text, s.State, s.Seconds, s.Error)));
    }

    [Fact]
    public void Basis_OfBeforeThereWereDigests_IsReadWithoutThem()
    {
        const string Old = """{"commit":"abc","dockerfile":"FROM python","arguments":{},"baseImages":{"python":"sha256:1"}}""";

        Assert.Empty(JsonSerializer.Deserialize(Old, RecordJson.Default.BuildBasis)!.BaseDigests);
    }

    [Fact]
    public void Release_KeepsForHowLongTheSiteGaveNoAnswer()
    {
        var id = _bench.Release(Commit, ReleaseOutcome.Succeeded, "backend");
        Assert.Null(History.Find(id)!.SecondsWithoutAnswer);

        History.SaveUnanswered(id, new Dictionary<string, Unanswered> { ["http://127.0.0.1:8000/"] = new(1.3, 0.9) });

        var report = _bench.Elsewhere(h => h.Find(id))!;
        Assert.Equal([new("http://127.0.0.1:8000/", 1.3)], report.SecondsWithoutAnswer!);
        Assert.Equal([new("http://127.0.0.1:8000/", 0.9)], report.LongestWithoutAnswer!);
        Assert.Contains("\"secondsWithoutAnswer\":{\"http://127.0.0.1:8000/\":1.3}", JsonSerializer.Serialize(report, RecordJson.Readable.ReleaseReport), StringComparison.Ordinal);
    }

    [Fact]
    public void Commit_ThatANewerOneReplaced_IsARowThatCountsForNothing()
    {
        var id = History.Begin(Other, null, "poll", forced: false);
        History.Finish(id, ReleaseOutcome.Succeeded, null, RecordBench.Seconds);

        History.Supersede(Commit, "abc1234567", "poll");
        History.Supersede(Commit, "def1234567", "poll");
        History.Supersede(Other, "def1234567", "poll");

        var row = _bench.Elsewhere(h => h.Last(10))[0];
        Assert.Equal((Commit, Other, "poll", ReleaseOutcome.Superseded, ReleaseState.Done), (row.Commit, row.PreviousCommit, row.Trigger, row.Outcome, row.State));
        Assert.Equal("commit abc1234 came before it was released", row.Error);
        Assert.Equal(2, History.Last(10).Count);
        Assert.Equal((Other, Other), (History.Deployed()!.Commit, History.DeployedCommit()));
        Assert.Null(History.Quarantined(Commit));
        Assert.Empty(History.Unfinished());
        Assert.NotEqual(row.Release, $"{History.Begin(Commit, Other, "poll", forced: false)}");
    }

    [Theory]
    [InlineData(ReleaseState.Planning)]
    [InlineData(ReleaseState.Building)]
    [InlineData(ReleaseState.Deploying)]
    [InlineData(ReleaseState.Verifying)]
    [InlineData(ReleaseState.RollingBack)]
    public void State_IsOnDiskBeforeEnterReturns(object state)
    {
        var id = History.Begin(Commit, null, "poll", forced: false);
        History.Enter(id, (ReleaseState)state);

        Assert.Equal([new(id, Commit, (ReleaseState)state)], _bench.Elsewhere(h => h.Unfinished()));
    }

    [Fact]
    public void Release_ThatIsUnfinished_IsListedNewestFirstAndReadsAsInterrupted()
    {
        var first = History.Begin(Commit, null, "poll", forced: false);
        var second = History.Begin(Other, null, "poll", forced: false);
        History.Enter(second, ReleaseState.Verifying);

        Assert.Equal([new(second, Other, ReleaseState.Verifying), new(first, Commit, ReleaseState.Planning)], History.Unfinished());
        Assert.Equal((ReleaseOutcome.Interrupted, ReleaseState.Verifying, null), (History.Find(second)!.Outcome, History.Find(second)!.State, History.Find(second)!.EndedAt));
        Assert.Null(History.Deployed());

        History.Finish(second, ReleaseOutcome.Interrupted, null, PhaseSeconds.Zero);
        History.Finish(first, ReleaseOutcome.Interrupted, null, PhaseSeconds.Zero);
        Assert.Empty(History.Unfinished());
    }

    [Fact]
    public void Release_WhoseEndCouldNotBeWritten_IsClosedAndNotTakenForAKilledWorkers()
    {
        var id = History.Begin(Commit, null, "poll", forced: false);
        History.Enter(id, ReleaseState.Building);

        History.EndUnrecorded();

        Assert.Empty(History.Unfinished());
        Assert.Equal((ReleaseOutcome.Failed, ReleaseState.Done, "its end could not be recorded"), (History.Find(id)!.Outcome, History.Find(id)!.State, History.Find(id)!.Error));
    }

    [Fact]
    public void Release_ThatTheWorkerDidNotOutlive_IsCountedUntilItsCommitIsHealthy()
    {
        long Interrupted() => History.Interrupt(new(History.Begin(Commit, null, "poll", forced: false), Commit, ReleaseState.Building));

        Assert.Equal([1, 2, 3], new[] { Interrupted(), Interrupted(), Interrupted() });
        Assert.Equal((ReleaseOutcome.Interrupted, "the worker ended during Building"), (History.Last(1)[0].Outcome, History.Last(1)[0].Error));
        // A stop that was asked for is not the commit's doing.
        History.Finish(History.Begin(Other, null, "poll", forced: false), ReleaseOutcome.Interrupted, "the worker was stopped", PhaseSeconds.Zero);
        Assert.Equal(1, History.Interrupt(new(History.Begin(Other, null, "poll", forced: false), Other, ReleaseState.Planning)));
        _bench.Release(Commit, ReleaseOutcome.Succeeded);
        Assert.Equal(1, Interrupted());
    }

    [Fact]
    public void Releases_OfALostHistory_AreTakenUpWithTheirNumbers()
    {
        Assert.True(History.IsEmpty());
        Dictionary<string, (string, string?)> Services(long release) => new() { ["web"] = ("app-web:latest", $"sha256:{release}") };

        History.TakeUp([(7, Commit, "app", Services(7)), (5, Other, "app", Services(5))], last: 9, "found");

        Assert.False(History.IsEmpty());
        Assert.Equal((7, Commit, "sha256:7"), (History.Deployed()!.Id, History.Deployed()!.Commit, History.Deployed()!.Served.Services["web"].ImageId));
        Assert.Equal((5, Other), (History.FindHealthy(5)!.Id, History.FindHealthy(5)!.Commit));
        Assert.Null(History.Deployed()!.Services["web"].Inputs);
        Assert.Equal(["found"], History.Find(7)!.Notes!);
        Assert.Equal(10, History.Begin(Commit, null, "poll", forced: false));
    }

    [Fact]
    public void Number_ThatWasGivenBefore_IsNotGivenAgainWhenNothingCouldBeTakenUp()
    {
        History.TakeUp([], last: 41, "found");

        Assert.Equal(42, History.Begin(Commit, null, "poll", forced: false));
    }

    [Fact]
    public void Try_ThatFollowsAFailedOneOfTheSameCommit_TakesItsNumberOver()
    {
        var first = _bench.Release(Commit, ReleaseOutcome.Failed, "backend");
        var second = History.Begin(Commit, null, "poll", forced: false);

        Assert.Equal(first, second);
        Assert.Equal([$"{second}"], History.Last(10).Select(r => r.Release));
        Assert.Empty(History.Steps(second));
    }

    [Theory]
    [InlineData(ReleaseOutcome.BuildFailed, Commit)]
    [InlineData(ReleaseOutcome.RolledBack, Commit)]
    [InlineData(ReleaseOutcome.Succeeded, Commit)]
    [InlineData(ReleaseOutcome.Failed, Other)]
    public void Try_ThatFollowsAnythingElse_KeepsIt(object outcome, string commit)
    {
        var first = _bench.Release(commit, (ReleaseOutcome)outcome, "backend");
        var second = _bench.Release(Commit, ReleaseOutcome.Failed, "backend");

        Assert.Equal([$"{second}", $"{first}"], History.Last(10).Select(r => r.Release));
    }

    [Fact]
    public void Deployed_IsTheNewestHealthyReleaseWithImagesAndInputsOfAllServices()
    {
        var first = _bench.Release(Commit, ReleaseOutcome.Succeeded, "backend", "frontend");
        var second = _bench.Release(Other, ReleaseOutcome.Succeeded, "backend");
        _bench.Release("3333", ReleaseOutcome.BuildFailed, "frontend");

        var deployed = _bench.Elsewhere(h => h.Deployed())!;

        Assert.Equal((second, Other, RecordBench.Plan(Other).Model.ConfigurationHash), (deployed.Id, deployed.Commit, deployed.ConfigurationHash));
        Assert.Equal($"sha256:backend-{second}", deployed.Services["backend"].ImageId);
        Assert.Equal($"sha256:frontend-{first}", deployed.Services["frontend"].ImageId);
        Assert.Equal(
            new Dictionary<string, ServedService> { ["backend"] = new("app-backend", $"sha256:backend-{second}"), ["frontend"] = new("app-frontend", $"sha256:frontend-{first}") },
            deployed.Served.Services);
        Assert.Null(deployed.Services["frontend"].Inputs!.DifferenceFrom(RecordBench.Inputs("frontend", Other), null));
        Assert.Equal(Other, deployed.Services["frontend"].Commit);
        Assert.Null(deployed.Services["redis"].Inputs);
    }

    [Fact]
    public void Healthy_ListsOnlyHealthyReleasesNewestFirst()
    {
        var first = _bench.Release(Commit, ReleaseOutcome.Succeeded, "backend");
        var bad = _bench.Release(Other, ReleaseOutcome.RolledBack, "backend");
        var third = _bench.Release("3333", ReleaseOutcome.Succeeded, "backend");

        Assert.Equal([third, first], History.Healthy(5).Select(r => r.Id));
        Assert.Equal([third], History.Healthy(1).Select(r => r.Id));
        Assert.Equal(first, History.FindHealthy(first)!.Id);
        Assert.Null(History.FindHealthy(bad));
        Assert.Null(History.FindHealthy(999));
    }

    [Fact]
    public void Service_ThatTheDeploymentTouched_KeepsItsImageAndGetsTheAction()
    {
        var id = _bench.Release(Commit, ReleaseOutcome.Succeeded, "backend", "frontend");
        History.SaveAction(id, "frontend", "app-frontend", ServiceAction.Restarted, "its configuration changed");
        History.SaveAction(id, "mail", "", ServiceAction.Removed, "it is no longer in the compose file");

        var services = History.Find(id)!.Services;
        Assert.Equal(["backend", "frontend", "redis", "mail"], services.Select(s => s.Name));
        Assert.Equal((ServiceAction.Restarted, "its configuration changed", $"sha256:frontend-{id}"), (services[1].Action, services[1].Reason, services[1].Image));
        Assert.Equal(["backend", "frontend", "redis"], History.Deployed()!.Services.Keys.Order(StringComparer.Ordinal));
    }

    [Fact]
    public void Build_ThatIsNotProvenFresh_IsNoted()
    {
        var id = History.Begin(Commit, null, "poll", forced: true);
        var plan = RecordBench.Plan(Commit, "backend");
        History.SavePlan(id, plan with { Services = [.. plan.Services.Select(s => s with { Fresh = s.Name == "backend" })] }, null);
        Assert.True(History.Find(id)!.Services[0].Fresh);

        History.NotFresh(id, "backend");
        Assert.False(History.Find(id)!.Services[0].Fresh);
    }

    [Fact]
    public void Build_ThatIsSavedAgain_ReplacesItsSteps()
    {
        var id = _bench.Release(Commit, ReleaseOutcome.Succeeded, "backend");
        History.SaveBuild(id, "backend", "sha256:2", null, TimeSpan.Zero, [RecordBench.Step("RUN once", StepState.Executed)], [], []);

        Assert.Equal(["RUN once"], History.Steps(id).Select(s => s.Text));
    }

    [Theory]
    [InlineData("1111", true)]
    [InlineData(Commit, true)]
    [InlineData("3", false)]
    public void Commit_IsFoundByItsBeginning(string prefix, bool found)
    {
        _bench.Release(Commit, ReleaseOutcome.BuildFailed, "backend");
        var newest = _bench.Release(Commit, ReleaseOutcome.Succeeded, "backend");
        _bench.Release(Other, ReleaseOutcome.Succeeded, "backend");

        Assert.Equal(found ? $"{newest}" : null, History.FindByCommit(prefix)?.Release);
    }

    [Fact]
    public void Quarantine_HoldsUntilItIsLifted()
    {
        Assert.Null(History.Quarantined(Commit));
        History.Quarantine(Commit, 5, "it failed");
        History.Quarantine(Commit, 7, "it failed again");

        Assert.Equal((7L, "it failed again"), _bench.Elsewhere(h => h.Quarantined(Commit)));
        Assert.Null(History.Quarantined(Other));

        History.LiftQuarantine(Commit);
        Assert.Null(History.Quarantined(Commit));
    }

    [Fact]
    public void Secrets_InAddresses_AreMasked()
    {
        var id = History.Begin(Commit, null, "poll", forced: false);
        History.Note(id, "https://user:token@example.org/a");
        History.Quarantine(Commit, id, "https://user:token@example.org/b");
        History.Finish(id, ReleaseOutcome.Failed, "https://user:token@example.org/c", PhaseSeconds.Zero);

        var report = History.Find(id)!;
        Assert.Equal(["https://***@example.org/a"], report.Notes);
        Assert.Equal("https://***@example.org/c", report.Error);
        Assert.Equal("https://***@example.org/b", History.Quarantined(Commit)!.Value.Reason);
    }

    [Fact]
    public void Text_WithEveryCharacter_IsReadBack()
    {
        const string Text = "'; DROP TABLE release; -- \"ü\" \n\t$[#] %_";
        var id = History.Begin(Commit, null, Text, forced: false);
        History.Note(id, Text);
        History.Finish(id, ReleaseOutcome.Failed, Text, PhaseSeconds.Zero);

        var report = History.Find(id)!;
        Assert.Equal((Text, Text, Text), (report.Trigger, report.Notes![0], report.Error));
    }

    [Fact]
    public void Housekeeping_IsReadBackByItsKind()
    {
        var now = _bench.Time.GetUtcNow();
        HousekeepingReport Report(string kind, int records) => new(kind, "schedule", "Done", ["all"], records, 1, 5, 0.1, 0.2, null, now, now);
        History.Save(Report("prune", 10));
        History.Save(Report("prune", 20));
        History.Save(Report("clear", 30));

        Assert.Equal(20, _bench.Elsewhere(h => h.LastHousekeeping("prune"))!.RecordsBefore);
        Assert.Equal(30, History.LastHousekeeping("clear")!.RecordsBefore);
        Assert.Null(History.LastHousekeeping("other"));
    }

    [Fact]
    public void FirstStart_StaysWhatItWas()
    {
        var first = History.FirstStart();
        _bench.Time.Advance(TimeSpan.FromDays(1));

        Assert.Equal(first, History.FirstStart());
        Assert.Equal(_bench.Time.GetUtcNow() - TimeSpan.FromDays(1), first);
    }
}

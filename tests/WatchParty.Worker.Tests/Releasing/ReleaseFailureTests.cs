using Microsoft.Data.Sqlite;
using WatchParty.Releases.Building;
using WatchParty.Releases.Recording;
using WatchParty.Releases.Releasing;
using WatchParty.Releases.Verifying;
using WatchParty.Tools.Failures;
using WatchParty.Tools.Processes;

namespace WatchParty.Worker.Tests.Releasing;

public sealed class ReleaseFailureTests
{
    private static readonly Dictionary<string, Exception> Exceptions = new()
    {
        ["commit does not build"] = new BuildFailedException("words", Remedy.NeedsNewCommit),
        ["registry is away"] = new BuildFailedException("words", Remedy.RetriedByItself),
        ["image is gone"] = new BuildFailedException("words", Remedy.NeedsPerson),
        ["unhealthy"] = new UnhealthyException("words"),
        ["tool"] = new ToolFailedException(new ToolCommand("docker"), 1, "words"),
        ["killed tool"] = new ToolFailedException(new ToolCommand("docker"), 137, "words"),
        ["engine is away"] = new WorkerException("words", Remedy.RetriedByItself),
        ["person"] = new WorkerException("words", Remedy.NeedsPerson),
        ["commit"] = new WorkerException("words", Remedy.NeedsNewCommit),
        ["record"] = new WorkerException("words", Remedy.RetriedByItself, new SqliteException("database or disk is full", 13)),
        ["disk"] = new IOException("words"),
        ["rights"] = new UnauthorizedAccessException("words"),
        ["fault"] = new InvalidOperationException("words"),
        ["cancelled"] = new OperationCanceledException("words"),
    };

    [Theory]
    [InlineData("commit does not build", false, ReleaseOutcome.BuildFailed, true)]
    [InlineData("registry is away", false, ReleaseOutcome.Failed, false)]
    [InlineData("image is gone", false, ReleaseOutcome.Failed, false)]
    [InlineData("unhealthy", true, ReleaseOutcome.DeployFailed, true)]
    [InlineData("tool", false, ReleaseOutcome.Failed, false)]
    [InlineData("tool", true, ReleaseOutcome.DeployFailed, true)]
    [InlineData("killed tool", false, ReleaseOutcome.Failed, false)]
    [InlineData("killed tool", true, ReleaseOutcome.DeployFailed, false)]
    [InlineData("engine is away", false, ReleaseOutcome.Failed, false)]
    [InlineData("engine is away", true, ReleaseOutcome.Failed, false)]
    [InlineData("person", false, ReleaseOutcome.Failed, false)]
    [InlineData("commit", false, ReleaseOutcome.Failed, true)]
    [InlineData("record", false, ReleaseOutcome.Failed, false)]
    [InlineData("record", true, ReleaseOutcome.DeployFailed, false)]
    [InlineData("disk", false, ReleaseOutcome.Failed, false)]
    [InlineData("rights", true, ReleaseOutcome.Failed, false)]
    [InlineData("fault", false, ReleaseOutcome.Failed, false)]
    [InlineData("cancelled", false, ReleaseOutcome.Failed, false)]
    public void Failure_FollowsFromTheException(string name, bool deploying, object outcome, bool commitAtFault)
    {
        var failure = ReleaseFailure.Of(Exceptions[name], deploying, CancellationToken.None);

        Assert.Equal((outcome, commitAtFault), (failure.Outcome, failure.CommitAtFault));
        Assert.Contains("words", failure.Error, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void Stop_IsAnInterruptionAndNobodysFault(bool deploying) => Assert.Equal(
        new ReleaseFailure(ReleaseOutcome.Interrupted, "the worker was stopped", false),
        ReleaseFailure.Of(new OperationCanceledException(), deploying, new CancellationToken(canceled: true)));

    [Fact]
    public void Build_ThatGaveWayToANewerCommit_IsSupersededAndNobodysFault() => Assert.Equal(
        new ReleaseFailure(ReleaseOutcome.Superseded, "commit abc1234 came before it was released", false),
        ReleaseFailure.Of(new OperationCanceledException(), false, CancellationToken.None, supersededBy: "abc1234567"));

    [Theory]
    [InlineData("commit does not build", false, false, ReleaseOutcome.BuildFailed)]
    [InlineData("cancelled", true, false, ReleaseOutcome.Failed)]
    [InlineData("cancelled", false, true, ReleaseOutcome.Interrupted)]
    public void Failure_WithANewerCommit_IsStillTheFailure(string name, bool deploying, bool stopped, object outcome) =>
        Assert.Equal(outcome, ReleaseFailure.Of(Exceptions[name], deploying, new CancellationToken(stopped), supersededBy: "abc1234567").Outcome);

    [Fact]
    public void Failure_WhileStopping_IsStillTheFailure() =>
        Assert.Equal(ReleaseOutcome.BuildFailed, ReleaseFailure.Of(Exceptions["commit does not build"], false, new CancellationToken(canceled: true)).Outcome);

    [Fact]
    public void Fault_ThatNobodyExpected_SaysSoWithItsPlace() =>
        Assert.StartsWith("an unexpected fault of the worker: System.InvalidOperationException", ReleaseFailure.Of(Exceptions["fault"], false, CancellationToken.None).Error, StringComparison.Ordinal);
}

using System.Threading.Channels;
using WatchParty.Releases.Recording;
using WatchParty.Releases.Releasing;
using WatchParty.Tools.Configuration;
using WatchParty.Tools.Failures;
using WatchParty.Worker.Operating;
using WatchParty.Worker.Tests.Fakes;
using WatchParty.Worker.Tests.Recording;
using WatchParty.Worker.Triggering;

namespace WatchParty.Worker.Tests.Triggering;

public sealed class ReleasingServiceTests : IAsyncLifetime
{
    private const string A = "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa";
    private const string B = "bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb";
    private const string C = "cccccccccccccccccccccccccccccccccccccccc";

    private readonly RecordBench _record = new();
    private readonly WorkerOptions _options = new();
    private readonly RecordingLogger<ReleasingService> _log = new();
    private readonly CancellationTokenSource _limit = new(TimeSpan.FromMinutes(1));
    private readonly Channel<Asked> _asked = Channel.CreateUnbounded<Asked>();
    private readonly TaskCompletionSource _waits = new();
    private Task _otherWork = Task.CompletedTask;
    private readonly Heartbeat _heartbeat;
    private readonly NewestCommit _newest;
    private readonly ReleasingService _service;

    public ReleasingServiceTests()
    {
        _heartbeat = new Heartbeat(_record.Time);
        _newest = new NewestCommit(_options.Build, _record.History);
        _service = new ReleasingService(ReleaseAsync, _newest, _record.History, _options, _heartbeat, _record.Time, _log);
    }

    public Task InitializeAsync() => _service.StartAsync(CancellationToken.None);

    public async Task DisposeAsync()
    {
        await _service.StopAsync(CancellationToken.None);
        _service.Dispose();
        _newest.Dispose();
        _record.Dispose();
        _limit.Dispose();
    }

    [Theory]
    [InlineData(1, 30)]
    [InlineData(2, 60)]
    [InlineData(3, 120)]
    [InlineData(4, 240)]
    [InlineData(5, 300)]
    [InlineData(6, 300)]
    [InlineData(100_000, 300)]
    public void Wait_AfterEachFailure_DoublesUpToTenIntervals(int failures, int seconds) =>
        Assert.Equal(TimeSpan.FromSeconds(seconds), ReleasingService.WaitAfter(failures, TimeSpan.FromSeconds(30)));

    [Fact]
    public async Task Commits_ThatComeDuringARelease_AreCoalescedAndOnlyTheNewestIsReleasedNext()
    {
        _newest.See(A);
        var first = await NextAsync();
        Assert.Null(_newest.Next);
        _newest.See(B);
        _newest.See(C);
        Assert.Equal(C, _newest.Next);
        Assert.False(first.Superseded.IsCancellationRequested);
        first.End(ReleaseOutcome.Succeeded);

        var second = await NextAsync();

        Assert.Equal((A, C), (first.Commit, second.Commit));
        second.End(ReleaseOutcome.Succeeded);
        await HasNothingToDoAsync(C);
        Assert.Equal([("Succeeded", C), ("Superseded", B), ("Succeeded", A)], Rows());
        Assert.Equal($"commit {C[..7]} came before it was released", _record.History.FindByCommit(B)!.Error);
        Assert.Equal((C, null), (_record.History.Deployed()!.Commit, _record.History.Quarantined(B)));
    }

    [Fact]
    public async Task Commit_ThatAnotherReplacesWhileOtherWorkIsDone_IsNotReleased()
    {
        var otherWork = new TaskCompletionSource();
        _otherWork = otherWork.Task;
        _newest.See(A);
        await _waits.Task.WaitAsync(_limit.Token);
        _newest.See(B);
        otherWork.SetResult();

        var only = await NextAsync();

        Assert.Equal(B, only.Commit);
        only.End(ReleaseOutcome.Succeeded);
        await HasNothingToDoAsync(B);
        Assert.Equal([("Succeeded", B), ("Superseded", A)], Rows());
    }

    [Fact]
    public async Task Commit_ThatIsDeployedOrQuarantined_IsNotReleased()
    {
        var release = _record.History.Begin(A, null, "poll", false);
        _record.History.Finish(release, ReleaseOutcome.Succeeded, null, RecordBench.Seconds);
        release = _record.History.Begin(B, A, "poll", false);
        _record.History.Finish(release, ReleaseOutcome.BuildFailed, "words", RecordBench.Seconds);
        _record.History.Quarantine(B, release, "words");

        await HasNothingToDoAsync(A);
        await HasNothingToDoAsync(B);
        await HasNothingToDoAsync(A);

        Assert.Equal(2, Rows().Count);
    }

    [Fact]
    public async Task Build_WhenTheSettingSaysSo_EndsForANewerCommitButNotTwiceInARow()
    {
        _options.Build.CancelOnNewerCommit = true;
        _newest.See(A);
        var first = await NextAsync();
        _newest.See(A);
        Assert.False(first.Superseded.IsCancellationRequested);
        _newest.See(B);
        _newest.See(C);
        await CancelledAsync(first.Superseded);
        Assert.Equal(B, _newest.SupersededBy);
        first.End(ReleaseOutcome.Superseded);

        // The pushes never end, and yet this one is released.
        var second = await NextAsync();
        Assert.Equal(C, second.Commit);
        _newest.See(A);
        _newest.See(B);
        Assert.False(second.Superseded.IsCancellationRequested);
        Assert.Null(_newest.SupersededBy);
        second.End(ReleaseOutcome.Succeeded);

        var third = await NextAsync();
        Assert.Equal(B, third.Commit);
        _newest.See(C);
        await CancelledAsync(third.Superseded);
        third.End(ReleaseOutcome.Superseded);
        // C is deployed already.
        await HasNothingToDoAsync(C);
    }

    [Fact]
    public async Task Release_ThatFailed_IsTriedAgainLessAndLessOftenAndANewerCommitAtOnce()
    {
        _newest.See(A);
        (await NextAsync()).End(ReleaseOutcome.Failed);
        await HasNothingToDoAsync(A);
        _record.Time.Advance(_options.Repository.PollInterval);
        _newest.See(A);
        (await NextAsync()).Fail(new WorkerException("the engine is away", Remedy.RetriedByItself));
        await HasNothingToDoAsync(A);
        Assert.Contains("the engine is away", Assert.Single(_log.Entries).Message, StringComparison.Ordinal);
        Assert.Equal($"commit {A[..7]} could not be released and is tried again: the engine is away", _newest.Trouble);
        _record.Time.Advance(_options.Repository.PollInterval);
        await HasNothingToDoAsync(A);
        _newest.See(B);

        var newer = await NextAsync();

        Assert.Equal(B, newer.Commit);
        newer.End(ReleaseOutcome.Succeeded);
        await HasNothingToDoAsync(B);
        Assert.Null(_newest.Trouble);
        // Its failure says more than that it was superseded.
        Assert.Equal([("Succeeded", B), ("Failed", A)], Rows());
    }

    [Fact]
    public async Task Release_ThatIsTakenBackAgainAndAgainForAReasonOutsideOfIt_IsTriedThreeTimes()
    {
        // What failed before a container was touched does not count.
        foreach (var outcome in new[] { ReleaseOutcome.Failed, ReleaseOutcome.Failed, ReleaseOutcome.RolledBack, ReleaseOutcome.DeployFailed, ReleaseOutcome.RolledBack })
        {
            Assert.Null(_record.History.Quarantined(A));
            _newest.See(A);
            (await NextAsync()).End(outcome);
            await HasNothingToDoAsync(A);
            _record.Time.Advance(10 * _options.Repository.PollInterval);
        }

        await HasNothingToDoAsync(A);
        Assert.StartsWith("it was taken back 3 times,", _record.History.Quarantined(A)!.Value.Reason, StringComparison.Ordinal);
        Assert.Contains("once --force-rebuild", Assert.Single(_log.Entries).Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Disk_ThatIsFullForLong_IsNoBug()
    {
        for (var time = 0; time < 5; time++)
        {
            _record.Time.Advance(10 * _options.Repository.PollInterval);
            _newest.See(A);
            (await NextAsync()).Fail(new IOException("No space left on device"));
            await HasNothingToDoAsync(A);
        }
        Assert.False(_service.ExecuteTask!.IsCompleted);
    }

    [Fact]
    public async Task Bug_InOneRelease_LeavesTheLoopAliveAndTheThirdInARowEndsIt()
    {
        async Task FailAsync()
        {
            _record.Time.Advance(10 * _options.Repository.PollInterval);
            _newest.See(A);
            (await NextAsync()).Fail(new InvalidOperationException("a bug"));
            await HasNothingToDoAsync(A);
        }
        await FailAsync();
        await FailAsync();
        _newest.See(B);
        (await NextAsync()).End(ReleaseOutcome.Succeeded);
        await FailAsync();
        await FailAsync();
        Assert.False(_service.ExecuteTask!.IsCompleted);

        await FailAsync();

        Assert.Equal("a bug", (await Assert.ThrowsAsync<InvalidOperationException>(() => _service.ExecuteTask.WaitAsync(_limit.Token))).Message);
        Assert.Equal(4, _log.Entries.Count(e => e.Message.Contains("unexpected fault", StringComparison.Ordinal)));
    }

    [Fact]
    public async Task Commits_ThatComeByTheHundredDuringABuild_LeadToOneMoreReleaseAndAllAreRecorded()
    {
        _newest.See(A);
        var first = await NextAsync();
        var pushed = Enumerable.Range(1, 100).Select(i => $"{i:x40}").ToList();
        foreach (var commit in pushed) { _newest.See(commit); }
        first.End(ReleaseOutcome.Succeeded);

        var second = await NextAsync();

        Assert.Equal(pushed[^1], second.Commit);
        second.End(ReleaseOutcome.Succeeded);
        await HasNothingToDoAsync(pushed[^1]);
        Assert.Equal([("Succeeded", pushed[^1]), .. pushed.SkipLast(1).Reverse().Select(c => ("Superseded", c)), ("Succeeded", A)], _record.History.Last(200).Select(r => (r.Outcome.ToString(), r.Commit)));
    }

    [Fact]
    public async Task Watchdog_DuringARelease_ExpectsItsEndAndWhenIdleNothing()
    {
        _newest.See(A);
        var release = await NextAsync();
        _record.Time.Advance(Operations.Limit(_options));
        Assert.True(_heartbeat.Alive(out _));
        _record.Time.Advance(TimeSpan.FromSeconds(1));
        Assert.False(_heartbeat.Alive(out var silent));
        Assert.Equal("releases", silent);

        release.End(ReleaseOutcome.Succeeded);
        await HasNothingToDoAsync(A);

        _record.Time.Advance(TimeSpan.FromDays(1));
        Assert.True(_heartbeat.Alive(out _));
    }

    /// <summary>What the service asked for, and what has become of it.</summary>
    private sealed record Asked(string Commit, TaskCompletionSource<ReleaseOutcome> Ended, CancellationToken Superseded)
    {
        public void End(ReleaseOutcome outcome) => Ended.SetResult(outcome);

        public void Fail(Exception exception) => Ended.SetException(exception);
    }

    /// <summary>Stands in for the pipeline: takes the commit when its turn comes, and records what the test says.</summary>
    private async Task<ReleaseReport> ReleaseAsync(ReleaseRequest request, CancellationToken cancellationToken)
    {
        Assert.Equal("poll", request.Trigger);
        _waits.TrySetResult();
        await _otherWork.WaitAsync(cancellationToken);
        var commit = request.Newest!.Take();
        var release = _record.History.Begin(commit, _record.History.DeployedCommit(), request.Trigger, request.ForceRebuild);
        var asked = new Asked(commit, new TaskCompletionSource<ReleaseOutcome>(TaskCreationOptions.RunContinuationsAsynchronously), request.Newest.Superseded);
        _asked.Writer.TryWrite(asked);
        var outcome = ReleaseOutcome.Failed;
        try
        {
            outcome = await asked.Ended.Task.WaitAsync(cancellationToken);
        }
        finally
        {
            _record.History.Finish(release, outcome, null, RecordBench.Seconds);
        }
        return _record.History.Find(release)!;
    }

    private async Task<Asked> NextAsync() => await _asked.Reader.ReadAsync(_limit.Token);

    /// <summary>A poll that finds <paramref name="commit"/> leads to no release.</summary>
    private async Task HasNothingToDoAsync(string commit)
    {
        _newest.See(commit);
        // What is seen is taken up at once or, after a release, as soon as its end is.
        await Task.Delay(TimeSpan.FromMilliseconds(100), TimeProvider.System, _limit.Token);
        Assert.False(_asked.Reader.TryPeek(out var asked), $"{asked?.Commit} is released");
    }

    private async Task CancelledAsync(CancellationToken token)
    {
        var cancelled = new TaskCompletionSource();
        await using var registration = token.Register(cancelled.SetResult);
        await cancelled.Task.WaitAsync(_limit.Token);
    }

    /// <summary>Outcome and commit of every row, newest first.</summary>
    private List<(string Outcome, string Commit)> Rows() => [.. _record.History.Last(100).Select(r => (r.Outcome.ToString(), r.Commit))];
}

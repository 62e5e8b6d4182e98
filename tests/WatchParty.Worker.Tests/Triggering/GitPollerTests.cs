using System.Collections.Concurrent;
using System.Threading.Channels;
using WatchParty.Tools.Failures;
using WatchParty.Worker.Tests.Fakes;
using WatchParty.Worker.Triggering;

namespace WatchParty.Worker.Tests.Triggering;

public sealed class GitPollerTests : IAsyncLifetime
{
    private static readonly TimeSpan Interval = TimeSpan.FromSeconds(30);
    private readonly ManualTimeProvider _clock = new();
    private readonly RecordingLogger<GitPoller> _log = new();
    private readonly Channel<string> _heads = Channel.CreateUnbounded<string>();
    private readonly ConcurrentQueue<TimeSpan> _expected = new();
    // A test that waits for something that never comes shall fail, not hang.
    private readonly CancellationTokenSource _stop = new(TimeSpan.FromMinutes(1));
    private GitSandbox _sandbox = null!;
    private GitPoller _poller = null!;
    private Task _running = Task.CompletedTask;

    public async Task InitializeAsync()
    {
        _sandbox = await GitSandbox.CreateAsync();
        var options = _sandbox.Options(o => o.PollInterval = Interval);
        _poller = new GitPoller(_sandbox.Repository(options), options, _clock, _log);
    }

    public async Task DisposeAsync()
    {
        await _stop.CancelAsync();
        await _running.ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        _stop.Dispose();
        _sandbox.Dispose();
    }

    [Fact]
    public async Task Run_WithARemoteThatAnswers_ReportsItsHeadEachIntervalPlusUpToAFifth()
    {
        Start();
        var first = await NextHeadAsync();
        var waited = await _clock.AdvanceToNextTimerAsync(_stop.Token);
        Assert.InRange(waited, Interval, Interval * 1.2);
        Assert.Equal(first, await NextHeadAsync());

        var pushed = await _sandbox.PushAsync("second", ("app.txt", "two\n"));
        await _clock.AdvanceToNextTimerAsync(_stop.Token);

        Assert.Equal(pushed, await NextHeadAsync());
        Assert.Null(_poller.State.Error);
        Assert.Equal(_clock.GetUtcNow(), _poller.State.LastSuccess);
        Assert.Empty(_log.Entries);
    }

    [Fact]
    public async Task Run_WhileTheRemoteFails_WaitsLongerUpToTenfoldAndReportsOnceUntilItRecovers()
    {
        Start();
        await NextHeadAsync();
        Directory.Move(_sandbox.Remote, _sandbox.Remote + ".away");
        await _clock.AdvanceToNextTimerAsync(_stop.Token);

        List<TimeSpan> waits = [];
        for (var i = 0; i < 12; i++) { waits.Add(await _clock.AdvanceToNextTimerAsync(_stop.Token)); }

        Assert.All(waits, w => Assert.InRange(w, TimeSpan.Zero, 10 * Interval));
        Assert.True(waits[^1] > 3 * Interval, $"the waits do not grow: {string.Join(", ", waits)}");
        Assert.Contains("does not appear to be a git repository", Assert.Single(_log.Warnings), StringComparison.Ordinal);
        Assert.Contains("does not appear", _poller.State.Error, StringComparison.Ordinal);
        Assert.NotNull(_poller.State.LastSuccess);
        Assert.True(_poller.State.Since < _clock.GetUtcNow());

        Directory.Move(_sandbox.Remote + ".away", _sandbox.Remote);
        while (_poller.State.Error is not null) { await _clock.AdvanceToNextTimerAsync(_stop.Token); await Task.Yield(); }

        Assert.Contains("answers again after", _log.Entries.Last().Message, StringComparison.Ordinal);
        Assert.Equal(2, _log.Entries.Count);
        Assert.Equal(_poller.State.LastSuccess, _poller.State.Since);
    }

    [Fact]
    public async Task Run_WhenTheReasonChanges_ReportsTheNewOne()
    {
        Directory.Move(_sandbox.Remote, _sandbox.Remote + ".away");
        Start();
        await _clock.AdvanceToNextTimerAsync(_stop.Token);
        await _clock.AdvanceToNextTimerAsync(_stop.Token);

        await _sandbox.InCheckoutAsync("config", "core.gitProxy", "evil");
        while (_log.Entries.Count < 2) { await _clock.AdvanceToNextTimerAsync(_stop.Token); }

        Assert.Contains("core.gitproxy", _log.Entries.Last().Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Run_WhenTheBranchIsDeleted_ReportsItAndPollsOn()
    {
        await _sandbox.GitAsync(_sandbox.Remote, "update-ref", "-d", "refs/heads/main");
        Start();
        for (var i = 0; i < 3; i++) { Assert.InRange(await _clock.AdvanceToNextTimerAsync(_stop.Token), Interval, Interval * 1.2); }
        Assert.Contains("has no branch main", Assert.Single(_log.Warnings), StringComparison.Ordinal);

        var pushed = await _sandbox.PushAsync("back", ("app.txt", "back\n"));
        await _clock.AdvanceToNextTimerAsync(_stop.Token);

        Assert.Equal(pushed, await NextHeadAsync());
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task PollNow_DuringAWait_LooksAtOnce(bool failing)
    {
        if (failing) { Directory.Move(_sandbox.Remote, _sandbox.Remote + ".away"); }
        Start();
        if (failing)
        {
            await _clock.AdvanceToNextTimerAsync(_stop.Token);
            while (_poller.State.Error is null) { await Task.Delay(TimeSpan.FromMilliseconds(10), TimeProvider.System, _stop.Token); }
            Directory.Move(_sandbox.Remote + ".away", _sandbox.Remote);
        }
        else
        {
            await NextHeadAsync();
        }

        _poller.PollNow();

        await NextHeadAsync();
    }

    [Fact]
    public async Task Run_AfterTheWholeProcessStoodStill_LooksOnceAndNotForEachMissedInterval()
    {
        Start();
        await NextHeadAsync();
        while (_clock.NextDue is null) { await Task.Yield(); }

        _clock.Advance(TimeSpan.FromHours(5));

        await NextHeadAsync();
        Assert.InRange(await _clock.AdvanceToNextTimerAsync(_stop.Token), Interval, Interval * 1.2);
        await NextHeadAsync();
        Assert.False(_heads.Reader.TryRead(out _));
    }

    [Fact]
    public async Task Run_BeforeEveryLookAndWait_SaysWhenItWillBeHeardOfAgain()
    {
        Start();
        for (var i = 0; i < 3; i++)
        {
            await NextHeadAsync();
            await _clock.AdvanceToNextTimerAsync(_stop.Token);
        }

        var expected = _expected.ToArray();
        Assert.Equal(GitPoller.LookLimit, expected[0]);
        Assert.InRange(expected[1], Interval, Interval * 1.2);
        Assert.Equal(GitPoller.LookLimit, expected[2]);
        Assert.InRange(expected[3], Interval, Interval * 1.2);
    }

    [Fact]
    public async Task Run_WhenTheHandlerThrows_EndsWithItsError()
    {
        _running = _poller.RunAsync((_, _) => throw new WorkerException("full", Remedy.NeedsPerson), _ => { }, _stop.Token);

        Assert.Equal("full", (await Assert.ThrowsAsync<WorkerException>(() => _running)).Message);
        _poller.PollNow();
    }

    private void Start() => _running = _poller.RunAsync(async (head, cancel) => await _heads.Writer.WriteAsync(head, cancel), _expected.Enqueue, _stop.Token);

    private async Task<string> NextHeadAsync() => await _heads.Reader.ReadAsync(_stop.Token);
}

using WatchParty.Tools.Failures;
using WatchParty.Worker.Operating;
using WatchParty.Worker.Tests.Fakes;

namespace WatchParty.Worker.Tests.Operating;

public sealed class WorkGateTests : IDisposable
{
    private readonly ManualTimeProvider _time = new();
    private readonly WorkGate _gate;

    public WorkGateTests() => _gate = new WorkGate(_time);

    public void Dispose() => _gate.Dispose();

    [Fact]
    public async Task Works_AreDoneOneAtATimeInTheOrderOfAsking()
    {
        List<string> log = [];
        var first = new TaskCompletionSource();
        Task<int> Ask(int number, Task until) => _gate.RunAsync($"work {number}", async _ =>
        {
            log.Add($"{number} begins");
            await until;
            log.Add($"{number} ends");
            return number;
        }, CancellationToken.None);

        var all = Enumerable.Range(1, 5).Select(n => Ask(n, n == 1 ? first.Task : Task.CompletedTask)).ToList();
        Assert.Equal(4, _gate.Waiting);
        Assert.Equal(["1 begins"], log);
        first.SetResult();

        var results = await Task.WhenAll(all);
        Assert.Equal([1, 2, 3, 4, 5], results);
        Assert.Equal(Enumerable.Range(1, 5).SelectMany(n => new[] { $"{n} begins", $"{n} ends" }), log);
        Assert.Equal(0, _gate.Waiting);
    }

    [Fact]
    public async Task Current_SaysWhatIsDoneAndSinceWhen()
    {
        var begun = _time.GetUtcNow();
        Assert.Null(_gate.Current);

        await _gate.RunAsync("prune (schedule)", _ =>
        {
            _time.Advance(TimeSpan.FromMinutes(1));
            Assert.Equal(new CurrentWork("prune (schedule)", begun), _gate.Current);
            return Task.FromResult(true);
        }, CancellationToken.None);
        Assert.Null(_gate.Current);
    }

    [Fact]
    public async Task Work_ThatFails_LetsTheNextOneThrough()
    {
        await Assert.ThrowsAsync<WorkerException>(() => _gate.RunAsync<int>("one", _ => throw new WorkerException("words", Remedy.NeedsPerson), CancellationToken.None));

        Assert.Equal(2, await _gate.RunAsync("two", _ => Task.FromResult(2), CancellationToken.None));
    }

    [Fact]
    public async Task Waiter_ThatIsCancelled_NeverBeginsAndKeepsNobodyWaiting()
    {
        var first = new TaskCompletionSource<int>();
        using var stop = new CancellationTokenSource();
        var running = _gate.RunAsync("one", _ => first.Task, CancellationToken.None);
        var waiting = _gate.RunAsync<int>("two", _ => throw new InvalidOperationException(), stop.Token);
        var next = _gate.RunAsync("three", _ => Task.FromResult(3), CancellationToken.None);

        await stop.CancelAsync();
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => waiting);
        Assert.Equal(1, _gate.Waiting);
        first.SetResult(1);

        Assert.Equal(1, await running);
        Assert.Equal(3, await next);
    }

    [Fact]
    public async Task Work_GetsTheTokenOfWhoAsked()
    {
        using var stop = new CancellationTokenSource();

        await _gate.RunAsync("one", token =>
        {
            Assert.Equal(stop.Token, token);
            return Task.FromResult(true);
        }, stop.Token);
    }

    [Fact]
    public async Task MinorWork_GivesWayAtOnceToWhatComesAndBeginsOnlyWhenNothingWaits()
    {
        List<string> log = [];
        var minor = _gate.RunGivingWayAsync("minor", async token =>
        {
            log.Add("minor begins");
            await Task.Delay(Timeout.InfiniteTimeSpan, _time, token);
        }, CancellationToken.None);
        Assert.Equal("minor", _gate.Current?.Work);
        var (first, second) = (new TaskCompletionSource(), new TaskCompletionSource());
        Task<bool> Ask(string name, Task until) => _gate.RunAsync(name, async _ =>
        {
            log.Add(name);
            await until;
            return true;
        }, CancellationToken.None);

        var release = Ask("release", first.Task);
        Assert.False(await minor);
        var again = _gate.RunGivingWayAsync("minor", _ =>
        {
            log.Add("minor again");
            return Task.CompletedTask;
        }, CancellationToken.None);
        var clear = Ask("clear", second.Task);
        first.SetResult();
        await release;
        // It asked before the clear did, and still lets it go first.
        Assert.False(await again);
        second.SetResult();
        await clear;

        Assert.Equal(["minor begins", "release", "clear"], log);
        Assert.True(await _gate.RunGivingWayAsync("minor", _ => Task.CompletedTask, CancellationToken.None));
        Assert.Null(_gate.Current);
    }

    [Fact]
    public async Task MinorWork_ThatIsStoppedFromOutside_SaysSo()
    {
        using var stop = new CancellationTokenSource();
        var minor = _gate.RunGivingWayAsync("minor", token => Task.Delay(Timeout.InfiniteTimeSpan, _time, token), stop.Token);
        await stop.CancelAsync();

        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => minor);
        Assert.Equal(1, await _gate.RunAsync("one", _ => Task.FromResult(1), CancellationToken.None));
    }
}

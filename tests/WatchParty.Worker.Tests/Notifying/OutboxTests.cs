using WatchParty.Worker.Notifying;
using WatchParty.Worker.Tests.Fakes;

namespace WatchParty.Worker.Tests.Notifying;

public sealed class OutboxTests : IDisposable
{
    private static readonly CancellationToken Soon = new CancellationTokenSource(TimeSpan.FromSeconds(20)).Token;

    private readonly ManualTimeProvider _time = new();
    private readonly RecordingLogger<Outbox<int>> _log = new();
    private readonly SemaphoreSlim _sent = new(0);
    private readonly List<int> _received = [];
    private readonly Courier _courier;

    public OutboxTests() => _courier = new Courier(_time);

    public void Dispose() => _courier.Dispose();

    private Outbox<int> Sending(HttpReceiver receiver) => new("test", async (number, token) =>
    {
        using var request = Courier.Post(receiver.Address, [(byte)number]);
        await _courier.SendAsync(request, token);
        lock (_received) { _received.Add(number); }
        _sent.Release();
    }, _time, _log);

    [Fact]
    public async Task Messages_ArriveInTheirOrder()
    {
        using var receiver = new HttpReceiver();
        await using var outbox = Sending(receiver);

        foreach (var number in Enumerable.Range(1, 5)) { outbox.Put(number); }
        foreach (var _ in Enumerable.Range(1, 5)) { await _sent.WaitAsync(Soon); }

        Assert.Equal([1, 2, 3, 4, 5], _received);
    }

    [Fact]
    public async Task Receiver_ThatIsAway_IsTriedAgain_AsLateAsItAsks()
    {
        using var receiver = new HttpReceiver((context, number) =>
        {
            if (number >= 3) { return; }
            context.Response.StatusCode = number == 1 ? 429 : 503;
            if (number == 1) { context.Response.AddHeader("Retry-After", "37"); }
        });
        await using var outbox = Sending(receiver);

        outbox.Put(1);
        var asked = await _time.AdvanceToNextTimerAsync(Soon);
        var own = await _time.AdvanceToNextTimerAsync(Soon);
        await _sent.WaitAsync(Soon);

        Assert.InRange(asked.TotalSeconds, 37, 37.5);
        Assert.InRange(own.TotalSeconds, 0.1, 20);
        Assert.Equal(3, receiver.All.Count);
    }

    [Fact]
    public async Task Receiver_ThatRefuses_IsNotTriedAgain_AndTheNextMessageGoesOut()
    {
        using var receiver = new HttpReceiver((context, number) => { if (number == 1) { context.Response.StatusCode = 403; } });
        await using var outbox = Sending(receiver);

        outbox.Put(1);
        outbox.Put(2);
        await _sent.WaitAsync(Soon);

        Assert.Equal([2], _received);
        Assert.Contains(_log.Entries, e => e.Message.Contains("given up: the answer was 403 Forbidden", StringComparison.Ordinal));
    }

    [Fact]
    public async Task Message_ForNobody_IsGivenUpAfterNineTries()
    {
        await using var outbox = new Outbox<int>("test", (_, _) =>
        {
            _sent.Release();
            throw new HttpRequestException("refused");
        }, _time, _log);

        outbox.Put(1);
        var waited = TimeSpan.Zero;
        await _sent.WaitAsync(Soon);
        for (var again = 1; again <= 8; again++)
        {
            waited += await _time.AdvanceToNextTimerAsync(Soon);
            await _sent.WaitAsync(Soon);
        }

        Assert.InRange(waited, TimeSpan.FromMinutes(3), TimeSpan.FromMinutes(60));
        await Task.WhenAny(Task.Run(async () => { while (!_log.Entries.Any(e => e.Message.Contains("given up", StringComparison.Ordinal))) { await Task.Yield(); } }, Soon));
        Assert.Contains(_log.Entries, e => e.Message.Contains("given up: refused", StringComparison.Ordinal));
    }

    [Fact]
    public async Task End_OfTheProgram_WaitsForWhatGetsThroughAndForNothingElse()
    {
        using var receiver = new HttpReceiver();
        var outbox = Sending(receiver);
        outbox.Put(1);
        await outbox.DisposeAsync();
        Assert.Equal([1], _received);

        var stuck = new Outbox<int>("test", (_, _) => throw new HttpRequestException("refused"), _time, _log);
        stuck.Put(2);
        var ending = stuck.DisposeAsync().AsTask();
        while (!ending.IsCompleted) { await Task.WhenAny(ending, _time.AdvanceToNextTimerAsync(Soon)); }
        await ending;
        Assert.Contains(_log.Entries, e => e.Message.Contains("given up", StringComparison.Ordinal));
    }

    [Fact]
    public async Task Queue_IsBounded_AndLosesTheOldest()
    {
        using var gate = new SemaphoreSlim(0);
        await using var outbox = new Outbox<int>("test", async (number, token) =>
        {
            await gate.WaitAsync(token);
            lock (_received) { _received.Add(number); }
            _sent.Release();
        }, _time, _log);

        for (var number = 0; number < 1000; number++) { outbox.Put(number); }
        gate.Release(1000);
        do { await _sent.WaitAsync(Soon); } while (_received[^1] != 999);

        Assert.InRange(_received.Count, 100, 200);
        Assert.Contains(_log.Entries, e => e.Message.Contains("the oldest was dropped", StringComparison.Ordinal));
    }
}

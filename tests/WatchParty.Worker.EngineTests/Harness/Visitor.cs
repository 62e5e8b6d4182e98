namespace WatchParty.Worker.EngineTests.Harness;

/// <summary>Somebody who uses the site all the time.</summary>
internal sealed class Visitor : IAsyncDisposable
{
    private readonly CancellationTokenSource _stop = new();
    private readonly List<string> _failures = [];
    private readonly Task _visiting;
    private int _answers;
    private bool _stopped;

    public Visitor(HttpClient http, Uri address) => _visiting = Task.Run(async () =>
    {
        var answered = TimeProvider.System.GetTimestamp();
        while (!_stop.IsCancellationRequested)
        {
            var failed = _failures.Count;
            try
            {
                await http.GetStringAsync(address, CancellationToken.None);
                _answers++;
            }
            catch (Exception e) when (e is HttpRequestException or OperationCanceledException)
            {
                _failures.Add(e.Message);
            }
            var now = TimeProvider.System.GetTimestamp();
            if (_failures.Count > failed) { WithoutAnswer += TimeProvider.System.GetElapsedTime(answered, now); }
            answered = now;
            await Task.Delay(TimeSpan.FromMilliseconds(50), TimeProvider.System);
        }
    });

    /// <summary>From each good answer, or failed visit, to the failed visit after it.</summary>
    public TimeSpan WithoutAnswer { get; private set; }

    /// <returns>The time without an answer.</returns>
    public async Task<TimeSpan> StopAsync()
    {
        _stopped = true;
        await _stop.CancelAsync();
        await _visiting.WaitAsync(TimeSpan.FromSeconds(30), TimeProvider.System);
        _stop.Dispose();
        return WithoutAnswer;
    }

    /// <summary>Asserts that every visit was answered, unless the visitor was stopped before.</summary>
    public async ValueTask DisposeAsync()
    {
        if (_stopped) { return; }
        await StopAsync();
        Assert.Empty(_failures);
        Assert.True(_answers > 0);
    }
}

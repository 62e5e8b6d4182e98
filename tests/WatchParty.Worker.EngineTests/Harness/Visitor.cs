namespace WatchParty.Worker.EngineTests.Harness;

/// <summary>Somebody who uses the site all the time.</summary>
internal sealed class Visitor : IAsyncDisposable
{
    private readonly CancellationTokenSource _stop = new();
    private readonly List<string> _failures = [];
    private readonly Task _visiting;
    private int _answers;

    public Visitor(HttpClient http, Uri address) => _visiting = Task.Run(async () =>
    {
        while (!_stop.IsCancellationRequested)
        {
            try
            {
                await http.GetStringAsync(address, CancellationToken.None);
                _answers++;
            }
            catch (Exception e) when (e is HttpRequestException or OperationCanceledException)
            {
                _failures.Add(e.Message);
            }
            await Task.Delay(TimeSpan.FromMilliseconds(50), TimeProvider.System);
        }
    });

    /// <summary>Asserts that every visit was answered.</summary>
    public async ValueTask DisposeAsync()
    {
        await _stop.CancelAsync();
        await _visiting.WaitAsync(TimeSpan.FromSeconds(30), TimeProvider.System);
        _stop.Dispose();
        Assert.Empty(_failures);
        Assert.True(_answers > 0);
    }
}

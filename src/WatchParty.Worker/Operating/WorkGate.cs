namespace WatchParty.Worker.Operating;

/// <summary>What is being done and since when.</summary>
internal sealed record CurrentWork(string Work, DateTimeOffset Since);

/// <summary>Lets one piece of work through at a time, in the order of asking: releases, prunes and clears never overlap.</summary>
internal sealed class WorkGate(TimeProvider time) : IDisposable
{
    private readonly SemaphoreSlim _gate = new(1);
    private readonly Lock _lock = new();
    private int _waiting;
    private CancellationTokenSource? _givesWay;
    private volatile CurrentWork? _current;

    /// <summary>What is being done, or null when idle.</summary>
    public CurrentWork? Current => _current;

    public int Waiting => Volatile.Read(ref _waiting);

    public void Dispose() => _gate.Dispose();

    public async Task<T> RunAsync<T>(string name, Func<CancellationToken, Task<T>> work, CancellationToken cancellationToken)
    {
        CancellationTokenSource? minor;
        lock (_lock)
        {
            _waiting++;
            minor = _givesWay;
        }
        try
        {
            minor?.Cancel();
            await _gate.WaitAsync(cancellationToken);
        }
        finally
        {
            lock (_lock) { _waiting--; }
        }
        try
        {
            _current = new CurrentWork(name, time.GetUtcNow());
            return await work(cancellationToken);
        }
        finally
        {
            _current = null;
            _gate.Release();
        }
    }

    /// <summary>Lets minor work through: it begins when nothing else waits, and its token is cancelled as soon as something does.</summary>
    /// <returns>Whether it came to its end; otherwise it is to be asked for again.</returns>
    public async Task<bool> RunGivingWayAsync(string name, Func<CancellationToken, Task> work, CancellationToken cancellationToken)
    {
        await _gate.WaitAsync(cancellationToken);
        // Left to the collector: its cancelling may still go on.
        var giveWay = new CancellationTokenSource();
        await using var stop = cancellationToken.Register(giveWay.Cancel);
        try
        {
            lock (_lock)
            {
                if (_waiting > 0) { return false; }
                _givesWay = giveWay;
            }
            _current = new CurrentWork(name, time.GetUtcNow());
            await work(giveWay.Token);
            return true;
        }
        catch (OperationCanceledException) when (giveWay.IsCancellationRequested && !cancellationToken.IsCancellationRequested)
        {
            return false;
        }
        finally
        {
            lock (_lock) { _givesWay = null; }
            _current = null;
            _gate.Release();
        }
    }
}

namespace WatchParty.Worker.Hosting;

/// <summary>Lets one piece of work through at a time, in the order of asking: releases, prunes and clears never overlap.</summary>
internal sealed class WorkGate(TimeProvider time) : IDisposable
{
    private readonly SemaphoreSlim _gate = new(1);
    private int _waiting;

    /// <summary>What is being done and since when, or null when idle.</summary>
    public (string Work, DateTimeOffset Since)? Current { get; private set; }

    public int Waiting => Volatile.Read(ref _waiting);

    public void Dispose() => _gate.Dispose();

    public async Task<T> RunAsync<T>(string name, Func<CancellationToken, Task<T>> work, CancellationToken cancellationToken)
    {
        Interlocked.Increment(ref _waiting);
        try
        {
            await _gate.WaitAsync(cancellationToken);
        }
        finally
        {
            Interlocked.Decrement(ref _waiting);
        }
        try
        {
            Current = (name, time.GetUtcNow());
            return await work(cancellationToken);
        }
        finally
        {
            Current = null;
            _gate.Release();
        }
    }
}

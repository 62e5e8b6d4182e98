namespace WatchParty.Releases.Releasing;

/// <summary>A token that follows a stop only after a grace: a <c>compose up</c> cut short leaves services down, so it may finish within
/// that.</summary>
internal sealed class LateStop : IDisposable
{
    /// <summary>Below the host's own limit for stopping, so that the record can still be written.</summary>
    public static readonly TimeSpan Grace = TimeSpan.FromSeconds(30);

    private readonly CancellationTokenSource _source;
    private readonly CancellationTokenRegistration _registration;

    public LateStop(TimeProvider time, CancellationToken stop)
    {
        _source = new CancellationTokenSource(Timeout.InfiniteTimeSpan, time);
        _registration = stop.Register(() => _source.CancelAfter(Grace));
    }

    public CancellationToken Token => _source.Token;

    public void Dispose()
    {
        _registration.Dispose();
        _source.Dispose();
    }
}

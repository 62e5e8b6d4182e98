using WatchParty.Tools.Failures;
using WatchParty.Tools.Processes;

namespace WatchParty.Worker.Status;

/// <param name="At">When it was got; null before the first time.</param>
/// <param name="Error">Why the last try brought none.</param>
internal sealed record Seen<T>(T? Value, DateTimeOffset? At, string? Error);

/// <summary>Something that takes a while to get. The last one is given at once, and one that is older than <paramref name="fresh"/> is got
/// anew meanwhile. Nothing is asked while nobody looks.</summary>
internal sealed class Snapshot<T>(Func<CancellationToken, Task<T>> look, TimeSpan fresh, TimeProvider time) : IDisposable where T : class
{
    private readonly CancellationTokenSource _stop = new();
    private readonly Lock _lock = new();
    private Seen<T> _seen = new(null, null, null);
    private Task _looking = Task.CompletedTask;
    private long? _lookedAt;

    public void Dispose()
    {
        _stop.Cancel();
        _stop.Dispose();
    }

    /// <param name="patience">How long to wait for the first one.</param>
    public async Task<Seen<T>> GetAsync(TimeSpan patience, CancellationToken cancellationToken)
    {
        Task looking;
        lock (_lock)
        {
            if (_looking.IsCompleted && (_lookedAt is not { } at || time.GetElapsedTime(at) > fresh))
            {
                _looking = Task.Run(LookAsync, CancellationToken.None);
            }
            looking = _looking;
        }
        if (_seen.At is null && _seen.Error is null)
        {
            await looking.WaitAsync(patience, time, cancellationToken).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        }
        return _seen;
    }

    private async Task LookAsync()
    {
        try
        {
            _seen = new Seen<T>(await look(_stop.Token), time.GetUtcNow(), null);
        }
        catch (Exception e) when (e is WorkerException or ToolFailedException or IOException or UnauthorizedAccessException
            or OperationCanceledException)
        {
            _seen = _seen with { Error = e.Message };
        }
        finally
        {
            _lookedAt = time.GetTimestamp();
        }
    }
}

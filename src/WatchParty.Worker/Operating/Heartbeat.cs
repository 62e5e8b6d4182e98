namespace WatchParty.Worker.Operating;

/// <summary>Knows when each loop of the service was to report again. Safe for use by several threads; a change of the clock does not
/// matter.</summary>
internal sealed class Heartbeat(TimeProvider time)
{
    private readonly Lock _lock = new();
    private readonly Dictionary<string, (long At, TimeSpan Within)> _expected = [];

    /// <summary>A report of <paramref name="loop"/>, and the promise to report again within this time;
    /// <see cref="Timeout.InfiniteTimeSpan"/> promises nothing.</summary>
    public void Expect(string loop, TimeSpan within)
    {
        lock (_lock) { _expected[loop] = (time.GetTimestamp(), within); }
    }

    /// <summary>The loop has ended and reports no more.</summary>
    public void Done(string loop)
    {
        lock (_lock) { _expected.Remove(loop); }
    }

    /// <summary>Whether every loop keeps its promise.</summary>
    /// <param name="silentLoop">The one that has been overdue longest.</param>
    public bool Alive(out string? silentLoop)
    {
        lock (_lock)
        {
            silentLoop = _expected
                .Where(e => e.Value.Within != Timeout.InfiniteTimeSpan && time.GetElapsedTime(e.Value.At) > e.Value.Within)
                .OrderByDescending(e => time.GetElapsedTime(e.Value.At) - e.Value.Within)
                .Select(e => e.Key)
                .FirstOrDefault();
            return silentLoop is null;
        }
    }
}

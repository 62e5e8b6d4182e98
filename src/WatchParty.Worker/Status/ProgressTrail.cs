using WatchParty.Releases.Signals;

namespace WatchParty.Worker.Status;

/// <summary>The last lines of progress, for who comes to look in the middle.</summary>
internal sealed class ProgressTrail : IDisposable
{
    private const int Most = 100;
    private readonly ProgressFeed _feed;
    private readonly TimeProvider _time;
    private readonly Queue<(DateTimeOffset At, string Line)> _lines = new();

    public ProgressTrail(ProgressFeed feed, TimeProvider time)
    {
        (_feed, _time) = (feed, time);
        feed.Reported += Keep;
    }

    public IReadOnlyList<(DateTimeOffset At, string Line)> Since(DateTimeOffset start)
    {
        lock (_lines) { return [.. _lines.Where(l => l.At >= start)]; }
    }

    public void Dispose() => _feed.Reported -= Keep;

    private void Keep(string line)
    {
        lock (_lines)
        {
            _lines.Enqueue((_time.GetUtcNow(), line));
            if (_lines.Count > Most) { _lines.Dequeue(); }
        }
    }
}

namespace WatchParty.Worker.Verifying;

/// <summary>Adds up for how long an address gave no good answer: from a question that got none to the next one that did.</summary>
internal sealed class AnswerTally(TimeProvider time)
{
    private readonly Lock _lock = new();
    private bool? _answeredAtFirst;
    private long? _openSince;
    private TimeSpan _total;
    private TimeSpan _longest;

    /// <summary>Counts an answer. They are given in the order of their questions.</summary>
    /// <param name="asked">Timestamp of the question.</param>
    public void Add(long asked, bool good)
    {
        lock (_lock)
        {
            _answeredAtFirst ??= good;
            if (!good) { _openSince ??= asked; }
            else if (_openSince is { } since)
            {
                (_total, _longest) = With(time.GetElapsedTime(since, asked));
                _openSince = null;
            }
        }
    }

    /// <summary>The sum until now; null when it did not answer well to begin with.</summary>
    public Unanswered? Result()
    {
        lock (_lock)
        {
            if (_answeredAtFirst is not true) { return null; }
            var (total, longest) = _openSince is { } since ? With(time.GetElapsedTime(since)) : (_total, _longest);
            return new Unanswered(Math.Round(total.TotalSeconds, 3), Math.Round(longest.TotalSeconds, 3));
        }
    }

    private (TimeSpan Total, TimeSpan Longest) With(TimeSpan gap) => (_total + gap, gap > _longest ? gap : _longest);
}

using WatchParty.Releases.Recording;

namespace WatchParty.Releases.Verifying;

/// <summary>Adds up for how long an address gave no good answer: from a question that got none to the next one that did.</summary>
internal sealed class AnswerTally(TimeProvider time)
{
    private readonly Lock _lock = new();
    private readonly Dictionary<int, (long Asked, bool Good)> _early = [];
    private int _next;
    private bool? _answeredAtFirst;
    private long? _openSince;
    private TimeSpan _total;
    private TimeSpan _longest;

    /// <summary>Counts an answer, in the order of the questions: one that comes early waits for those before it.</summary>
    /// <param name="question">Number of the question, from 0 on.</param>
    /// <param name="asked">Timestamp of the question.</param>
    public void Add(int question, long asked, bool good)
    {
        lock (_lock)
        {
            _early[question] = (asked, good);
            for (; _early.Remove(_next, out var answer); _next++) { Count(answer.Asked, answer.Good); }
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

    private void Count(long asked, bool good)
    {
        _answeredAtFirst ??= good;
        if (!good) { _openSince ??= asked; }
        else if (_openSince is { } since)
        {
            (_total, _longest) = With(time.GetElapsedTime(since, asked));
            _openSince = null;
        }
    }

    private (TimeSpan Total, TimeSpan Longest) With(TimeSpan gap) => (_total + gap, gap > _longest ? gap : _longest);
}

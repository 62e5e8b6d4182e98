using WatchParty.Tools.Redacting;

namespace WatchParty.Releases.Signals;

/// <summary>Short lines that say what is going on now, for a terminal, a caller over the control socket, and systemd's status
/// line.</summary>
internal sealed class ProgressFeed
{
    public event Action<string>? Reported;

    /// <summary>The newest line, or null before the first.</summary>
    public string? Current { get; private set; }

    public void Report(string line)
    {
        line = EventText.OneLine(line);
        Current = line;
        Reported?.Invoke(line);
    }
}

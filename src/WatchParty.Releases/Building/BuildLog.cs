using System.Globalization;
using System.Runtime.InteropServices;
using System.Text;
using WatchParty.Tools.Processes;
using WatchParty.Tools.Redacting;

namespace WatchParty.Releases.Building;

/// <summary>The log of a build in a file of at most 16 MiB: its beginning and its end, and between them how much is missing. Secrets are
/// masked.</summary>
internal sealed class BuildLog(string file) : IDisposable
{
    private const int Mebibyte = 1024 * 1024;
    private const int HeadLimit = 15 * Mebibyte;
    private const int TailLimit = Mebibyte - 1024;
    private const int LineLimit = 64 * 1024;

    private readonly StreamWriter _writer = new(new FileStream(file, FileMode.Create, FileAccess.Write, FileShare.Read, bufferSize: 0),
        new UTF8Encoding(false))
    { AutoFlush = true };
    private readonly Dictionary<(string Step, int Stream), List<byte>> _open = [];
    private readonly TailBuffer _tail = new(TailLimit);
    private long _written;
    private long _afterHead;

    /// <summary>Why lines are missing that could not be written: a full disk costs the log, not the build. Null when none is.</summary>
    public string? Fault { get; private set; }

    public string File { get; } = file;

    public void Write(string line) => Write(Encoding.UTF8.GetBytes(line));

    /// <summary>Writes what a step printed. The beginning of a line waits for its end, or for 64 KiB: a secret may come in two
    /// pieces.</summary>
    public void Write(string step, int stream, ReadOnlySpan<byte> text)
    {
        if (!_open.TryGetValue((step, stream), out var open)) { _open[(step, stream)] = open = []; }
        var end = text.LastIndexOf((byte)'\n');
        if (end >= 0 && open.Count == 0) { Write(text[..end]); }
        else if (end >= 0) { WriteOpen(text[..end]); }
        open.AddRange(text[(end + 1)..]);
        if (open.Count >= LineLimit) { WriteOpen([]); }

        void WriteOpen(ReadOnlySpan<byte> more)
        {
            open.AddRange(more);
            Write(CollectionsMarshal.AsSpan(open));
            open.Clear();
        }
    }

    /// <summary>Writes the lines that a step has begun and will not end.</summary>
    public void End(string step)
    {
        foreach (var key in _open.Keys.Where(k => k.Step == step).ToList())
        {
            _open.Remove(key, out var open);
            if (open!.Count > 0) { Write(CollectionsMarshal.AsSpan(open)); }
        }
    }

    /// <param name="line">One line or several, in UTF-8.</param>
    private void Write(ReadOnlySpan<byte> line)
    {
        // Once something is missing everything else goes to the end; and nothing is done with it before, for a step may print gigabytes.
        if (_afterHead > 0 || _written + line.Length + Environment.NewLine.Length > HeadLimit)
        {
            if (_afterHead == 0) { Append("[The log is cut here, because it may have 16 MiB; what follows is its end]"); }
            _tail.Add(line);
            _tail.Add("\n"u8);
            _afterHead += line.Length + 1;
            return;
        }
        var text = Redaction.Apply(Encoding.UTF8.GetString(line));
        _written += Encoding.UTF8.GetByteCount(text) + Environment.NewLine.Length;
        Append(text);
    }

    public void Dispose()
    {
        foreach (var step in _open.Keys.Select(k => k.Step).Distinct().ToList()) { End(step); }
        if (_afterHead > 0) { WriteEnd(); }
        Try(_writer.Dispose);
    }

    private void WriteEnd()
    {
        var end = _tail.ToString();
        if (_afterHead > TailLimit)
        {
            Append(string.Create(CultureInfo.InvariantCulture, $"[{_afterHead - Encoding.UTF8.GetByteCount(end)} bytes were not kept]"));
        }
        foreach (var line in end.TrimEnd('\n').Split('\n')) { Append(Redaction.Apply(line)); }
    }

    private void Append(string line) => Try(() => _writer.WriteLine(line));

    private void Try(Action write)
    {
        try
        {
            write();
        }
        catch (IOException e)
        {
            Fault ??= e.Message;
        }
    }
}

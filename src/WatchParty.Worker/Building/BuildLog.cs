using System.Globalization;
using System.Runtime.InteropServices;
using System.Text;
using WatchParty.Worker.Tools;

namespace WatchParty.Worker.Building;

/// <summary>The log of a build in a file of at most 16 MiB; where something is missing it says so, and at the end how much. Secrets are masked.</summary>
internal sealed class BuildLog(string file) : IDisposable
{
    private const long Limit = 16 * 1024 * 1024;
    private const int LineLimit = 64 * 1024;

    private readonly StreamWriter _writer = new(new FileStream(file, FileMode.Create, FileAccess.Write, FileShare.Read), new UTF8Encoding(false));
    private readonly Dictionary<(string Step, int Stream), List<byte>> _open = [];
    private long _written;
    private long _dropped;

    public string File { get; } = file;

    public void Write(string line) => Write(Encoding.UTF8.GetBytes(line));

    /// <summary>Writes what a step printed. The beginning of a line waits for its end, or for 64 KiB: a secret may come in two pieces.</summary>
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
        // Before anything is done with it: a step may print gigabytes.
        if (_written + line.Length + Environment.NewLine.Length > Limit)
        {
            if (_dropped == 0) { _writer.WriteLine($"[The log is cut here, because it may have {Limit / 1024 / 1024} MiB; of what follows only what still fits is kept]"); }
            _dropped += line.Length;
            return;
        }
        var text = Redaction.Apply(Encoding.UTF8.GetString(line));
        _written += Encoding.UTF8.GetByteCount(text) + Environment.NewLine.Length;
        _writer.WriteLine(text);
    }

    public void Dispose()
    {
        foreach (var step in _open.Keys.Select(k => k.Step).Distinct().ToList()) { End(step); }
        if (_dropped > 0) { _writer.WriteLine(string.Create(CultureInfo.InvariantCulture, $"[{_dropped} bytes were not kept]")); }
        _writer.Dispose();
    }
}

using System.Globalization;
using System.Text;
using WatchParty.Worker.Tools;

namespace WatchParty.Worker.Building;

/// <summary>The log of a build in a file of at most 16 MiB; where something is missing it says so, and at the end how much.</summary>
internal sealed class BuildLog(string file) : IDisposable
{
    private const long Limit = 16 * 1024 * 1024;

    private readonly StreamWriter _writer = new(new FileStream(file, FileMode.Create, FileAccess.Write, FileShare.Read), new UTF8Encoding(false)) { AutoFlush = true };
    private long _written;
    private long _dropped;

    public string File { get; } = file;

    public void Write(string line) => Write(Encoding.UTF8.GetBytes(line));

    /// <param name="line">One line or several, in UTF-8.</param>
    public void Write(ReadOnlySpan<byte> line)
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
        if (_dropped > 0) { _writer.WriteLine(string.Create(CultureInfo.InvariantCulture, $"[{_dropped} bytes were not kept]")); }
        _writer.Dispose();
    }
}

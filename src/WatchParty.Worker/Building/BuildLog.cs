using System.Globalization;
using System.Text;
using WatchParty.Worker.Tools;

namespace WatchParty.Worker.Building;

/// <summary>The log of a build in a file of at most 16 MiB: its beginning and its end, and between them how much is missing.</summary>
internal sealed class BuildLog(string file) : IDisposable
{
    private const int Mebibyte = 1024 * 1024;
    private const int HeadLimit = 15 * Mebibyte;
    private const int TailLimit = Mebibyte - 1024;

    private readonly StreamWriter _writer = new(new FileStream(file, FileMode.Create, FileAccess.Write, FileShare.Read), new UTF8Encoding(false));
    private readonly TailBuffer _tail = new(TailLimit);
    private long _written;
    private long _afterHead;

    public string File { get; } = file;

    public void Write(string line) => Write(Encoding.UTF8.GetBytes(line));

    /// <param name="line">One line or several, in UTF-8.</param>
    public void Write(ReadOnlySpan<byte> line)
    {
        // Once something is missing everything else goes to the end; and nothing is done with it before, for a step may print gigabytes.
        if (_afterHead > 0 || _written + line.Length + Environment.NewLine.Length > HeadLimit)
        {
            if (_afterHead == 0) { _writer.WriteLine("[The log is cut here, because it may have 16 MiB; what follows is its end]"); }
            _tail.Add(line);
            _tail.Add("\n"u8);
            _afterHead += line.Length + 1;
            return;
        }
        var text = Redaction.Apply(Encoding.UTF8.GetString(line));
        _written += Encoding.UTF8.GetByteCount(text) + Environment.NewLine.Length;
        _writer.WriteLine(text);
    }

    public void Dispose()
    {
        if (_afterHead > 0) { WriteEnd(); }
        _writer.Dispose();
    }

    private void WriteEnd()
    {
        var end = _tail.ToString();
        if (_afterHead > TailLimit)
        {
            // Of a line that is cut a secret could be seen without what marks it as one.
            end = end[(end.IndexOf('\n', StringComparison.Ordinal) + 1)..];
            _writer.WriteLine(string.Create(CultureInfo.InvariantCulture, $"[{_afterHead - Encoding.UTF8.GetByteCount(end)} bytes were not kept]"));
        }
        foreach (var line in end.TrimEnd('\n').Split('\n')) { _writer.WriteLine(Redaction.Apply(line)); }
    }
}

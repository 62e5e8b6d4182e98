using System.Text;
using WatchParty.Worker.Tools;

namespace WatchParty.Worker.Building;

/// <summary>The log of a build in a file of at most 16 MiB; what does not fit is counted, not kept.</summary>
internal sealed class BuildLog(string file) : IDisposable
{
    private const long Limit = 16 * 1024 * 1024;

    private readonly StreamWriter _writer = new(new FileStream(file, FileMode.Create, FileAccess.Write, FileShare.Read), new UTF8Encoding(false));
    private long _written;
    private long _dropped;

    public string File { get; } = file;

    public void Write(string line)
    {
        var text = Redaction.Apply(line);
        var size = Encoding.UTF8.GetByteCount(text) + Environment.NewLine.Length;
        if (_written + size > Limit)
        {
            _dropped += text.Length;
            return;
        }
        _written += size;
        _writer.WriteLine(text);
    }

    public void Dispose()
    {
        if (_dropped > 0) { _writer.WriteLine($"[{_dropped} further characters were not kept]"); }
        _writer.Dispose();
    }
}

using System.Text;

namespace WatchParty.Releases.Baking;

/// <summary>The last lines that a step printed, in the order they came; at most 20 of at most 4 KiB.</summary>
internal sealed class StepLog
{
    public const int LineLimit = 20;
    private const int LengthLimit = 4096;
    private readonly Queue<byte[]> _lines = new();
    private readonly Dictionary<int, List<byte>> _open = [];

    public void Add(LogEvent log)
    {
        if (!_open.TryGetValue(log.Stream, out var open)) { _open[log.Stream] = open = []; }
        var rest = log.Data.AsSpan();
        // Of a large chunk only the end can stay.
        if (LastLines(rest) is > 0 and var start)
        {
            open.Clear();
            rest = rest[start..];
        }
        while (rest.IndexOf((byte)'\n') is >= 0 and var end)
        {
            Paint(open, rest[..end]);
            _lines.Enqueue([.. open]);
            if (_lines.Count > LineLimit) { _lines.Dequeue(); }
            open.Clear();
            rest = rest[(end + 1)..];
        }
        Paint(open, rest);
    }

    public IReadOnlyList<string> Tail() =>
        [.. _lines.Concat(_open.Values.Where(o => o.Count > 0).Select(o => o.ToArray())).TakeLast(LineLimit)
            .Select(l => Encoding.UTF8.GetString(l).TrimEnd('\r'))];

    /// <summary>Where the last <see cref="LineLimit"/> whole lines begin, 0 when there are not more.</summary>
    private static int LastLines(ReadOnlySpan<byte> text)
    {
        var end = text.LastIndexOf((byte)'\n');
        for (var lines = 0; lines < LineLimit && end >= 0; lines++) { end = text[..end].LastIndexOf((byte)'\n'); }
        return end + 1;
    }

    /// <summary>Adds to a line as a terminal would: what follows a carriage return paints over what stands before it, as progress bars
    /// do.</summary>
    private static void Paint(List<byte> line, ReadOnlySpan<byte> text)
    {
        var shown = text.TrimEnd((byte)'\r');
        if (shown.Length > 0)
        {
            var last = shown.LastIndexOf((byte)'\r') + 1;
            if (last > 0 || line is [.., (byte)'\r']) { line.Clear(); }
            line.AddRange(shown[last..][..Math.Min(shown.Length - last, Math.Max(0, LengthLimit - line.Count))]);
        }
        if (text is [.., (byte)'\r'] && line is not [.., (byte)'\r']) { line.Add((byte)'\r'); }
    }
}

using System.Text;

namespace WatchParty.Worker.Building;

/// <summary>The last lines that a step printed, in the order they came; at most 20 of at most 4 KiB.</summary>
internal sealed class StepLog
{
    public const int LineLimit = 20;
    private const int LengthLimit = 4096;
    private readonly Queue<string> _lines = new();
    private readonly Dictionary<int, List<byte>> _open = [];

    public void Add(LogEvent log)
    {
        if (!_open.TryGetValue(log.Stream, out var open)) { _open[log.Stream] = open = []; }
        foreach (var part in log.Data)
        {
            if (part == '\n')
            {
                Keep(Text(open));
                open.Clear();
            }
            else if (part == '\r' && open.Count > 0 && open[^1] != '\r') { open.Add(part); }
            else
            {
                if (open.Count > 0 && open[^1] == '\r') { open.Clear(); } // a progress bar paints over its line
                if (open.Count < LengthLimit && part != '\r') { open.Add(part); }
            }
        }
    }

    public IReadOnlyList<string> Tail() =>
        [.. _lines.Concat(_open.Values.Where(o => o.Count > 0).Select(Text)).TakeLast(LineLimit)];

    private void Keep(string line)
    {
        _lines.Enqueue(line);
        if (_lines.Count > LineLimit) { _lines.Dequeue(); }
    }

    private static string Text(List<byte> line) => Encoding.UTF8.GetString([.. line]).TrimEnd('\r');
}

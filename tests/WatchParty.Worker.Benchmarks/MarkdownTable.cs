namespace WatchParty.Worker.Benchmarks;

/// <summary>A table for a decision page or a README.</summary>
internal sealed class MarkdownTable(params string[] heads)
{
    private readonly List<string[]> _rows = [];

    public void Add(params string[] cells) => _rows.Add(cells);

    public void Write()
    {
        foreach (var row in _rows.Prepend([.. heads.Select(_ => "---")]).Prepend(heads)) { Console.WriteLine($"| {string.Join(" | ", row)} |"); }
        Console.WriteLine();
    }
}

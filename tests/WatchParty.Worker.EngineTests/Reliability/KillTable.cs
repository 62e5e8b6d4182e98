using System.Globalization;
using System.Text;

namespace WatchParty.Worker.EngineTests.Reliability;

/// <summary>Counts of kill runs, as a Markdown table.</summary>
internal sealed class KillTable
{
    private readonly Dictionary<string, int> _runs = [];

    public List<Finding> Findings { get; } = [];

    public void Add(string name, IReadOnlyList<Finding> findings)
    {
        _runs[name] = _runs.GetValueOrDefault(name) + 1;
        Findings.AddRange(findings);
    }

    public string Text(KillRuns runs)
    {
        var text = new StringBuilder("| killed at | runs | lost | double | left down | left behind |\n|---|---|---|---|---|---|\n");
        foreach (var (name, count) in _runs) { Line(text, name, count, Findings.Where(f => f.What.StartsWith($"{name}:", StringComparison.Ordinal))); }
        Line(text, "all", _runs.Values.Sum(), Findings);
        text.AppendLine(CultureInfo.InvariantCulture, $"\nSeconds from start to serving, median and longest: {Of(runs.Clean)} without a kill, {Of(runs.Recoveries)} after one.");
        return text.ToString();
    }

    /// <summary>Writes the table to the file that KILL_TABLE names, if it names one.</summary>
    public void Save(KillRuns runs)
    {
        if (Environment.GetEnvironmentVariable("KILL_TABLE") is { Length: > 0 } file) { File.WriteAllText(file, Text(runs)); }
    }

    private static void Line(StringBuilder text, string name, int count, IEnumerable<Finding> findings)
    {
        var harm = findings.CountBy(f => f.Harm).ToDictionary();
        text.AppendLine(CultureInfo.InvariantCulture,
            $"| {name} | {count} | {harm.GetValueOrDefault(Harm.Lost)} | {harm.GetValueOrDefault(Harm.Double)} | {harm.GetValueOrDefault(Harm.Down)} | {harm.GetValueOrDefault(Harm.Leak)} |");
    }

    private static string Of(IReadOnlyCollection<double> seconds) =>
        seconds.Count == 0 ? "none" : string.Create(CultureInfo.InvariantCulture, $"{seconds.Order().ElementAt(seconds.Count / 2):0.0} and {seconds.Max():0.0}");
}

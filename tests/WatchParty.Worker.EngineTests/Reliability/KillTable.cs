using System.Globalization;
using System.Text;
using Xunit.Sdk;

namespace WatchParty.Worker.EngineTests.Reliability;

/// <summary>Counts of kill runs, as a Markdown table, and what was found.</summary>
/// <param name="file">Gets the table after each run; none when null.</param>
internal sealed class KillTable(string? file)
{
    private readonly Dictionary<string, int> _runs = [];

    public List<Finding> Findings { get; } = [];

    /// <summary>Kills at points that the worker did not come to.</summary>
    public List<string> NotReached { get; } = [];

    public int Reached => _runs.Values.Sum();

    public async Task RunAsync(KillRuns runs, Kill kill, TimeSpan killAfter)
    {
        IReadOnlyList<Finding> found;
        try
        {
            found = await runs.RunAsync(kill, killAfter);
        }
        catch (Exception e) when (e is XunitException or TimeoutException)
        {
            found = [new Finding(Harm.Lost, $"{kill.Name}: {e.Message}")];
        }
        if (!runs.LivedThrough) { _runs[kill.Name] = _runs.GetValueOrDefault(kill.Name) + 1; } else { NotReached.Add(kill.Name); }
        Findings.AddRange(found);
        if (file is not null) { await File.WriteAllTextAsync(file, Text(runs)); }
        if (found.Count > 0) { await runs.BeginAgainAsync(); }
    }

    public string Text(KillRuns runs)
    {
        var text = new StringBuilder("| killed at | runs | lost | double | left down | left behind |\n|---|---|---|---|---|---|\n");
        foreach (var (name, count) in _runs) { Line(text, name, count, Findings.Where(f => f.What.StartsWith($"{name}:", StringComparison.Ordinal))); }
        Line(text, "all", Reached, Findings);
        if (NotReached.Count > 0) { text.AppendLine(CultureInfo.InvariantCulture, $"\nNot reached: {string.Join("; ", NotReached)}"); }
        foreach (var finding in Findings) { text.AppendLine(CultureInfo.InvariantCulture, $"\n{finding.Harm}: {finding.What}"); }
        text.AppendLine(CultureInfo.InvariantCulture, $"\nSeconds from start to serving, median and longest: {Of(runs.Clean)} without a kill, {Of(runs.Recoveries)} after one.");
        return text.ToString();
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

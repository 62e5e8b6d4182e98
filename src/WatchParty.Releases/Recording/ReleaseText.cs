using System.Globalization;
using WatchParty.Releases.Planning;
using WatchParty.Tools.Redacting;

namespace WatchParty.Releases.Recording;

/// <summary>Releases in words, for people.</summary>
internal static class ReleaseText
{
    public static string Of(ReleaseReport report)
    {
        var lines = new List<string>
        {
            report.Outcome switch
            {
                ReleaseOutcome.NothingToDo => $"Nothing to do: commit {Short(report.Commit)} is deployed.",
                ReleaseOutcome.Quarantined => $"Quarantined: {report.Error}",
                _ => $"Release {report.Release} of commit {Short(report.Commit)}: {report.Outcome} in {Seconds(report.Seconds.Total)} " +
                    $"({report.Trigger})",
            },
        };
        if (report.Outcome is not (ReleaseOutcome.NothingToDo or ReleaseOutcome.Quarantined))
        {
            var width = report.Services.Select(s => s.Name.Length).DefaultIfEmpty(0).Max();
            lines.AddRange(
                report.Services.Select(
                    s => $"  {s.Name.PadRight(width)}  " +
                        $"{(s.Action == ServiceAction.Built && s.Image is null ? "Not built" : s.Action),-9}  " +
                        $"{Steps(s)}{EventText.OneLine(s.Reason)}"));
            lines.AddRange(
                (report.SecondsWithoutAnswer
                    ?? new Dictionary<string, double>()).Select(
                        a => $"  {a.Key} {WithoutAnswer(a.Value, report.LongestWithoutAnswer![a.Key])}"));
            lines.AddRange((report.Notes ?? []).Select(n => $"  note: {EventText.OneLine(n)}"));
            if (report.Error is not null) { lines.Add($"  error: {report.Error.ReplaceLineEndings(Environment.NewLine + "  ")}"); }
            if (report.Error is not null && report.Log is not null) { lines.Add($"  log: {report.Log}"); }
        }
        return string.Join(Environment.NewLine, lines);
    }

    public static string Short(string commit) => commit.Length > 7 ? commit[..7] : commit;

    public static string Seconds(double seconds) => string.Create(CultureInfo.InvariantCulture, $"{seconds:0.0} s");

    private static string WithoutAnswer(double seconds, double longest) =>
        seconds == 0 ? "answered all the time"
        : $"gave no answer for {Seconds(seconds)}{(longest < seconds ? $", {Seconds(longest)} in one piece" : "")}";

    private static string Steps(ServiceReport service) => service.Steps.Total == 0 ? ""
        : $"{service.Steps.Cached}/{service.Steps.Total} steps cached, " +
            $"{Seconds(service.Seconds)}{(service.SecondsSaved > 0 ? $", {Seconds(service.SecondsSaved)} saved" : "")}{(service.Fresh ? ", fresh" : "")}; ";
}

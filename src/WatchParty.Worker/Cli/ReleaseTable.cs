using System.Globalization;
using Spectre.Console;
using WatchParty.Releases.Planning;
using WatchParty.Releases.Recording;
using WatchParty.Tools.Redacting;

namespace WatchParty.Worker.Cli;

/// <summary>Releases in a table, for people.</summary>
internal static class ReleaseTable
{
    public static Table Of(IEnumerable<ReleaseReport> reports)
    {
        var table = new Table { Border = TableBorder.Minimal };
        foreach (var title in new[] { "release", "when", "commit", "trigger", "outcome", "built", "cached/steps", "seconds" })
        {
            table.AddColumn(new TableColumn(title).NoWrap());
        }
        foreach (var report in reports)
        {
            var built = report.Services.Where(s => s.Action == ServiceAction.Built && s.Image is not null)
                .Select(s => s.Fresh ? $"{s.Name} (fresh)" : s.Name).ToList();
            table.AddRow(new[]
            {
                report.Release!, report.StartedAt?.ToLocalTime().ToString("yyyy-MM-dd HH:mm:ss", CultureInfo.InvariantCulture)
                ?? "", ReleaseText.Short(report.Commit), report.Trigger,
                report.State == ReleaseState.Done ? report.Outcome.ToString() : $"{report.State}…",
                built.Count == 0 ? "-" : string.Join(", ", built),
                report.Steps.Total == 0 ? "-"
                : $"{Bar.Of(report.Steps.Cached, report.Steps.Total)} {report.Steps.Cached}/{report.Steps.Total}",
                report.Seconds.Total.ToString("0.0", CultureInfo.InvariantCulture),
            }.Select(EventText.OneLine).Select(Markup.Escape).ToArray());
        }
        return table;
    }
}

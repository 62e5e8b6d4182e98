using WatchParty.Releases.Planning;
using WatchParty.Releases.Recording;

namespace WatchParty.Worker.Status.Pages;

/// <summary>Releases, one in a row.</summary>
internal static class ReleaseTable
{
    public static Html Of(IReadOnlyList<ReleaseReport> releases, DateTimeOffset now) =>
        releases.Count == 0 ? Html.Of($"<p class=\"quiet\">Nothing was released yet.</p>") : Html.Of($"""
        <table class="releases">
        <thead><tr><th scope="col">Release</th><th scope="col">Outcome</th><th scope="col" class="wide">Commit</th><th scope="col">Began</th><th scope="col" class="wide">Triggered by</th><th scope="col" class="wide">Built</th><th scope="col">Cached</th><th scope="col" class="number wide">Seconds</th></tr></thead>
        <tbody>
        {releases.Select(r => Row(r, now))}
        </tbody>
        </table>
        """);

    private static Html Row(ReleaseReport report, DateTimeOffset now) => Html.Of($"""
        <tr><td>{Show.Release(report)}</td><td>{Show.Outcome(report)}</td><td class="wide">{Show.Commit(report.Commit)}</td><td>{Show.Time(report.StartedAt, now)}</td><td class="wide">{report.Trigger}{(report.Forced ? Html.Of($" <span class=\"tag\">without cache</span>") : Html.Empty)}</td><td class="wide">{Built(report)}</td><td>{Show.Cached(report.Steps)}</td><td class="number wide">{Show.Seconds(report.Seconds.Total)}</td></tr>
        """);

    private static Html Built(ReleaseReport report)
    {
        var built = report.Services.Where(s => s is { Action: ServiceAction.Built, Image: not null }).ToList();
        return built.Count == 0 ? Html.Of($"<span class=\"quiet\">–</span>")
            : Html.Join(
                built.Select(
                    (s, i) => Html.Of($"{(i > 0 ? ", " : "")}{s.Name}{(s.Fresh ? Html.Of($" <span class=\"tag\">fresh</span>") : Html.Empty)}")));
    }
}

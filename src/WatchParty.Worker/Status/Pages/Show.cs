using System.Globalization;
using WatchParty.Releases.Recording;

namespace WatchParty.Worker.Status.Pages;

/// <summary>Values as the pages show them.</summary>
internal static class Show
{
    public static Html Time(DateTimeOffset? time, DateTimeOffset now) => time is not { } t ? Html.Of($"–")
        : Html.Of($"""<time datetime="{t.ToString("O", CultureInfo.InvariantCulture)}" title="{Ago(t, now)}"><span class="wide">{t.ToLocalTime().ToString("yyyy-", CultureInfo.InvariantCulture)}</span>{t.ToLocalTime().ToString("MM-dd HH:mm", CultureInfo.InvariantCulture)}<span class="wide">{t.ToLocalTime().ToString(":ss", CultureInfo.InvariantCulture)}</span></time>""");

    public static string Ago(DateTimeOffset time, DateTimeOffset now) => (now - time) switch
    {
        { TotalSeconds: < 0 } ahead => $"in {Span(ahead.Negate())}",
        var ago => $"{Span(ago)} ago",
    };

    public static string Span(TimeSpan span) => span switch
    {
        { TotalSeconds: < 90 } => string.Create(CultureInfo.InvariantCulture, $"{span.TotalSeconds:0} s"),
        { TotalMinutes: < 90 } => string.Create(CultureInfo.InvariantCulture, $"{span.TotalMinutes:0} min"),
        { TotalHours: < 48 } => string.Create(CultureInfo.InvariantCulture, $"{span.TotalHours:0} h"),
        _ => string.Create(CultureInfo.InvariantCulture, $"{span.TotalDays:0} days"),
    };

    public static Html Commit(string commit) => Html.Of($"<code title=\"{commit}\">{ReleaseText.Short(commit)}</code>");

    public static Html Release(ReleaseReport report) => Html.Of($"<a href=\"/releases/{report.Release}\">{report.Release}</a>");

    /// <summary>In words and with a colour; never the colour alone.</summary>
    public static Html Badge(string kind, string words) => Html.Of($"<span class=\"badge {kind}\">{words}</span>");

    public static Html Outcome(ReleaseReport report) => report switch
    {
        { State: not ReleaseState.Done } => Badge("busy", $"{Words(report.State)}…"),
        { Outcome: ReleaseOutcome.Succeeded } => Badge("good", "Succeeded"),
        { Outcome: ReleaseOutcome.Superseded or ReleaseOutcome.NothingToDo } => Badge("quiet", report.Outcome.ToString()),
        { Outcome: ReleaseOutcome.RolledBack or ReleaseOutcome.Interrupted } => Badge("warn", Words(report.Outcome)),
        _ => Badge("bad", Words(report.Outcome)),
    };

    /// <summary>The share of steps that came from the cache.</summary>
    public static Html Cached(StepCounts steps) => steps.Total == 0 ? Html.Of($"<span class=\"quiet\">–</span>") : Html.Of($"""
        <span class="share"><svg viewBox="0 0 100 8" preserveAspectRatio="none" aria-hidden="true"><rect class="ran" width="100" height="8"/><rect class="cached" width="{100 * steps.Cached / steps.Total}" height="8"/></svg> {steps.Cached}/{steps.Total}</span>
        """);

    /// <summary>The first line of a text, with a stop at its end.</summary>
    public static string Sentence(string? text) => string.IsNullOrWhiteSpace(text) ? "" : $"{text.Split('\n')[0].TrimEnd('.', ' ')}.";

    public static string Seconds(double seconds) => seconds.ToString("0.0", CultureInfo.InvariantCulture);

    public static string Number(double number) => number.ToString("0.###", CultureInfo.InvariantCulture);

    /// <summary>"RollingBack" as "Rolling back".</summary>
    public static string Words(Enum value)
    {
        var name = value.ToString();
        return string.Concat(name.Select((c, i) => i > 0 && char.IsUpper(c) ? $" {char.ToLowerInvariant(c)}" : $"{c}"));
    }
}

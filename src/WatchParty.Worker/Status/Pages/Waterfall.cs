using WatchParty.Releases.Recording;

namespace WatchParty.Worker.Status.Pages;

/// <summary>The steps of a release as they ran, with what came from the cache and why the rest did not.</summary>
internal static class Waterfall
{
    private const double Width = 1000;
    /// <summary>So that a step of a moment is seen at all.</summary>
    private const double Least = 6;

    public static Html Of(IReadOnlyList<StepRecord> steps, ReleaseReport report)
    {
        if (steps.Count == 0) { return Html.Empty; }
        var reasons = report.Services.SelectMany(s => s.Missed.Select(m => (s.Name, m))).ToLookup(m => (m.Name, m.m.Step), m => m.m);
        var places = Places(steps);
        var end = Math.Max(0.001, places.Max(p => p.From + p.Step.Seconds));
        return Html.Of($"""
            <section><h2>Steps</h2>
            <p class="legend"><span><svg class="key" viewBox="0 0 8 8" aria-hidden="true"><rect class="cached" width="8" height="8"/></svg> from the cache</span> <span><svg class="key" viewBox="0 0 8 8" aria-hidden="true"><rect class="ran" width="8" height="8"/></svg> ran</span> <span><svg class="key" viewBox="0 0 8 8" aria-hidden="true"><rect class="failed" width="8" height="8"/></svg> failed</span> The whole width is {ReleaseText.Seconds(end)}.</p>
            {places.GroupBy(p => p.Step.Service).Select(service => Html.Of($"""
                <h3>{service.Key}</h3>
                <table class="waterfall"><thead class="visually-hidden"><tr><th scope="col">Step</th><th scope="col">Seconds</th><th scope="col">When</th></tr></thead><tbody>
                {service.Select(p => Row(p.Step, p.From, end, reasons[(p.Step.Service, p.Step.Text)].FirstOrDefault()))}
                </tbody></table>
                """))}
            </section>
            """);
    }

    private static Html Row(StepRecord step, double from, double end, MissedStep? missed)
    {
        var kind = step.State switch { "Cached" => "cached", "Executed" => "ran", "Failed" => "failed", _ => "pending" };
        var width = Math.Max(Least, Width * step.Seconds / end);
        var x = Math.Min(Width * from / end, Width - width);
        return Html.Of($"""
            <tr><td class="text">{(step.Stage.Length == 0 ? Html.Empty : Html.Of($"<span class=\"stage\">{step.Stage}</span> "))}<code>{step.Text}</code>{(missed?.Reason is { } reason ? Html.Of($"<span class=\"why\">ran because {reason}{(missed.Avoidable ? " – avoidable" : "")}</span>") : Html.Empty)}{(step.Error is { } error ? Html.Of($"<span class=\"why bad\">{error}</span>") : Html.Empty)}</td>
            <td class="number">{kind switch { "cached" => "cached", "pending" => Words(step.State), _ => ReleaseText.Seconds(step.Seconds) }}</td>
            <td class="bar"><svg viewBox="0 0 1000 10" preserveAspectRatio="none" aria-hidden="true"><rect class="{kind}" x="{Show.Number(x)}" width="{Show.Number(width)}" height="10"/></svg></td></tr>
            """);
    }

    private static string Words(string state) => state == "Pending" ? "not run" : state.ToLowerInvariant();

    /// <summary>Seconds from the first step to each. What an earlier version of the worker recorded has no times: each of its steps follows
    /// the one before.</summary>
    private static List<(StepRecord Step, double From)> Places(IReadOnlyList<StepRecord> steps)
    {
        if (steps.Select(s => s.StartedAt).OfType<DateTimeOffset>().ToList() is { Count: > 0 } times && times.Min() is var first)
        {
            return [.. steps.Select(s => (s, s.StartedAt is { } at ? (at - first).TotalSeconds : 0))];
        }
        var at = new Dictionary<string, double>();
        return [.. steps.Select(s =>
        {
            var from = at.GetValueOrDefault(s.Service);
            at[s.Service] = from + s.Seconds;
            return (s, from);
        })];
    }
}

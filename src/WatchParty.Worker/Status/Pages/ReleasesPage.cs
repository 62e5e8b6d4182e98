using System.Text.Json.Nodes;
using WatchParty.Releases.Recording;

namespace WatchParty.Worker.Status.Pages;

/// <summary>The releases, newest first, and how they went over time.</summary>
internal static class ReleasesPage
{
    private const int OnePage = 50;

    public static Html Of(StatusSources sources, long before)
    {
        // One more tells whether there is another page.
        var found = sources.History.Before(before, OnePage + 1);
        var shown = found.Take(OnePage).ToList();
        return Html.Of($"""
            <h1>Releases</h1>
            {Chart(shown)}
            {ReleaseTable.Of(shown, sources.Time.GetUtcNow())}
            <nav class="pages" aria-label="More releases">
            {(before < long.MaxValue ? Html.Of($"<a href=\"/releases\">Newest</a>") : Html.Empty)}
            {(found.Count > OnePage ? Html.Of($"<a href=\"/releases?before={shown[^1].Release}\" rel=\"next\">Older</a>") : Html.Empty)}
            </nav>
            """);
    }

    private static Html Chart(IReadOnlyList<ReleaseReport> shown)
    {
        var built = shown.Where(r => r is { StartedAt: not null, State: ReleaseState.Done, Outcome: not ReleaseOutcome.Superseded })
            .Reverse().ToList();
        if (built.Count < 2) { return Html.Empty; }
        var chart = new JsonObject
        {
            // Side by side: many of one day would lie on top of each other over time.
            ["label"] = "Release",
            ["x"] = Charts.Series(built.Select(r => (double?)StatusApi.NumberOf(r))),
            ["series"] = new JsonArray(
                new JsonObject
                {
                    ["label"] = "Seconds",
                    ["unit"] = "s",
                    ["kind"] = "bars",
                    ["color"] = "run",
                    ["values"] = Charts.Series(
                    built.Select(r => (double?)r.Seconds.Total))
                },
                new JsonObject { ["label"] = "Steps cached", ["unit"] = "%", ["kind"] = "line", ["color"] = "cached", ["values"] = Charts.Series(built.Select(r => r.Steps.Total == 0 ? null : (double?)(100 * r.Steps.Cached / r.Steps.Total))) }),
        };
        return Charts.Of(chart,
            "Seconds of each release, and the share of steps that came from the cache; the table below has the same figures.");
    }
}

/// <summary>Charts that the script draws; without it the table beside each says the same.</summary>
internal static class Charts
{
    public static Html Of(JsonObject chart, string label) =>
        Html.Of($"<figure class=\"chart\" role=\"img\" aria-label=\"{label}\" data-chart=\"{chart.ToJsonString()}\"></figure>");

    public static JsonArray Series(IEnumerable<double?> values) =>
        new([.. values.Select(v => v is { } number ? JsonValue.Create(number) : null)]);
}

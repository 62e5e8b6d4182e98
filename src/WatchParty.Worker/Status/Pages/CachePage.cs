using System.Text.Json.Nodes;
using WatchParty.Releases.Recording;
using WatchParty.Tools.Configuration;
using WatchParty.Worker.Checking;

namespace WatchParty.Worker.Status.Pages;

/// <summary>What the cache takes, what was removed from it, and what would make it serve better.</summary>
internal static class CachePage
{
    private const int Shown = 100;
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(2);

    public static async Task<Html> OfAsync(StatusSources sources, Viewer viewer, CancellationToken cancellationToken)
    {
        var now = sources.Time.GetUtcNow();
        var looking = sources.Checkup.GetAsync(Patience, cancellationToken);
        var size = await sources.Cache.GetAsync(Patience, cancellationToken);
        var reports = sources.History.Housekeeping(Shown);
        var fresh = sources.FreshPending();
        return Html.Of($"""
            <h1>Cache</h1>
            {(fresh.Count == 0 ? Html.Empty : Html.Of($"<p class=\"notice busy\">The next build of <strong>{string.Join(", ", fresh)}</strong> uses no cache, and proves it.</p>"))}
            <dl class="facts">
            <div><dt>Builder cache now</dt><dd class="large">{(size.Value is { } known ? ByteSize.Words(known.Bytes) : "–")}</dd><dd class="quiet">{(size switch { { Value: { } s } => $"{s.Records} records", { Error: { } error } => error, _ => "being looked at" })}</dd></div>
            <div><dt>Live set after the last prune</dt><dd class="large">{(reports.FirstOrDefault(r => r is { Kind: "prune", BytesAfter: not null }) is { } pruned ? ByteSize.Words(pruned.BytesAfter!.Value) : "–")}</dd><dd class="quiet">what the next builds need</dd></div>
            <div><dt>Freed</dt><dd class="large">{(reports.Count == 0 ? "–" : ByteSize.Words(reports.Sum(r => r.FreedBytes)))}</dd><dd class="quiet">by the last {reports.Count} prunes and clears</dd></div>
            </dl>
            {(viewer.MayAct ? Html.Of($"<p class=\"actions\"><a class=\"button\" href=\"/act/prune\">Prune…</a> <a class=\"button\" href=\"/act/clear\">Clear cache…</a></p>") : Html.Empty)}
            {Chart(reports)}
            <section><h2>Prunes and clears</h2>
            {(reports.Count == 0 ? Html.Of($"<p class=\"quiet\">There was none yet.</p>") : Html.Of($"""
                <table class="stacked"><thead><tr><th scope="col">When</th><th scope="col" class="text">What</th><th scope="col">Outcome</th><th scope="col" class="wide">Asked by</th><th scope="col" class="number wide">Records</th><th scope="col" class="number">Freed</th><th scope="col" class="number">Left</th></tr></thead>
                <tbody>{reports.Select(r => Row(r, now))}</tbody></table>
                """))}
            </section>
            {Advice(await looking, now)}
            """);
    }

    private static Html Chart(IReadOnlyList<HousekeepingReport> reports)
    {
        var sized = reports.Where(r => r.BytesAfter is not null).Reverse().ToList();
        if (sized.Count < 2) { return Html.Empty; }
        var (divisor, unit) = sized.Max(r => Math.Max(r.BytesBefore ?? 0, r.FreedBytes)) switch
        {
            >= 1_000_000_000 => (1e9, "GB"),
            >= 1_000_000 => (1e6, "MB"),
            _ => (1e3, "kB")
        };
        JsonObject Bytes(string label, string kind, string color, Func<HousekeepingReport, long?> bytes) => new()
        {
            ["label"] = label,
            ["unit"] = unit,
            ["kind"] = kind,
            ["color"] = color,
            ["values"] = Charts.Series(sized.Select(r => bytes(r) is { } b ? b / divisor : (double?)null)),
        };
        return Charts.Of(new JsonObject
        {
            ["x"] = Charts.Series(sized.Select(r => (double?)r.EndedAt.ToUnixTimeSeconds())),
            ["series"] = new JsonArray(
                Bytes("Before", "line", "run", r => r.BytesBefore),
                Bytes("Live set", "line", "cached", r => r.Kind == "prune" ? r.BytesAfter : null),
                Bytes("Freed", "bars", "quiet", r => r.FreedBytes)),
        }, "Size of the builder cache before and after each prune, and what was freed; the table below has the same figures.");
    }

    private static Html Row(HousekeepingReport report, DateTimeOffset now) => Html.Of($"""
        <tr><td>{Show.Time(report.EndedAt, now)}</td><td class="text">{(report.Kind == "clear" ? $"clear {string.Join(", ", report.Targets)}" : report.Kind)}{Notes(report)}</td><td>{Show.Badge(report.Error is null ? "good" : "bad", report.Outcome)}</td><td class="wide">{report.Trigger}</td><td class="number wide">{report.RecordsBefore} → {report.RecordsAfter}</td><td class="number">{ByteSize.Words(report.FreedBytes)}</td><td class="number">{(report.BytesAfter is { } left ? ByteSize.Words(left) : "–")}</td></tr>
        """);

    private static Html Notes(HousekeepingReport report) =>
        Html.Join(report.Notes.Prepend(report.Error).OfType<string>().Select(n => Html.Of($"<span class=\"why\">{n}</span>")));

    private static Html Advice(Seen<IReadOnlyList<Check>> seen, DateTimeOffset now) => Html.Of($"""
        <section><h2>Doctor's advice</h2>
        {(seen.Error is { } error ? Html.Of($"<p class=\"notice bad\">{error}</p>") : Html.Empty)}
        {(seen.Value is not { } checks ? Html.Of($"<p class=\"quiet\">The checks are being made; load the page again in a moment.</p>") : Html.Of($"""
            <table class="stacked checks"><thead><tr><th scope="col">Check</th><th scope="col">Result</th><th scope="col" class="text">Finding</th></tr></thead>
            <tbody>{checks.OrderByDescending(c => c.Status).Select(c => Html.Of($"<tr><th scope=\"row\">{c.Name}</th><td>{Show.Badge(c.Status switch { CheckStatus.Ok => "good", CheckStatus.Warning => "warn", _ => "bad" }, c.Status.ToString())}</td><td class=\"text\">{c.Message}{(c.Fix is { } fix ? Html.Of($"<span class=\"why\">What to do: {fix}</span>") : Html.Empty)}</td></tr>"))}</tbody></table>
            <p class="quiet">Looked at {Show.Time(seen.At, now)}</p>
            """))}
        </section>
        """);
}

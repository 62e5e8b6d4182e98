using WatchParty.Releases.Recording;
using WatchParty.Tools.Redacting;

namespace WatchParty.Worker.Status.Pages;

/// <summary>One release: what was done to each service and why, and where the time went.</summary>
internal static class ReleasePage
{
    private const int LogShown = 32 * 1024;

    public static async Task<Html> OfAsync(StatusSources sources, ReleaseReport report, Viewer viewer, CancellationToken cancellationToken)
    {
        var now = sources.Time.GetUtcNow();
        var isDeployed = sources.History.DeployedNumber() is { } deployed && report.Release == $"{deployed.Id}";
        var log = await NowPage.TailAsync(sources, report, LogShown, cancellationToken);
        return Html.Of($"""
            <h1>Release {report.Release} {Show.Outcome(report)}{(isDeployed ? Html.Of($" {Show.Badge("busy", "deployed")}") : Html.Empty)}</h1>
            <dl class="facts">
            <div><dt>Commit</dt><dd><code>{report.Commit}</code></dd></div>
            {(report.PreviousCommit is { } previous ? Html.Of($"<div><dt>After</dt><dd>{Show.Commit(previous)}</dd></div>") : Html.Empty)}
            <div><dt>Triggered by</dt><dd>{report.Trigger}{(report.Forced ? ", without cache" : "")}</dd></div>
            <div><dt>Began</dt><dd>{Show.Time(report.StartedAt, now)}</dd></div>
            <div><dt>Ended</dt><dd>{Show.Time(report.EndedAt, now)}</dd></div>
            <div><dt>Steps cached</dt><dd>{Show.Cached(report.Steps)}</dd></div>
            </dl>
            {(report.Error is { } error ? Html.Of($"<pre class=\"notice bad\">{error}</pre>") : Html.Empty)}
            {Phases(report.Seconds)}
            {(viewer.MayAct && !isDeployed && report.Outcome == ReleaseOutcome.Succeeded ? Html.Of($"<p class=\"actions\"><a class=\"button\" href=\"/act/rollback?release={report.Release}\">Roll back to this release…</a></p>") : Html.Empty)}
            <section><h2>Services</h2>
            {(report.Services.Count == 0 ? Html.Of($"<p class=\"quiet\">{(report.State == ReleaseState.Done ? "It did not come to a plan." : "There is no plan yet.")}</p>") : Html.Of($"""
                <table class="stacked"><thead><tr><th scope="col">Service</th><th scope="col">Action</th><th scope="col" class="text">Why</th><th scope="col">Cached</th><th scope="col" class="number">Seconds</th><th scope="col" class="number wide">Saved by the cache</th></tr></thead>
                <tbody>{report.Services.Select(Service)}</tbody></table>
                """))}
            {Unanswered(report)}
            {(report.Notes is { Count: > 0 } notes ? Html.Of($"<h3>Notes</h3><ul>{notes.Select(n => Html.Of($"<li>{n}</li>"))}</ul>") : Html.Empty)}
            {Advice(report)}
            </section>
            {Waterfall.Of(sources.History.Steps(StatusApi.NumberOf(report)), report)}
            {(log.Length == 0 ? Html.Empty : Html.Of($"""
                <section><details><summary>Log of the build, its end</summary><pre tabindex="0" aria-label="Log of the build">{log}</pre></details>
                <p><a href="/api/releases/{report.Release}/log">Whole log</a></p></section>
                """))}
            """);
    }

    private static Html Service(ServiceReport service) => Html.Of($"""
        <tr><th scope="row">{service.Name}</th><td>{service.Action.ToString()}{(service.Fresh ? Html.Of($" <span class=\"tag\">fresh</span>") : Html.Empty)}</td><td class="text">{service.Reason}</td><td>{Show.Cached(service.Steps)}</td><td class="number">{(service.Seconds > 0 ? Show.Seconds(service.Seconds) : "–")}</td><td class="number wide">{(service.SecondsSaved > 0 ? $"{Show.Seconds(service.SecondsSaved)} s" : "–")}</td></tr>
        """);

    private static Html Phases(PhaseSeconds seconds)
    {
        (string Name, double Seconds)[] phases = [("detect", seconds.Detect), ("plan", seconds.Plan), ("build", seconds.Build),
            ("deploy", seconds.Deploy), ("verify", seconds.Verify)];
        if (seconds.Total <= 0) { return Html.Empty; }
        var at = 0.0;
        return Html.Of($"""
            <figure class="phase-bar"><svg viewBox="0 0 1000 12" preserveAspectRatio="none" aria-hidden="true">{phases.Select((p, i) =>
            {
                var from = at;
                at += 1000 * p.Seconds / seconds.Total;
                return Html.Of($"<rect class=\"phase{i}\" x=\"{Show.Number(from)}\" " +
                    $"width=\"{Show.Number(1000 * p.Seconds / seconds.Total)}\" height=\"12\"/>");
            }).ToList()}</svg>
            <figcaption>{phases.Select((p, i) => Html.Of($"<span><svg class=\"key\" viewBox=\"0 0 8 8\" aria-hidden=\"true\"><rect class=\"phase{i}\" width=\"8\" height=\"8\"/></svg> {p.Name} {Show.Seconds(p.Seconds)} s</span> "))}<strong>{Show.Seconds(seconds.Total)} s</strong></figcaption></figure>
            """);
    }

    private static Html Unanswered(ReleaseReport report) =>
        report.SecondsWithoutAnswer is not { Count: > 0 } without ? Html.Empty : Html.Of($"""
        <h3>Answers of the site meanwhile</h3>
        <ul>{without.Select(w => Html.Of($"<li><code>{Redaction.Apply(w.Key)}</code> {(w.Value == 0 ? "answered all the time" : $"gave no good answer for {ReleaseText.Seconds(w.Value)}, {ReleaseText.Seconds(report.LongestWithoutAnswer![w.Key])} in one piece")}</li>"))}</ul>
        """);

    private static Html Advice(ReleaseReport report)
    {
        var advice = report.Services.SelectMany(s => s.Advice.Select(a => Html.Of($"<li><strong>{s.Name}</strong>: {a}</li>"))).ToList();
        return advice.Count == 0 ? Html.Empty : Html.Of($"<h3>What would make every build faster</h3><ul>{advice}</ul>");
    }
}

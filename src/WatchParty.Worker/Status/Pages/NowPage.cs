using WatchParty.Releases.Recording;
using WatchParty.Worker.Control;

namespace WatchParty.Worker.Status.Pages;

/// <summary>What is deployed, how it fares, and what goes on.</summary>
internal static class NowPage
{
    private const int LogShown = 16 * 1024;
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(1);

    public static async Task<Html> OfAsync(StatusSources sources, RequestedWork work, Viewer viewer, CancellationToken cancellationToken)
    {
        var now = sources.Time.GetUtcNow();
        var service = sources.Service.Now();
        var newest = sources.History.Last(6);
        var deployed = sources.History.DeployedNumber() is { } number
            ? newest.FirstOrDefault(r => r.Release == $"{number.Id}") ?? sources.History.Find(number.Id)
            : null;
        var health = await sources.Health.GetAsync(Patience, cancellationToken);
        var running = newest is [{ State: not ReleaseState.Done } r, ..] ? r : null;
        return Html.Of($"""
            <h1 class="visually-hidden">Now</h1>
            {Notices(sources, service, work, newest, now)}
            <div class="columns">
            {Deployed(deployed, health, now)}
            {await GoingOnAsync(sources, service, running, now, cancellationToken)}
            </div>
            {Actions(viewer)}
            <section><h2>Latest releases</h2>
            {ReleaseTable.Of(newest, now)}
            <p><a href="/releases">All releases</a></p></section>
            """);
    }

    private static Html Deployed(ReleaseReport? deployed, Seen<IReadOnlyList<ServiceHealth>> health, DateTimeOffset now) => Html.Of($"""
        <section><h2>Deployed</h2>
        {(deployed is null ? Html.Of($"<p>Nothing yet.</p>") : Html.Of($"""
            <p class="large"><span data-commit="{deployed.Commit}">{Show.Commit(deployed.Commit)}</span> {Overall(health)}</p>
            <p>Release {Show.Release(deployed)}, since {Show.Time(deployed.EndedAt, now)}{(deployed.EndedAt is { } at ? $" ({Show.Ago(at, now)})" : "")}, by {deployed.Trigger}</p>
            {(health.Error is { } error ? Html.Of($"<p class=\"quiet\">{error}</p>") : Html.Empty)}
            <ul class="services">{(health.Value ?? []).Select(s => Html.Of($"<li><span>{s.Name}</span> {Show.Badge(s.Good ? "good" : "bad", s.State)}{(s.Restarts > 0 ? Html.Of($" <span class=\"quiet\">restarted {s.Restarts}×</span>") : Html.Empty)}</li>"))}</ul>
            """))}
        </section>
        """);

    private static Html Overall(Seen<IReadOnlyList<ServiceHealth>> health) => health switch
    {
        { Error: not null } => Show.Badge("warn", "health not known"),
        { Value: null } => Show.Badge("quiet", "being looked at"),
        { Value: var services } when services.All(s => s.Good) => Show.Badge("good", "healthy"),
        { Value: var services } => Show.Badge("bad", $"{services.Count(s => !s.Good)} of {services.Count} not healthy"),
    };

    private static async Task<Html> GoingOnAsync(StatusSources sources, ServiceStatus service, ReleaseReport? running, DateTimeOffset now,
        CancellationToken cancellationToken)
    {
        if (service.Work is not { } work)
        {
            return Html.Of($"""
                <section><h2>Going on</h2>
                <p class="large">Nothing</p>
                <p>Remote last asked: {Show.Time(service.LastPoll, now)}{(service.LastPoll is { } poll ? $" ({Show.Ago(poll, now)})" : "")}<br>Next prune: {Show.Time(service.NextPrune, now)}</p>
                <p class="quiet" id="progress" aria-live="polite"></p>
                </section>
                """);
        }
        var lines = sources.Progress.Since(service.WorkSince ?? now);
        return Html.Of($"""
            <section class="busy"><h2>Going on</h2>
            <p class="large">{work}</p>
            <p>{(running is null ? Html.Empty : Html.Of($"Release {Show.Release(running)} of {Show.Commit(running.Commit)} "))}since {Show.Time(service.WorkSince, now)}{(service.Waiting > 0 ? $", {service.Waiting} more waiting" : "")}{(service.NextCommit is { } next ? Html.Of($", then {Show.Commit(next)}") : Html.Empty)}</p>
            {(running is null ? Html.Empty : Phases(running.State))}
            <p id="progress" aria-live="polite">{(lines is [.., var newestLine] ? newestLine.Line : "")}</p>
            <ol id="trail" class="trail">{lines.TakeLast(12).Select(l => Html.Of($"<li>{l.Line}</li>"))}</ol>
            {(running is null ? Html.Empty : Html.Of($"<details open><summary>Log of the build</summary><pre id=\"log\" data-release=\"{running.Release}\" tabindex=\"0\" aria-label=\"Log of the build\">{await TailAsync(sources, running, LogShown, cancellationToken)}</pre></details>"))}
            </section>
            """);
    }

    private static Html Phases(ReleaseState state)
    {
        ReleaseState[] phases = state == ReleaseState.RollingBack
            ? [ReleaseState.Planning, ReleaseState.Building, ReleaseState.Deploying, ReleaseState.Verifying, ReleaseState.RollingBack]
            : [ReleaseState.Planning, ReleaseState.Building, ReleaseState.Deploying, ReleaseState.Verifying];
        return Html.Of($"""<ol class="phases">{phases.Select(p => Html.Of($"<li class=\"{(p < state ? "done" : p == state ? "current" : "")}\"{(p == state ? Html.Of($" aria-current=\"step\"") : Html.Empty)}>{Show.Words(p)}</li>"))}</ol>""");
    }

    private static Html Notices(StatusSources sources, ServiceStatus service, RequestedWork work, IReadOnlyList<ReleaseReport> newest,
        DateTimeOffset now)
    {
        List<Html> notices = [];
        void Notice(string kind, Html text) => notices.Add(Html.Of($"<p class=\"notice {kind}\" role=\"status\">{text}</p>"));
        if (service.ReleaseError is { } trouble) { Notice("bad", Html.Of($"{Show.Sentence(trouble)}")); }
        if (service.ConfigurationChanged is { } changed)
        {
            Notice("warn",
                Html.Of($"<code>{changed}</code> was changed after the service had read it. A restart of the service applies it."));
        }
        if (service.PollError is { } error)
        {
            Notice("bad", Html.Of($"The remote cannot be asked: {Show.Sentence(error)} It is tried again, less and less often."));
        }
        if (newest.FirstOrDefault(
            r => r is { State: ReleaseState.Done, Outcome: not ReleaseOutcome.Superseded }) is { Outcome: not ReleaseOutcome.Succeeded } failed)
        {
            var next = sources.History.Quarantined(failed.Commit) is null ? "It is tried again."
                : "This commit waits: push a correction, or force a rebuild to try it again.";
            Notice("bad",
                Html.Of($"Release {Show.Release(failed)} of {Show.Commit(failed.Commit)}: {Show.Outcome(failed)} " +
                    $"{Show.Sentence(failed.Error)} {next}"));
        }
        if (sources.FreshPending() is { Count: > 0 } fresh)
        {
            Notice("busy",
                Html.Of($"The cache was cleared: the next build of <strong>{string.Join(", ", fresh)}</strong> uses none, and proves it."));
        }
        if (work.Last is { } last && now - last.At < TimeSpan.FromMinutes(15))
        {
            Notice(last.Good ? "good" : "bad", Html.Of($"{last.Words} <span class=\"quiet\">({Show.Ago(last.At, now)})</span>"));
        }
        return Html.Join(notices);
    }

    private static Html Actions(Viewer viewer) => !viewer.MayAct ? Html.Empty : Html.Of($"""
        <nav class="actions" aria-label="Actions">{PageAction.All.Select(a => Html.Of($"<a class=\"button\" id=\"act-{a.Name}\" href=\"/act/{a.Name}\">{a.Title}…</a>"))}</nav>
        """);

    /// <summary>The last lines of a release's log.</summary>
    public static async Task<string> TailAsync(StatusSources sources, ReleaseReport report, int most, CancellationToken cancellationToken)
    {
        if (ReleaseLogFile.Open(sources.State, report) is not { } file) { return ""; }
        await using var _ = file;
        var start = await ReleaseLogFile.TailAsync(file, most, cancellationToken);
        return (await ReleaseLogFile.ReadAsync(file, start, most, cancellationToken)).Text;
    }
}

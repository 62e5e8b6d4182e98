using System.Globalization;
using Microsoft.AspNetCore.Http;
using WatchParty.Releases.Recording;
using WatchParty.Worker.Control;

namespace WatchParty.Worker.Status.Pages;

/// <summary>Something that a person can have done from the page.</summary>
/// <param name="Meaning">What will happen, for the question before it does.</param>
internal sealed record PageAction(string Name, string Title, string Meaning)
{
    private const string AskedBy = "the status page";

    public static IReadOnlyList<PageAction> All { get; } =
    [
        new("release", "Release now", "The remote is asked now, and what is new there is released. Nothing happens when nothing is new."),
        new("rebuild", "Force rebuild",
            "Every service is built again without cache from the newest commit, base images are looked up again, and the result is " +
            "deployed. That takes as long as a first build."),
        new("clear", "Clear cache",
            "The build cache of the chosen services is removed. Nothing is built or restarted now; their next build uses no cache, and " +
            "proves it."),
        new("prune", "Prune",
            "What the next builds do not need is removed from the builder cache, and images of old releases beyond those kept for " +
            "rollback. The next build stays as warm as it is."),
        new("rollback", "Roll back",
            "The chosen release is brought back: its images, its commit, its containers. The commit that is left behind waits until a " +
            "new one comes or somebody forces a rebuild."),
    ];

    public static PageAction? Find(string? name) => All.FirstOrDefault(a => a.Name == name);

    /// <summary>What the filled-in form asks for; null with the reason why it asks for nothing.</summary>
    public ControlRequest? Request(IFormCollection form, out string? fault)
    {
        fault = null;
        switch (Name)
        {
            case "release":
                return new ControlRequest("once", AskedBy);
            case "rebuild":
                return new ControlRequest("once", AskedBy, ForceRebuild: true);
            case "prune":
                return new ControlRequest("prune", AskedBy, DryRun: form["dryRun"] == "on");
            case "clear" when form["targets"] is { Count: > 0 } targets:
                return new ControlRequest("clear-cache", AskedBy, Targets: [.. targets.OfType<string>()]);
            case "clear":
                fault = "Choose at least one service.";
                return null;
            default:
                if (long.TryParse(form["release"], NumberStyles.None, CultureInfo.InvariantCulture, out var release))
                {
                    return new ControlRequest("rollback", AskedBy, Release: release);
                }
                fault = "Choose a release.";
                return null;
        }
    }
}

/// <summary>The question before an action.</summary>
internal static class ActionPage
{
    private const int ReleasesOffered = 10;

    public static Html Of(StatusSources sources, PageAction action, Html formToken, string? chosen, string? fault) =>
        action.Name == "rollback" && !Earlier(sources.History, chosen).Any() ? Html.Of($"""
        <h1>{action.Title}?</h1>
        <p class="meaning">There is no healthy release before the one that is deployed, so there is nothing to go back to.</p>
        <p class="actions"><a class="button" href="/">Back</a></p>
        """) : Html.Of($"""
        <h1>{action.Title}?</h1>
        <p class="meaning">{action.Meaning}</p>
        {(fault is null ? Html.Empty : Html.Of($"<p class=\"notice bad\" role=\"alert\">{fault}</p>"))}
        <form method="post" action="/act/{action.Name}">
        {formToken}
        {Fields(sources, action, chosen)}
        <p class="actions"><button class="button primary" id="confirm">{action.Title}</button> <a class="button" href="/">Cancel</a></p>
        </form>
        """);

    private static Html Fields(StatusSources sources, PageAction action, string? chosen) => action.Name switch
    {
        "clear" => Html.Of($"""
            <fieldset><legend>Services</legend>
            <label><input type="checkbox" name="targets" value="all"> all of them</label>
            {Built(sources.History).Select(s => Html.Of($"<label><input type=\"checkbox\" name=\"targets\" value=\"{s}\"> {s}</label>"))}
            </fieldset>
            """),
        "prune" => Html.Of($"<label><input type=\"checkbox\" name=\"dryRun\"> only say what would be removed</label>"),
        "rollback" => Html.Of($"""
            <fieldset><legend>Release</legend>
            {Earlier(sources.History, chosen).Select((r, i) => Html.Of($"<label><input type=\"radio\" name=\"release\" value=\"{r.Id}\"{((chosen is null ? i == 0 : chosen == $"{r.Id}") ? Html.Of($" checked") : Html.Empty)}> {r.Id} of {Show.Commit(r.Commit)}, {Show.Time(sources.History.Find(r.Id)?.StartedAt, sources.Time.GetUtcNow())}</label>"))}
            </fieldset>
            """),
        _ => Html.Empty,
    };

    /// <summary>What a cache can be cleared of: the services that were built here.</summary>
    private static IEnumerable<string> Built(History history) =>
        history.DeployedNumber() is { } deployed ? history.Find(deployed.Id)!.Services.Where(s => s.Image is not null).Select(s => s.Name)
        : [];

    private static IEnumerable<(long Id, string Commit)> Earlier(History history, string? chosen)
    {
        var earlier = history.HealthyCommits().Skip(1).ToList();
        return earlier.Take(ReleasesOffered).Union(earlier.Where(r => $"{r.Id}" == chosen));
    }
}

namespace WatchParty.Worker.Status.Pages;

/// <summary>Who looks at a page.</summary>
/// <param name="Session">Null when nobody is signed in.</param>
/// <param name="CanAct">Whether somebody who is signed in could act here.</param>
internal sealed record Viewer(string? Session, bool CanAct)
{
    public bool MayAct => Session is not null;
}

/// <summary>What every page has around it.</summary>
internal static class Layout
{
    private static readonly (string Path, string Title)[] Pages = [("/", "Now"), ("/releases", "Releases"), ("/cache", "Cache"),
        ("/settings", "Settings")];

    /// <param name="path">The page of the navigation that it belongs to.</param>
    /// <param name="shown">What <see cref="LiveEvents.Now()"/> was, for a page that is shown anew whenever that changes; null for any
    /// other.</param>
    public static Html Page(Viewer viewer, string path, string title, Html body, string? shown = null) => Html.Of($"""
        <!DOCTYPE html>
        <html lang="en">
        <head>
        <meta charset="utf-8">
        <meta name="viewport" content="width=device-width, initial-scale=1">
        <meta name="color-scheme" content="light dark">
        <title>{title} – WatchParty.Worker</title>
        <link rel="icon" href="data:,">
        <link rel="stylesheet" href="{Asset.AddressOf("uPlot.min.css")}">
        <link rel="stylesheet" href="{Asset.AddressOf("style.css")}">
        <script src="{Asset.AddressOf("uPlot.iife.min.js")}" defer></script>
        <script src="{Asset.AddressOf("page.js")}" defer></script>
        {(shown is not null ? Html.Of($"<noscript><meta http-equiv=\"refresh\" content=\"10\"></noscript>") : Html.Empty)}
        </head>
        <body>
        <a class="skip" href="#main">To the content</a>
        <header>
        <a class="brand" href="/">WatchParty.Worker</a>
        <nav aria-label="Pages">{Pages.Select(p => Html.Of($"<a href=\"{p.Path}\"{(p.Path == path ? Html.Of($" aria-current=\"page\"") : Html.Empty)}>{p.Title}</a>"))}</nav>
        {SignInOrOut(viewer)}
        </header>
        <main id="main"{(shown is not null ? Html.Of($" data-shown=\"{shown}\"") : Html.Empty)}>
        {body}
        </main>
        <footer>Times are those of the server ({TimeZoneInfo.Local.Id}). <a href="/openapi.json">HTTP API</a></footer>
        </body>
        </html>
        """);

    public static Html FormToken(StatusAccess access, Viewer viewer) =>
        viewer.Session is { } session
        ? Html.Of($"<input type=\"hidden\" name=\"{StatusAccess.FormField}\" value=\"{access.FormToken(session)}\">")
        : Html.Empty;

    private static Html SignInOrOut(Viewer viewer) =>
        viewer.MayAct
        ? Html.Of($"<form class=\"session\" method=\"post\" action=\"/sign-out\"><button class=\"link\">Sign out</button></form>")
        : viewer.CanAct ? Html.Of($"<a class=\"session\" href=\"/sign-in\">Sign in</a>")
        : Html.Of($"<span class=\"session quiet\" title=\"Set Status:TokenFile to act from here\">Read only</span>");
}

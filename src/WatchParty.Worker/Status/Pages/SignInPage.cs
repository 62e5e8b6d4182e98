namespace WatchParty.Worker.Status.Pages;

internal static class SignInPage
{
    public static Html Of(bool failed) => Html.Of($"""
        <h1>Sign in</h1>
        {(failed ? Html.Of($"<p class=\"notice bad\" role=\"alert\">That is not the token.</p>") : Html.Empty)}
        <form method="post" action="/sign-in">
        <p><label for="token">Token of <code>Status:Token</code> or <code>Status:TokenFile</code></label><br><input type="password" id="token" name="token" autocomplete="current-password" required autofocus></p>
        <p class="actions"><button class="button primary">Sign in</button></p>
        </form>
        """);
}

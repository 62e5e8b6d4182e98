using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Routing;
using WatchParty.Worker.Status.Pages;

namespace WatchParty.Worker.Status;

/// <summary>The pages, made on the server. A GET only shows; what acts is a form of a session, after a question.</summary>
internal sealed class StatusPages(StatusSources sources, StatusAccess access, RequestedWork work, LiveEvents events)
{
    public void Map(IEndpointRouteBuilder routes)
    {
        Page("/", async (context, viewer) => (await NowPage.OfAsync(sources, work, viewer, context.RequestAborted), "/", "Now"),
            isLive: true);
        Page("/releases",
            (context, _) => StatusApi.Number(context.Request, "before", long.MaxValue) is { } before
                ? Task.FromResult<(Html, string, string)?>((ReleasesPage.Of(sources, before), "/releases", "Releases"))
                : NothingAsync());
        Page("/releases/{release}",
            async (context, viewer) => StatusApi.Find(sources.History, (string?)context.Request.RouteValues["release"] ?? "") is { } report
            ? (await ReleasePage.OfAsync(sources, report, viewer, context.RequestAborted), "/releases", $"Release {report.Release}")
                : null);
        Page("/cache", async (context, viewer) => (await CachePage.OfAsync(sources, viewer, context.RequestAborted), "/cache", "Cache"));
        Page("/settings", (_, _) => Task.FromResult<(Html, string, string)?>((SettingsPage.Of(sources), "/settings", "Settings")));
        routes.MapGet("/act/{action}", context => AskAsync(context, null));
        routes.MapPost("/act/{action}", ActAsync);
        routes.MapGet("/sign-in", context => SignInAsync(context, failed: false));
        routes.MapPost("/sign-in", OpenSessionAsync);
        routes.MapPost("/sign-out", CloseSessionAsync);

        static Task<(Html, string, string)?> NothingAsync() => Task.FromResult<(Html, string, string)?>(null);

        void Page(string pattern, Func<HttpContext, Viewer, Task<(Html Body, string Path, string Title)?>> page, bool isLive = false) =>
            routes.MapGet(pattern, async context =>
        {
            // Before the page is made: what changes meanwhile is told again rather than never.
            var (viewer, shown) = (ViewerOf(context), isLive ? events.Now() : null);
            if (await page(context, viewer) is { } made)
            {
                await SendAsync(context, Layout.Page(viewer, made.Path, made.Title, made.Body, shown));
            }
            else { context.Response.StatusCode = StatusCodes.Status404NotFound; }
        });
    }

    private async Task AskAsync(HttpContext context, string? fault)
    {
        if (PageAction.Find((string?)context.Request.RouteValues["action"]) is not { } action)
        {
            context.Response.StatusCode = StatusCodes.Status404NotFound;
            return;
        }
        var viewer = ViewerOf(context);
        if (!viewer.MayAct)
        {
            await RefuseAsync(context);
            return;
        }
        var chosen = context.Request.Query["release"].FirstOrDefault();
        await SendAsync(context,
            Layout.Page(viewer, "/", action.Title, ActionPage.Of(sources, action, Layout.FormToken(access, viewer), chosen, fault)));
    }

    private async Task ActAsync(HttpContext context)
    {
        if (PageAction.Find((string?)context.Request.RouteValues["action"]) is not { } action)
        {
            context.Response.StatusCode = StatusCodes.Status404NotFound;
            return;
        }
        if (access.Session(context.Request) is not { } session || !StatusAccess.IsFromUs(context.Request)
            || !context.Request.HasFormContentType)
        {
            await RefuseAsync(context);
            return;
        }
        var form = await context.Request.ReadFormAsync(context.RequestAborted);
        if (!access.IsFormToken(session, form[StatusAccess.FormField]))
        {
            await RefuseAsync(context);
            return;
        }
        if (action.Request(form, out var fault) is not { } request)
        {
            context.Response.StatusCode = StatusCodes.Status400BadRequest;
            await AskAsync(context, fault);
            return;
        }
        if (work.BeginAsync(request) is null)
        {
            context.Response.StatusCode = StatusCodes.Status429TooManyRequests;
            await AskAsync(context, "Too much waits already to be done.");
            return;
        }
        SeeOther(context, "/");
    }

    private Task RefuseAsync(HttpContext context)
    {
        if (HttpMethods.IsGet(context.Request.Method) && access.CanAct)
        {
            context.Response.Redirect("/sign-in");
            return Task.CompletedTask;
        }
        return StatusServer.SayAsync(context, StatusCodes.Status403Forbidden,
            access.CanAct
                ? "Only a form of this page, of somebody who is signed in, can do this."
                : "Nobody may act here, because there is no token. Set Status:TokenFile.");
    }

    private Task SignInAsync(HttpContext context, bool failed) =>
        SendAsync(context, Layout.Page(new Viewer(null, access.CanAct), "/sign-in", "Sign in", SignInPage.Of(failed)));

    private async Task OpenSessionAsync(HttpContext context)
    {
        if (!StatusAccess.IsFromUs(context.Request) || !context.Request.HasFormContentType)
        {
            await RefuseAsync(context);
            return;
        }
        var form = await context.Request.ReadFormAsync(context.RequestAborted);
        if (!access.IsToken(form["token"].ToString().Trim()))
        {
            context.Response.StatusCode = StatusCodes.Status403Forbidden;
            await SignInAsync(context, failed: true);
            return;
        }
        access.OpenSession(context);
        SeeOther(context, "/");
    }

    private async Task CloseSessionAsync(HttpContext context)
    {
        if (!StatusAccess.IsFromUs(context.Request))
        {
            await RefuseAsync(context);
            return;
        }
        StatusAccess.CloseSession(context);
        SeeOther(context, "/");
    }

    private Viewer ViewerOf(HttpContext context) => new(access.Session(context.Request), access.CanAct);

    private static void SeeOther(HttpContext context, string path)
    {
        context.Response.StatusCode = StatusCodes.Status303SeeOther;
        context.Response.Headers.Location = path;
    }

    private static Task SendAsync(HttpContext context, Html page)
    {
        context.Response.ContentType = "text/html; charset=utf-8";
        return context.Response.WriteAsync(page.ToString(), context.RequestAborted);
    }
}

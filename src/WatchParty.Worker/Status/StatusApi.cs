using System.Globalization;
using System.Text.Json;
using System.Text.Json.Nodes;
using System.Text.Json.Serialization;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Routing;
using WatchParty.Releases.Recording;
using WatchParty.Tools.Failures;
using WatchParty.Worker.Control;
using WatchParty.Worker.Operating;

namespace WatchParty.Worker.Status;

/// <summary>The HTTP API: the documents of the verbs, and the verbs that change something. <c>Assets/openapi.json</c> describes
/// it.</summary>
internal sealed class StatusApi(StatusSources sources, StatusAccess access, RequestedWork work, LiveEvents events, Action pollNow,
    CancellationToken stopping)
{
    private const string AskedBy = "the HTTP API";
    private const int MostAtOnce = 1000;

    public void Map(IEndpointRouteBuilder routes)
    {
        routes.MapGet("/openapi.json", context => Asset.SendAsync(context, "openapi.json", "application/json"));
        Document("/api/status",
            _ => StatusDocument.Of(sources.History, sources.FreshPending(), sources.Service.Now(), WorkerLock.Holder(sources.State),
                sources.State));
        Document("/api/releases",
            request => Number(request, "before", long.MaxValue) is { } before && Number(request, "last", 20) is { } last
                && last <= MostAtOnce
            ? JsonSerializer.Serialize(sources.History.Before(before, (int)last), RecordJson.Readable.IReadOnlyListReleaseReport) : null);
        Document("/api/releases/{release}",
            request => Find(request) is { } report ? JsonSerializer.Serialize(report, RecordJson.Readable.ReleaseReport) : null);
        Document("/api/releases/{release}/steps", request => Find(request) is { } report
            ? JsonSerializer.Serialize(sources.History.Steps(NumberOf(report)), RecordJson.Readable.IReadOnlyListStepRecord) : null);
        Document("/api/housekeeping", request => Number(request, "last", 100) is { } last && last <= MostAtOnce
            ? JsonSerializer.Serialize(sources.History.Housekeeping((int)last), RecordJson.Readable.IReadOnlyListHousekeepingReport)
                : null);
        Document("/api/settings", _ => new JsonArray([.. StatusSettings.Of(sources.Options)
            .Select(s => new JsonObject { ["key"] = s.Key, ["value"] = s.Value, ["isDefault"] = s.IsDefault })]).ToJsonString());
        routes.MapGet("/api/doctor", CheckAsync);
        routes.MapGet("/api/releases/{release}/log", SendLogAsync);
        routes.MapGet(LiveEvents.Path, context => events.SendAsync(context, stopping));

        Action("/api/once", body => new ControlRequest("once", AskedBy, ForceRebuild: body.ForceRebuild ?? false),
            b => b is { Targets: null, DryRun: null, Release: null });
        Action("/api/clear-cache",
            body => new ControlRequest("clear-cache", AskedBy, Targets: body.Targets is { Length: > 0 } targets ? targets : ["all"]),
            b => b is { ForceRebuild: null, DryRun: null, Release: null });
        Action("/api/prune", body => new ControlRequest("prune", AskedBy, DryRun: body.DryRun ?? false),
            b => b is { ForceRebuild: null, Targets: null, Release: null });
        Action("/api/rollback", body => new ControlRequest("rollback", AskedBy, Release: body.Release),
            b => b is { ForceRebuild: null, Targets: null, DryRun: null });
        routes.MapPost("/api/poll", context => ActAsync(context, body => body == new ActionBody(), _ =>
        {
            pollNow();
            context.Response.StatusCode = StatusCodes.Status202Accepted;
            return Task.CompletedTask;
        }));

        void Document(string pattern, Func<HttpRequest, string?> document) =>
            routes.MapGet(pattern, context => document(context.Request) is { } text
            ? SendAsync(context, StatusCodes.Status200OK, text)
            : StatusServer.SayAsync(context,
                pattern.Contains('{', StringComparison.Ordinal) ? StatusCodes.Status404NotFound : StatusCodes.Status400BadRequest,
                pattern.Contains('{', StringComparison.Ordinal)
                    ? "There is no such release."
                    : $"before and last are numbers from 1 on, last at most {MostAtOnce}."));

        void Action(string pattern, Func<ActionBody, ControlRequest> request, Func<ActionBody, bool> fits) =>
            routes.MapPost(pattern, context => ActAsync(context, fits, body => DoAsync(context, request(body))));
    }

    /// <summary>Lets an action through only with the token in a header, which no page of another site can send, and with a body of the
    /// right form.</summary>
    private async Task ActAsync(HttpContext context, Func<ActionBody, bool> fits, Func<ActionBody, Task> act)
    {
        var request = context.Request;
        if (!access.CanAct)
        {
            await StatusServer.SayAsync(context, StatusCodes.Status403Forbidden,
                "Nobody may act here, because there is no token. Set Status:TokenFile.");
            return;
        }
        if (!access.HasToken(request))
        {
            context.Response.Headers.WWWAuthenticate = "Bearer";
            await StatusServer.SayAsync(context, StatusCodes.Status401Unauthorized, "Send the token: Authorization: Bearer TOKEN");
            return;
        }
        if (!StatusAccess.IsFromUs(request))
        {
            await StatusServer.SayAsync(context, StatusCodes.Status403Forbidden, "A page of another site may not do this.");
            return;
        }
        if (!request.HasJsonContentType())
        {
            await StatusServer.SayAsync(context, StatusCodes.Status415UnsupportedMediaType,
                "Send JSON: Content-Type: application/json, {} at least.");
            return;
        }
        ActionBody? body;
        try
        {
            body = await JsonSerializer.DeserializeAsync(request.Body, ActionJson.Default.ActionBody, context.RequestAborted);
        }
        catch (JsonException e)
        {
            await StatusServer.SayAsync(context, StatusCodes.Status400BadRequest, $"The body cannot be read: {e.Message}");
            return;
        }
        if (body is null || !fits(body))
        {
            await StatusServer.SayAsync(context, StatusCodes.Status400BadRequest,
                "The body has a key that does not belong to this action; see /openapi.json.");
            return;
        }
        await act(body);
    }

    private async Task DoAsync(HttpContext context, ControlRequest request)
    {
        if (work.BeginAsync(request) is not { } doing)
        {
            await StatusServer.SayAsync(context, StatusCodes.Status429TooManyRequests, "Too much waits already to be done.");
            return;
        }
        if (string.Equals(context.Request.Query["wait"], "false", StringComparison.OrdinalIgnoreCase))
        {
            context.Response.StatusCode = StatusCodes.Status202Accepted;
            return;
        }
        var result = await doing.WaitAsync(context.RequestAborted);
        await SendAsync(context, result.ExitCode switch
        {
            ExitCode.Done => StatusCodes.Status200OK,
            ExitCode.BadUsage => StatusCodes.Status400BadRequest,
            ExitCode.Interrupted => StatusCodes.Status503ServiceUnavailable,
            _ => StatusCodes.Status500InternalServerError,
        }, result.Document ?? new JsonObject { ["outcome"] = "Failed", ["error"] = result.Error }.ToJsonString());
    }

    private async Task CheckAsync(HttpContext context)
    {
        var seen = await sources.Checkup.GetAsync(TimeSpan.FromSeconds(30), context.RequestAborted);
        var checks = seen.Value
            ?? throw new WorkerException(seen.Error ?? "The checks are not done yet; ask again.", Remedy.RetriedByItself);
        await SendAsync(context, StatusCodes.Status200OK, new JsonObject
        {
            ["at"] = seen.At,
            ["checks"] = new JsonArray(
                [.. checks.Select(
                    c => new JsonObject { ["name"] = c.Name, ["status"] = c.Status.ToString(), ["message"] = c.Message, ["fix"] = c.Fix })]),
        }.ToJsonString());
    }

    private async Task SendLogAsync(HttpContext context)
    {
        if (Find(context.Request) is not { } report || ReleaseLogFile.Open(sources.State, report) is not { } file)
        {
            await StatusServer.SayAsync(context, StatusCodes.Status404NotFound,
                "There is no log of such a release; those of the last 200 are kept.");
            return;
        }
        await using var _ = file;
        context.Response.ContentType = "text/plain; charset=utf-8";
        await file.CopyToAsync(context.Response.Body, context.RequestAborted);
    }

    private ReleaseReport? Find(HttpRequest request) => Find(sources.History, (string?)request.RouteValues["release"] ?? "");

    /// <param name="wanted">Number of a release, or the beginning of a commit.</param>
    internal static ReleaseReport? Find(History history, string wanted) =>
        (long.TryParse(wanted, NumberStyles.None, CultureInfo.InvariantCulture, out var id) ? history.Find(id) : null)
        ?? (wanted.Length is >= 4 and <= 64 && wanted.All(char.IsAsciiHexDigit) ? history.FindByCommit(wanted.ToLowerInvariant()) : null);

    internal static long NumberOf(ReleaseReport report) => long.Parse(report.Release!, CultureInfo.InvariantCulture);

    /// <returns>Null when it is given and is none.</returns>
    internal static long? Number(HttpRequest request, string name, long otherwise) =>
        request.Query[name] is not [{ } text] ? otherwise
        : long.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out var number) && number > 0 ? number : null;

    private static Task SendAsync(HttpContext context, int status, string document)
    {
        context.Response.StatusCode = status;
        context.Response.ContentType = "application/json; charset=utf-8";
        return context.Response.WriteAsync(document, context.RequestAborted);
    }
}

/// <summary>What an action is told; each takes its own keys alone.</summary>
internal sealed record ActionBody(bool? ForceRebuild = null, bool? DryRun = null, string[]? Targets = null, long? Release = null);

[JsonSourceGenerationOptions(PropertyNamingPolicy = JsonKnownNamingPolicy.CamelCase,
    UnmappedMemberHandling = JsonUnmappedMemberHandling.Disallow)]
[JsonSerializable(typeof(ActionBody))]
internal sealed partial class ActionJson : JsonSerializerContext;

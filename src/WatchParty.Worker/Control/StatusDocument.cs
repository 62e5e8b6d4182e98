using System.Text.Json;
using System.Text.Json.Nodes;
using WatchParty.Releases.Recording;

namespace WatchParty.Worker.Control;

/// <summary>What is deployed and what goes on, as <c>status --json</c> and the HTTP API say it.</summary>
internal static class StatusDocument
{
    /// <param name="freshBuildPending">Services whose next build uses no cache.</param>
    /// <param name="service">Null when no service runs.</param>
    /// <param name="holder">Who has the lock.</param>
    public static string Of(History history, IEnumerable<string> freshBuildPending, ServiceStatus? service, string? holder,
        StateFolder state)
    {
        var deployed = history.DeployedNumber();
        var last = history.Last(1) is [var newest, ..] ? newest : null;
        return new JsonObject
        {
            ["running"] = service is not null,
            ["lock"] = holder,
            ["deployed"] = deployed is not { } d ? null : new JsonObject { ["release"] = $"{d.Id}", ["commit"] = d.Commit },
            ["last"] = last is null ? null : JsonNode.Parse(JsonSerializer.Serialize(last, RecordJson.Readable.ReleaseReport)),
            ["brokenHistories"] = new JsonArray([.. state.BrokenHistories.Select(f => JsonValue.Create(f))]),
            ["freshBuildPending"] = new JsonArray([.. freshBuildPending.Select(f => JsonValue.Create(f))]),
            ["service"] = service is null ? null : JsonNode.Parse(JsonSerializer.Serialize(service, ControlJson.Default.ServiceStatus)),
            ["lastPrune"] = Json(history.LastHousekeeping("prune")),
            ["lastClear"] = Json(history.LastHousekeeping("clear")),
        }.ToJsonString();
    }

    private static JsonNode? Json(HousekeepingReport? report) =>
        report is null ? null : JsonNode.Parse(JsonSerializer.Serialize(report, RecordJson.Readable.HousekeepingReport));
}

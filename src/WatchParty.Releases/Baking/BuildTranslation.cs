using System.Text.Json.Nodes;
using WatchParty.Releases.Planning;
using WatchParty.Tools.Files;

namespace WatchParty.Releases.Baking;

/// <summary>What a compose that prints no build definitions would build by: the build section of its resolved model as a target of
/// bake.</summary>
/// <remarks>As compose 2.40 has it (pkg/compose/build_bake.go, doBuildBake); a test holds every key to what that prints.</remarks>
internal static class BuildTranslation
{
    /// <summary>Keys of one value, by compose's name.</summary>
    private static readonly (string Compose, string Bake)[] Values =
        [("context", "context"), ("target", "target"), ("network", "network"), ("shm_size", "shm-size"), ("pull", "pull"),
            ("no_cache", "no-cache")];

    private static readonly (string Compose, string Bake)[] Lists = [("cache_from", "cache-from"), ("cache_to", "cache-to"),
        ("platforms", "platforms")];

    /// <summary>The targets of <paramref name="model"/>'s built services by bake's name
    /// (<see cref="BuildDefinitions.TargetOf"/>).</summary>
    /// <param name="model">The resolved model, reduced to services that do not clash.</param>
    public static JsonObject Targets(JsonObject model)
    {
        var services = model["services"]!.AsObject();
        return new JsonObject(services.Where(s => s.Value!["build"] is JsonObject)
            .Select(s => KeyValuePair.Create(BuildDefinitions.TargetOf(s.Key), (JsonNode?)Target(s.Key, s.Value!.AsObject(), model))));
    }

    private static JsonObject Target(string name, JsonObject service, JsonObject model)
    {
        var build = service["build"]!.AsObject();
        var target = new JsonObject();
        foreach (var (key, bake) in Values) { Set(target, bake, build[key] is { } value ? Plain(value) : null); }
        foreach (var (key, bake) in Lists) { Set(target, bake, ListOf(build[key])); }
        var context = target["context"]?.ToString() ?? ".";
        if (build["dockerfile_inline"] is { } inline) { target["dockerfile-inline"] = Doubled(inline); }
        else
        {
            var dockerfile = Text(build["dockerfile"]) ?? "Dockerfile";
            target["dockerfile"] = Path.IsPathFullyQualified(context)
                ? Path.GetFullPath(dockerfile, Directory.Exists(context) ? PhysicalPath.Of(context) : context)
                : dockerfile;
        }
        Set(target, "contexts", MapOf(build["additional_contexts"], v => LinkOf(Text(v)!)));
        Set(target, "args", MapOf(build["args"], Doubled));
        var labels = MapOf(build["labels"], v => Text(v)) ?? [];
        labels["com.docker.compose.project"] = model["name"]!.ToString();
        labels["com.docker.compose.service"] = name;
        target["labels"] = labels;
        target["tags"] = new JsonArray(
            [.. Items(build["tags"]).Select(t => Text(t)).Append(Text(service["image"]) ?? $"{model["name"]}-{name}")
                .Select(t => JsonValue.Create(t))]);
        Set(target, "secret",
            NullIfEmpty([.. Items(build["secrets"]).Select(s => SecretOf(s!, model)).OfType<string>().Select(s => JsonValue.Create(s))]));
        Set(target, "ssh",
            NullIfEmpty(
                [.. Items(build["ssh"]).Select(s => Text(s)!)
                    .Select(s => JsonValue.Create(s.Contains('=', StringComparison.Ordinal) ? s : $"{s}="))]));
        if (target["platforms"] is null && Text(service["platform"]) is { } platform) { target["platforms"] = new JsonArray(platform); }
        Set(target, "ulimits", NullIfEmpty([.. (build["ulimits"] as JsonObject ?? []).Select(u => JsonValue.Create(
            u.Value is JsonObject both ? $"{u.Key}={both["soft"]}:{both["hard"]}" : $"{u.Key}={u.Value}"))]));
        Set(target, "entitlements", NullIfEmpty([.. Items(build["entitlements"]).Select(e => Text(e)!)
            .Concat(build["privileged"]?.GetValue<bool>() == true ? ["security.insecure"] : Array.Empty<string>())
            .Select(e => JsonValue.Create(e))]));
        var hosts = new JsonObject();
        foreach (var host in Items(build["extra_hosts"]).Select(h => Text(h)!.Split('=', 2))) { hosts[host[0]] = host[^1]; }
        Set(target, "extra-hosts", hosts.Count > 0 ? hosts : null);
        target["output"] = new JsonArray(target["platforms"] is JsonArray { Count: > 1 } ? "type=image,push=false" : "type=docker");
        return target;
    }

    private static string LinkOf(string context) =>
        context.StartsWith("service:", StringComparison.Ordinal)
        ? $"target:{BuildDefinitions.TargetOf(context["service:".Length..])}"
        : context;

    /// <returns>Null for a secret that is neither a file nor a variable; compose leaves it out.</returns>
    private static string? SecretOf(JsonNode use, JsonObject model)
    {
        var source = use is JsonObject ? Text(use["source"])! : use.ToString();
        var id = (use is JsonObject ? Text(use["target"]) : null) ?? source;
        var secret = model["secrets"]?[source];
        return Text(secret?["environment"]) is { } variable ? $"id={id},type=env,env={variable}"
            : Text(secret?["file"]) is { } file ? $"id={id},type=file,src={file}" : null;
    }

    private static JsonObject? MapOf(JsonNode? node, Func<JsonNode?, JsonNode?> value) => node is JsonObject { Count: > 0 } map
        ? new JsonObject(map.Where(p => p.Value is not null).Select(p => KeyValuePair.Create(p.Key, value(p.Value)))) : null;

    private static JsonArray? ListOf(JsonNode? node) => NullIfEmpty([.. Items(node).Select(i => JsonValue.Create(Text(i)))]);

    private static JsonArray? NullIfEmpty(JsonArray list) => list.Count > 0 ? list : null;

    private static IEnumerable<JsonNode?> Items(JsonNode? node) => node as JsonArray ?? [];

    private static void Set(JsonObject target, string key, JsonNode? value)
    {
        if (value is not null) { target[key] = value; }
    }

    private static JsonNode Plain(JsonNode value) =>
        value.GetValueKind() == System.Text.Json.JsonValueKind.String ? Text(value)! : value.DeepClone();

    private static string? Text(JsonNode? value) => value is null ? null : ComposeService.Plain(value.ToString());

    /// <summary>Compose hides from bake what it would take for a variable, in arguments and inline Dockerfiles alone.</summary>
    private static JsonNode Doubled(JsonNode? value) => Text(value)!.Replace("${", "$${", StringComparison.Ordinal);
}

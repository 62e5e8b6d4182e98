using System.Text.Json.Nodes;
using WatchParty.Worker.Configuration;
using WatchParty.Worker.Planning;

namespace WatchParty.Worker.Building;

/// <summary>The model that <c>docker buildx bake</c> reads: what compose resolved, reduced to what is built, with the worker's own arguments.</summary>
/// <remarks>Bake would read services behind a profile too, would leave an image without a name untagged, and takes
/// missing arguments from a service's environment (bake/compose.go); none of that is in the reduced model.</remarks>
internal static class Bake
{
    /// <summary>Bake's name for a service.</summary>
    public static string Target(string service) => service.Replace('.', '_');

    /// <param name="withoutCache">Whether cache sources are left out.</param>
    /// <param name="unusable">Why a cache source cannot work here, or null when it may.</param>
    /// <param name="dropped">Called with the service, the source and the reason for every source that is left out.</param>
    public static string Model(ComposeModel model, IEnumerable<ServicePlan> services, string commit, BuildOptions options, bool withoutCache, Func<string, string?> unusable, Action<string, string, string> dropped)
    {
        var source = JsonNode.Parse(model.Text)!.AsObject();
        var reduced = new JsonObject();
        foreach (var plan in services)
        {
            var build = source["services"]![plan.Name]!["build"]!.DeepClone().AsObject();
            if (build["args"] is not JsonObject) { build["args"] = new JsonObject(); }
            foreach (var (name, value) in options.Arguments.Append(new(options.CommitArgument, commit))) { build["args"]![name] = Escape(value); }
            if (withoutCache) { build.Remove("cache_from"); } else { KeepUsableSources(build, unusable, (source, reason) => dropped(plan.Name, source, reason)); }
            reduced[plan.Name] = new JsonObject { ["image"] = Escape(plan.Service.Image), ["build"] = build };
        }
        var result = new JsonObject { ["name"] = model.Project, ["services"] = reduced };
        if (source["secrets"] is { } secrets) { result["secrets"] = secrets.DeepClone(); }
        return result.ToJsonString();
    }

    private static void KeepUsableSources(JsonObject build, Func<string, string?> unusable, Action<string, string> dropped)
    {
        if (build["cache_from"] is not JsonArray sources) { return; }
        foreach (var node in sources.ToList())
        {
            if (unusable(ComposeService.Plain(node!.ToString())) is not { } reason) { continue; }
            sources.Remove(node);
            dropped(node.ToString(), reason);
        }
        if (sources.Count == 0) { build.Remove("cache_from"); }
    }

    /// <summary>The image a cache source names: a bare text, or <c>type=registry,ref=…</c>; null for other types.</summary>
    internal static string? ImageOf(string source)
    {
        if (!source.Contains('=', StringComparison.Ordinal)) { return source; }
        var fields = source.Split(',').Select(f => f.Split('=', 2)).Where(f => f.Length == 2).ToLookup(f => f[0].Trim(), f => f[1].Trim());
        return fields["type"].FirstOrDefault("registry") == "registry" ? fields["ref"].FirstOrDefault() : null;
    }

    // The text passes through compose's interpolation once more.
    private static string Escape(string text) => text.Replace("$", "$$", StringComparison.Ordinal);
}

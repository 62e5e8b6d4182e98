using System.Text.Json.Nodes;
using WatchParty.Worker.Configuration;
using WatchParty.Worker.Planning;

namespace WatchParty.Worker.Building;

/// <summary>One thing for bake to build.</summary>
/// <param name="Name">Bake's name for it.</param>
/// <param name="Commit">Value of the commit argument.</param>
/// <param name="CacheFrom">Cache sources; none when empty.</param>
internal sealed record BakeTarget(string Name, ComposeService Service, string Commit, IReadOnlyList<string> CacheFrom)
{
    /// <summary>Name of the image to make; none when null.</summary>
    public string? Image { get; init; }

    /// <summary>A stage instead of the service's own target.</summary>
    public string? Stage { get; init; }

    /// <summary>Text that stands for the Dockerfile.</summary>
    public string? Dockerfile { get; init; }

    /// <summary>A file that stands for the Dockerfile, with its ignore file beside it.</summary>
    public string? DockerfilePath { get; init; }

    /// <summary>Where the cache is exported to; nowhere when null, and never where the compose file says unless it is a service's own build.</summary>
    public string? CacheTo { get; init; }

    /// <summary>Whether its base images are looked up at their registries again.</summary>
    public bool Pull { get; init; }

    /// <summary>Whether the compose file's own <c>cache_to</c> stays.</summary>
    public bool KeepsCacheTo { get; init; }
}

/// <summary>The model that <c>docker buildx bake</c> reads: what compose resolved, reduced to what is built, with the worker's own arguments.</summary>
/// <remarks>Bake would read services behind a profile too, would leave an image without a name untagged, and takes
/// missing arguments from a service's environment (bake/compose.go); none of that is in the reduced model.</remarks>
internal static class Bake
{
    /// <summary>Label that every image built here carries, so that a prune removes nothing else. Its value is the compose project.</summary>
    public const string ProjectLabel = "watchparty.worker.project";

    /// <summary>Bake's name for a service.</summary>
    public static string Target(string service) => service.Replace('.', '_');

    public static string Model(ComposeModel model, IReadOnlyCollection<BakeTarget> targets, BuildOptions options)
    {
        var source = JsonNode.Parse(model.Text)!.AsObject();
        var services = new JsonObject();
        foreach (var target in targets)
        {
            var build = source["services"]![target.Service.Name]!["build"]!.DeepClone().AsObject();
            if (build["args"] is not JsonObject) { build["args"] = new JsonObject(); }
            foreach (var (name, value) in options.Arguments.Append(new(options.CommitArgument, target.Commit))) { build["args"]![name] = Escape(value); }
            if (build["labels"] is not JsonObject) { build["labels"] = new JsonObject(); }
            build["labels"]![ProjectLabel] = model.Project;
            Set(build, "cache_from", target.CacheFrom.Count == 0 ? null : new JsonArray([.. target.CacheFrom.Select(s => JsonValue.Create(Escape(s)))]));
            if (!target.KeepsCacheTo) { Set(build, "cache_to", target.CacheTo is { } cacheTo ? new JsonArray(Escape(cacheTo)) : null); }
            if (target.Stage is { } stage) { build["target"] = stage; }
            if (target.Pull)
            {
                // The key of compose's own is not read by bake.
                if (build["x-bake"] is not JsonObject) { build["x-bake"] = new JsonObject(); }
                build["x-bake"]!["pull"] = true;
            }
            if (target.Dockerfile is { } dockerfile)
            {
                build.Remove("dockerfile");
                build["dockerfile_inline"] = Escape(dockerfile);
            }
            if (target.DockerfilePath is { } path)
            {
                build.Remove("dockerfile_inline");
                build["dockerfile"] = Escape(path);
            }
            // A stage or a seal is not what the compose file's further names are for.
            if (target.Image != target.Service.Image) { build.Remove("tags"); }
            var service = new JsonObject { ["build"] = build };
            if (target.Image is { } image) { service["image"] = Escape(image); }
            services[target.Name] = service;
        }
        AddLinkedServices(model, source, services, targets, options);
        var result = new JsonObject { ["name"] = model.Project, ["services"] = services };
        if (source["secrets"] is { } secrets) { result["secrets"] = secrets.DeepClone(); }
        return result.ToJsonString();
    }

    /// <summary>Adds the services that a build context <c>service:x</c> names. Bake refuses a model that lacks them; it builds one as part of
    /// the service that needs it, and not for itself.</summary>
    private static void AddLinkedServices(ComposeModel model, JsonObject source, JsonObject services, IReadOnlyCollection<BakeTarget> targets, BuildOptions options)
    {
        var open = new Queue<(JsonObject Build, string Commit)>(targets.Select(t => (services[t.Name]!["build"]!.AsObject(), t.Commit)));
        while (open.TryDequeue(out var next))
        {
            foreach (var (context, value) in (next.Build["additional_contexts"] as JsonObject)?.ToList() ?? [])
            {
                if (value?.ToString() is not { } text || !text.StartsWith("service:", StringComparison.Ordinal)) { continue; }
                var name = text["service:".Length..];
                if (services.ContainsKey(name) || model.Services.FirstOrDefault(s => s.Name == name) is not { } linked) { continue; }
                if (source["services"]![name]!["build"] is not JsonObject build)
                {
                    next.Build["additional_contexts"]![context] = $"docker-image://{Escape(linked.Image)}";
                    continue;
                }
                var copy = build.DeepClone().AsObject();
                copy.Remove("cache_from");
                copy.Remove("cache_to");
                if (copy["args"] is not JsonObject) { copy["args"] = new JsonObject(); }
                foreach (var (argument, given) in options.Arguments.Append(new(options.CommitArgument, next.Commit))) { copy["args"]![argument] = Escape(given); }
                services[name] = new JsonObject { ["build"] = copy };
                open.Enqueue((copy, next.Commit));
            }
        }
    }

    /// <summary>The image a cache source names: a bare text, or <c>type=registry,ref=…</c>; null for other types.</summary>
    internal static string? ImageOf(string source)
    {
        if (!source.Contains('=', StringComparison.Ordinal)) { return source; }
        var fields = Fields(source);
        return fields["type"].FirstOrDefault("registry") == "registry" ? fields["ref"].FirstOrDefault() : null;
    }

    /// <summary>The fields of a cache source such as <c>type=local,src=/cache</c>.</summary>
    internal static ILookup<string, string> Fields(string source) =>
        source.Split(',').Select(f => f.Split('=', 2)).Where(f => f.Length == 2).ToLookup(f => f[0].Trim(), f => f[1].Trim());

    private static void Set(JsonObject build, string key, JsonNode? value)
    {
        if (value is null) { build.Remove(key); } else { build[key] = value; }
    }

    // The text passes through compose's interpolation once more.
    private static string Escape(string text) => text.Replace("$", "$$", StringComparison.Ordinal);
}

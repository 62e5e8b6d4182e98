using System.Text.Json;
using System.Text.Json.Nodes;
using WatchParty.Releases.Planning;
using WatchParty.Tools.Configuration;
using WatchParty.Tools.Docker;

namespace WatchParty.Releases.Baking;

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

    /// <summary>Where the cache is exported to; nowhere when null, and never where the compose file says unless it is a service's own
    /// build.</summary>
    public string? CacheTo { get; init; }

    /// <summary>Whether its base images are looked up at their registries again.</summary>
    public bool Pull { get; init; }

    /// <summary>Whether the compose file's own <c>cache_to</c> stays.</summary>
    public bool KeepsCacheTo { get; init; }
}

/// <summary>The file that <c>docker buildx bake</c> reads: what compose builds by, with the worker's own commit, cache and label.</summary>
internal static class Bake
{
    /// <summary>Label that every image built here carries, so that a prune removes nothing else. Its value is the compose
    /// project.</summary>
    public const string ProjectLabel = "watchparty.worker.project";

    /// <summary>Compose's own labels have its version among them: every image would get another id when compose is updated.</summary>
    private const string ComposeLabels = "com.docker.compose.";

    /// <summary>Arguments and inline Dockerfiles come from compose with <c>${</c> doubled already, and with nothing else.</summary>
    private static readonly string[] Doubled = ["args", "dockerfile-inline"];

    /// <summary>Bake's name for a service.</summary>
    public static string Target(string service) => Names.Target(service);

    /// <param name="definitions">Those of the targets' services, by service.</param>
    public static BakeFile File(
        ComposeModel model, IReadOnlyDictionary<string, BuildDefinition> definitions, IReadOnlyCollection<BakeTarget> targets,
        BuildOptions options)
    {
        var file = new JsonObject();
        HashSet<string> entitlements = [];
        foreach (var target in targets)
        {
            var definition = definitions[target.Service.Name];
            file[target.Name] = Escaped(Own(Of(definition.Target, target.Commit, model), target));
            AddOurs(file[target.Name]!.AsObject(), target.Commit, model, options);
            AllowedBy(definition.Target, entitlements);
        }
        foreach (var target in targets)
        {
            foreach (var (name, linked) in definitions[target.Service.Name].Linked)
            {
                AllowedBy(linked, entitlements);
                if (file.ContainsKey(name)) { continue; }
                var copy = Of(linked, target.Commit, model);
                // It is built as part of another, and is not what its names and its cache are for.
                foreach (var key in new[] { "tags", "output", "cache-from", "cache-to", "no-cache", "pull" }) { copy.Remove(key); }
                AddOurs(Escaped(copy), target.Commit, model, options);
                file[name] = copy;
            }
        }
        return new BakeFile(new JsonObject { ["target"] = file }.ToJsonString(), [.. entitlements.Order(StringComparer.Ordinal)],
            model.BuildSecrets);
    }

    /// <summary>The definition as compose resolves it with <paramref name="commit"/>: it may be part of any text.</summary>
    private static JsonObject Of(JsonObject definition, string commit, ComposeModel model) => model.Commit is null || model.Commit == commit
        ? definition.DeepClone().AsObject()
        : JsonNode.Parse(definition.ToJsonString().Replace(model.Commit, commit, StringComparison.Ordinal))!.AsObject();

    private static JsonObject Own(JsonObject definition, BakeTarget target)
    {
        Set(definition, "cache-from",
            target.CacheFrom.Count == 0 ? null : new JsonArray([.. target.CacheFrom.Select(s => JsonValue.Create(s))]));
        if (!target.KeepsCacheTo) { Set(definition, "cache-to", target.CacheTo is { } cacheTo ? new JsonArray(cacheTo) : null); }
        if (target.Stage is { } stage) { definition["target"] = stage; }
        if (target.Dockerfile is { } dockerfile)
        {
            definition.Remove("dockerfile");
            definition["dockerfile-inline"] = dockerfile.Replace("${", "$${", StringComparison.Ordinal);
        }
        if (target.DockerfilePath is { } path)
        {
            definition.Remove("dockerfile-inline");
            definition["dockerfile"] = path;
        }
        if (target.Image != target.Service.Image)
        {
            // A stage or a seal is not what the compose file's further names are for, and looks into the cache whatever the file says.
            Set(definition, "tags", target.Image is { } image ? new JsonArray(image) : null);
            definition.Remove("no-cache");
            definition.Remove("pull");
        }
        if (target.Pull) { definition["pull"] = true; }
        return definition;
    }

    private static void AddOurs(JsonObject target, string commit, ComposeModel model, BuildOptions options)
    {
        if (target["args"] is not JsonObject) { target["args"] = new JsonObject(); }
        foreach (var (name, value) in options.Arguments.Append(new(options.CommitArgument, commit)))
        {
            target["args"]![name] = Escape(value);
        }
        if (target["labels"] is not JsonObject) { target["labels"] = new JsonObject(); }
        var labels = target["labels"]!.AsObject();
        foreach (var name in labels.Select(l => l.Key).Where(k => k.StartsWith(ComposeLabels, StringComparison.Ordinal)).ToList())
        {
            labels.Remove(name);
        }
        target["labels"]![ProjectLabel] = model.Project;
    }

    /// <summary>Bake asks for leave on the command line for what a target may do to the machine.</summary>
    private static void AllowedBy(JsonObject target, HashSet<string> entitlements)
    {
        foreach (var entitlement in target["entitlements"] as JsonArray ?? []) { entitlements.Add(entitlement!.ToString()); }
    }

    /// <summary>The target as bake has to be given it: it takes every text for a template.</summary>
    internal static JsonObject Escaped(JsonObject target)
    {
        foreach (var (key, value) in target.ToList()) { target[key] = Escaped(value, Doubled.Contains(key)); }
        return target;
    }

    private static JsonNode? Escaped(JsonNode? node, bool isDoubled) => node switch
    {
        JsonObject map => new JsonObject(map.Select(p => KeyValuePair.Create(p.Key, Escaped(p.Value, isDoubled)))),
        JsonArray list => new JsonArray([.. list.Select(i => Escaped(i, isDoubled))]),
        { } value when value.GetValueKind() == JsonValueKind.String => isDoubled ? HidePercent(value.ToString()) : Escape(value.ToString()),
        _ => node?.DeepClone(),
    };

    private static string Escape(string text) => HidePercent(text.Replace("${", "$${", StringComparison.Ordinal));

    private static string HidePercent(string text) => text.Replace("%{", "%%{", StringComparison.Ordinal);

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

    private static void Set(JsonObject target, string key, JsonNode? value)
    {
        if (value is null) { target.Remove(key); } else { target[key] = value; }
    }
}

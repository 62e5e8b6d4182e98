using System.Collections.Immutable;
using System.Security.Cryptography;
using System.Text;
using System.Text.Json;
using System.Text.Json.Nodes;
using WatchParty.Tools.Configuration;
using WatchParty.Tools.Failures;

namespace WatchParty.Releases.Planning;

/// <summary>The application as <c>docker compose config</c> resolves it. Compose is the only interpreter of compose files; this reads its
/// answer.</summary>
/// <param name="Text">The JSON document. It holds the services' environment, secrets included, and is never logged or kept.</param>
internal sealed record ComposeModel(string Project, ImmutableArray<ComposeService> Services, string Text)
{
    /// <summary>Identity of everything but the build sections: when it stays, no container has to be created again for its
    /// configuration.</summary>
    public string ConfigurationHash { get; } = HashWithoutBuilds(Text);

    /// <summary>Identity of everything beside the services: networks, volumes, secrets, configs.</summary>
    public string ResourcesHash { get; } = HashWithoutServices(Text);

    /// <summary>What it was resolved with.</summary>
    public ModelSource? Source { get; init; }

    /// <summary>A compose file that gives services other images than their own files do, to be read after these; null when there is
    /// none.</summary>
    public string? Override { get; init; }

    /// <summary>The model in which services run other images, by service.</summary>
    public ComposeModel WithImages(IReadOnlyDictionary<string, string> images)
    {
        if (images.Count == 0) { return this; }
        var root = JsonNode.Parse(Text)!.AsObject();
        foreach (var (service, image) in images) { root["services"]![service]!["image"] = image; }
        var services = new JsonObject(images.Select(i => KeyValuePair.Create(i.Key, (JsonNode?)new JsonObject { ["image"] = i.Value })));
        return this with
        {
            Services = [.. Services.Select(s => images.TryGetValue(s.Name, out var image) ? s with { Image = image } : s)],
            Text = root.ToJsonString(),
            Override = new JsonObject { ["services"] = services }.ToJsonString(),
        };
    }

    public IEnumerable<ComposeService> Built => Services.Where(s => s.Build is not null);

    /// <summary>Networks by their key in the file.</summary>
    public ImmutableDictionary<string, NetworkSection> Networks { get; init; } = ImmutableDictionary<string, NetworkSection>.Empty;

    /// <summary>Volumes by their key in the file.</summary>
    public ImmutableDictionary<string, VolumeSection> Volumes { get; init; } = ImmutableDictionary<string, VolumeSection>.Empty;

    /// <summary>The commit that it was resolved with; null when that is not known.</summary>
    public string? Commit { get; init; }

    /// <summary>Values of the variables that secrets and configs are taken from, as compose has them; one that nobody set is missing. Never
    /// logged or kept.</summary>
    public ImmutableDictionary<string, string> Values { get; init; } = ImmutableDictionary<string, string>.Empty;

    /// <summary>Those that builds need.</summary>
    public ImmutableDictionary<string, string> BuildSecrets =>
        Built.SelectMany(s => s.Build!.SecretVariables).Distinct().Where(Values.ContainsKey).ToImmutableDictionary(v => v, v => Values[v]);

    /// <summary>What compose was not content with when it resolved the files, such as variables that nobody set.</summary>
    public ImmutableArray<string> Warnings { get; init; } = [];

    /// <summary>The model with what its services say to the worker.</summary>
    public ComposeModel With(IReadOnlyDictionary<string, ServiceKeys> keys) => keys.Count == 0 ? this : this with
    {
        Services = [.. Services.Select(s => keys.TryGetValue(s.Name, out var own)
            ? s with { IgnoresHealth = own.IgnoresHealth, OnMountChange = own.OnMountChange } : s)],
    };

    /// <exception cref="WorkerException">The text is not a model that compose prints.</exception>
    public static ComposeModel Parse(string text)
    {
        try
        {
            using var document = JsonDocument.Parse(text, new JsonDocumentOptions { AllowDuplicateProperties = false });
            var project = document.RootElement.GetProperty("name").GetString()!;
            var (secrets, secretVariables) = (Texts(document.RootElement, "secrets", "file"),
                Texts(document.RootElement, "secrets", "environment"));
            var volumes = Sections(document.RootElement, "volumes", VolumeSection.Parse);
            var files = new FileSources(document.RootElement, volumes);
            var services = document.RootElement.TryGetProperty("services", out var section) && section.ValueKind == JsonValueKind.Object
                ? section.EnumerateObject().Select(s => s.Value.ValueKind == JsonValueKind.Object
                    ? ComposeService.Parse(project, s.Name, s.Value, secrets, secretVariables, files)
                    : throw new FormatException($"the service {s.Name} is not a map")).ToImmutableArray()
                : [];
            if (services.FirstOrDefault(s => !Names.IsService(s.Name)) is { } odd)
            {
                throw new WorkerException($"The service name '{odd.Name}' cannot be used. Begin it with a letter, a digit or _",
                    Remedy.NeedsPerson);
            }
            var awaited = services.SelectMany(s => s.AwaitsEndOf).ToHashSet();
            var bases = services.SelectMany(s => s.Build?.Links ?? []).ToHashSet();
            return new ComposeModel(
                project,
                [
                    .. services.Select(s => awaited.Contains(s.Name) ? s with { OneShot = true, IsAwaited = true }
                        : bases.Contains(s.Name) && s is { IsKeptRunning: false, Ports.IsEmpty: true, Health: null }
                        ? s with { OneShot = true }
                        : s),
                ],
                text)
            {
                Networks = Sections(document.RootElement, "networks", NetworkSection.Parse),
                Volumes = volumes,
            };
        }
        catch (Exception e) when (e is JsonException or KeyNotFoundException or InvalidOperationException or FormatException)
        {
            throw new WorkerException($"`docker compose config` printed a model that cannot be read: {e.Message}", Remedy.NeedsPerson, e);
        }
    }

    private static Dictionary<string, string> Texts(JsonElement root, string section, string key) =>
        ComposeService.Section(root, section) is { ValueKind: JsonValueKind.Object } entries
            ? entries.EnumerateObject().Where(s => ComposeService.Section(s.Value, key) is { ValueKind: JsonValueKind.String })
                .ToDictionary(s => s.Name, s => ComposeService.Plain(s.Value.GetProperty(key).GetString()!))
            : [];

    private static ImmutableDictionary<string, T> Sections<T>(JsonElement root, string section, Func<JsonElement, T> parse) =>
        ComposeService.Section(root, section) is { ValueKind: JsonValueKind.Object } entries
            ? entries.EnumerateObject().Where(e => e.Value.ValueKind == JsonValueKind.Object)
            .ToImmutableDictionary(e => e.Name, e => parse(e.Value))
            : ImmutableDictionary<string, T>.Empty;

    private static string HashWithoutBuilds(string text)
    {
        var root = JsonNode.Parse(text)!.AsObject();
        foreach (var (_, service) in root["services"] as JsonObject ?? []) { (service as JsonObject)?.Remove("build"); }
        return Hash(root);
    }

    private static string HashWithoutServices(string text)
    {
        var root = JsonNode.Parse(text)!.AsObject();
        root.Remove("services");
        return Hash(root);
    }

    private static string Hash(JsonObject content) =>
        Convert.ToHexStringLower(SHA256.HashData(Encoding.UTF8.GetBytes(content.ToJsonString())));
}

/// <param name="Image">Name of the image it runs; <c>project-service</c> when the file names none, as compose has it.</param>
/// <param name="Replicas">Containers wanted.</param>
/// <param name="OneShot">Whether it is a job, which is to end with 0: others await its end, or its file writes a restart policy of
/// <c>no</c> or
/// <c>on-failure</c> and no port, or others are built on its image and nothing says that it keeps running. A policy that is not written is
/// no word about that otherwise.</param>
internal sealed record ComposeService(string Name, string Image, BuildSection? Build, int Replicas, bool OneShot)
{
    /// <summary>Services that it has to follow when they are replaced or restarted: it shares a namespace or the volumes of their
    /// containers, or <c>depends_on</c> says <c>restart: true</c>.</summary>
    public ImmutableHashSet<string> Follows { get; init; } = [];

    /// <summary>Everything it depends on; compose adds what shared namespaces and volumes imply.</summary>
    public ImmutableHashSet<string> DependsOn { get; init; } = [];

    /// <summary>Those of them that have to end well before it starts (<c>service_completed_successfully</c>).</summary>
    public ImmutableHashSet<string> AwaitsEndOf { get; init; } = [];

    /// <summary>Whether its file says that it is started again when it ends.</summary>
    public bool IsKeptRunning { get; init; }

    /// <summary>Whether others await its end.</summary>
    public bool IsAwaited { get; init; }

    /// <summary>Keys of the networks that its containers are attached to; none when it uses that of another container or of the
    /// host.</summary>
    public ImmutableArray<string> Networks { get; init; } = [];

    /// <summary>Where the named volumes of the file are mounted, by their key.</summary>
    public ImmutableArray<MountedVolume> Volumes { get; init; } = [];

    /// <summary>What it publishes on the host.</summary>
    public ImmutableArray<PortSection> Ports { get; init; } = [];

    /// <summary>The health check that its file writes; null when it writes none, and that of its image counts.</summary>
    public HealthSection? Health { get; init; }

    /// <summary>Whether its health check is left out of the verdict (<c>x-watchparty: {health: ignore}</c>).</summary>
    public bool IgnoresHealth { get; init; }

    /// <summary>Whether it runs another command than its image says.</summary>
    public bool Overrides { get; init; }

    /// <summary>The files and folders of the host that its containers see, each once.</summary>
    public ImmutableArray<MountSection> Mounts { get; init; } = [];

    /// <summary>The secrets and configs whose text compose copies into its containers.</summary>
    public ImmutableArray<CopiedText> Copies { get; init; } = [];

    /// <summary>What its file wants to be done when what it mounts changes; null when it does not say.</summary>
    public OnMountChange? OnMountChange { get; init; }

    public static ComposeService Parse(
        string project, string name, JsonElement service, IReadOnlyDictionary<string, string> secretFiles,
        IReadOnlyDictionary<string, string> secretVariables, FileSources files)
    {
        var dependencies = Section(service, "depends_on") is { ValueKind: JsonValueKind.Object } depends
            ? depends.EnumerateObject().ToList()
            : [];
        var deploy = Section(service, "deploy");
        var replicas = Section(service, "scale") is { ValueKind: JsonValueKind.Number } scale ? scale.GetInt32()
            : Section(deploy, "replicas") is { ValueKind: JsonValueKind.Number } wanted ? wanted.GetInt32() : 1;
        var restart = Section(service, "restart") is { ValueKind: JsonValueKind.String } policy ? policy.GetString()
            : Section(Section(deploy, "restart_policy"), "condition")?.GetString();
        ImmutableArray<PortSection> ports = [.. Items(service, "ports").Select(PortSection.Parse)];
        // Compose runs what has a provider by a program of its own, and no container is made for it.
        if (Section(service, "provider") is { ValueKind: JsonValueKind.Object }) { replicas = 0; }
        return new ComposeService(
            name,
            Section(service, "image") is { ValueKind: JsonValueKind.String } image ? Plain(image.GetString()!) : $"{project}-{name}",
            Section(service, "build") is { ValueKind: JsonValueKind.Object } build
                ? BuildSection.Parse(build, Section(service, "platform"), secretFiles, secretVariables)
                : null,
            replicas,
            OneShot: ports.IsEmpty && (restart is "no" or "none" || restart?.StartsWith("on-failure", StringComparison.Ordinal) == true))
        {
            IsKeptRunning = restart is not (null or "no" or "none"),
            Networks = Section(service, "networks") is { ValueKind: JsonValueKind.Object } networks
                ? [.. networks.EnumerateObject().Select(n => n.Name)]
                : [],
            Volumes =
            [
                .. Items(service, "volumes")
                    .Where(v => Section(v, "type")?.GetString() == "volume" && Section(v, "source") is { ValueKind: JsonValueKind.String })
                    .Select(v => new MountedVolume(v.GetProperty("source").GetString()!, Plain(Section(v, "target")?.GetString() ?? ""))),
            ],
            Ports = ports,
            Health = Section(service, "healthcheck") is { ValueKind: JsonValueKind.Object } health ? HealthSection.Parse(health) : null,
            Overrides = CommandKeys.Any(key => Section(service, key) is { ValueKind: JsonValueKind.Array or JsonValueKind.String }),
            Follows =
            [
                .. SharedNamespaces.Select(kind => SharedWith(Section(service, kind)?.GetString())).OfType<string>(),
                .. Items(service, "volumes_from").Select(v => v.ToString().Split(':')[0]).Where(v => v != "container"),
                .. dependencies.Where(d => Section(d.Value, "restart") is { ValueKind: JsonValueKind.True }).Select(d => d.Name),
            ],
            DependsOn = [.. dependencies.Select(d => d.Name)],
            AwaitsEndOf = [.. dependencies.Where(d => Section(d.Value, "condition")?.GetString() == "service_completed_successfully")
                .Select(d => d.Name)],
            Mounts = files.MountsOf(service),
            Copies = files.CopiesOf(service),
        };
    }

    /// <summary>Keys whose value may be <c>service:NAME</c>.</summary>
    public static IReadOnlyList<string> SharedNamespaces { get; } = ["network_mode", "ipc", "pid"];

    private static readonly string[] CommandKeys = ["command", "entrypoint"];

    /// <summary>The service of <c>service:NAME</c>, or null.</summary>
    public static string? SharedWith(string? mode) =>
        mode?.StartsWith("service:", StringComparison.Ordinal) == true ? mode["service:".Length..] : null;

    /// <summary>Compose keeps <c>$</c> doubled in what it prints, because it reads it again.</summary>
    /// <exception cref="FormatException">The text has a character that no path and no argument can have.</exception>
    public static string Plain(string text) => text.Contains('\0', StringComparison.Ordinal)
        ? throw new FormatException("a value in it has a NUL character")
        : text.Replace("$$", "$", StringComparison.Ordinal);

    internal static IEnumerable<JsonElement> Items(JsonElement service, string name) =>
        Section(service, name) is { ValueKind: JsonValueKind.Array } list ? list.EnumerateArray() : [];

    internal static JsonElement? Section(JsonElement? element, string name) =>
        element is { ValueKind: JsonValueKind.Object } map && map.TryGetProperty(name, out var value) ? value : null;

    internal static string? Text(JsonElement element, string name) =>
        Section(element, name) is { ValueKind: JsonValueKind.String } value ? Plain(value.GetString()!) : null;

    internal static bool IsTrue(JsonElement element, string name) => Section(element, name) is { ValueKind: JsonValueKind.True };

    internal static ImmutableDictionary<string, string> Map(JsonElement element, string name) =>
        Section(element, name) is { ValueKind: JsonValueKind.Object } map
            ? map.EnumerateObject().ToImmutableDictionary(p => p.Name, p => Plain(p.Value.ToString()))
            : ImmutableDictionary<string, string>.Empty;
}

/// <summary>The build section of a service.</summary>
/// <param name="Context">Folder or URL; compose prints folders as full paths.</param>
/// <param name="Dockerfile">Relative to the context, or a full path.</param>
/// <param name="CacheFrom">Cache sources as the file has them.</param>
/// <param name="SecretFiles">Files of its build secrets. BuildKit leaves their content out of the cache key, so it has to be looked at
/// here.</param>
/// <param name="Content">The keys that decide what is built, as canonical JSON: everything but cache sources, tags and the commit.</param>
internal sealed record BuildSection(
    string Context, string Dockerfile, string? DockerfileInline, string? Target,
    ImmutableDictionary<string, string> Arguments, ImmutableDictionary<string, string> AdditionalContexts,
    ImmutableArray<string> CacheFrom, ImmutableArray<string> SecretFiles, JsonObject Content)
{
    private static readonly string[] NotContent = ["cache_from", "cache_to", "tags", "no_cache", "no_cache_filter", "pull"];
    private static readonly string[] InCacheKey = ["additional_contexts", "args", "context", "dockerfile", "dockerfile_inline", "labels",
        "target"];

    /// <summary>Where the file exports the cache to.</summary>
    public ImmutableArray<string> CacheTo { get; init; } = [];

    /// <summary>Services whose images are build contexts of it.</summary>
    public IEnumerable<string> Links =>
        AdditionalContexts.Values.Where(v => v.StartsWith("service:", StringComparison.Ordinal)).Select(v => v["service:".Length..]);

    /// <summary>Variables that its build secrets are taken from.</summary>
    public ImmutableArray<string> SecretVariables { get; init; } = [];

    /// <param name="platform">The service's key of this name.</param>
    /// <param name="secretVariables">Variable by secret of the model.</param>
    public static BuildSection Parse(
        JsonElement build, JsonElement? platform, IReadOnlyDictionary<string, string> secretFiles,
        IReadOnlyDictionary<string, string> secretVariables)
    {
        var content = JsonNode.Parse(build.GetRawText())!.AsObject();
        // The service's own key counts where the section has none.
        if (platform is { ValueKind: JsonValueKind.String } wanted && content["platforms"] is null)
        {
            content["platforms"] = new JsonArray(wanted.GetString());
        }
        string[] secrets = ComposeService.Section(build, "secrets") is { ValueKind: JsonValueKind.Array } used
            ? [.. used.EnumerateArray().Select(s => ComposeService.Section(s, "source")?.GetString() ?? s.ToString())] : [];
        foreach (var key in NotContent) { content.Remove(key); }
        return new BuildSection(
            ComposeService.Text(build, "context") ?? ".",
            ComposeService.Text(build, "dockerfile") ?? "Dockerfile",
            ComposeService.Text(build, "dockerfile_inline"),
            ComposeService.Text(build, "target"),
            ComposeService.Map(build, "args"),
            ComposeService.Map(build, "additional_contexts"),
            ComposeService.Section(build, "cache_from") is { ValueKind: JsonValueKind.Array } sources
                ? [.. sources.EnumerateArray().Select(s => ComposeService.Plain(s.ToString()))] : [],
            [.. secrets.Where(secretFiles.ContainsKey).Select(s => secretFiles[s])],
            content)
        {
            CacheTo = ComposeService.Section(build, "cache_to") is { ValueKind: JsonValueKind.Array } exports
                ? [.. exports.EnumerateArray().Select(e => ComposeService.Plain(e.ToString()))]
                : [],
            SecretVariables = [.. secrets.Where(secretVariables.ContainsKey).Select(s => secretVariables[s])],
        };
    }

    /// <summary>The keys of <see cref="Content"/> that BuildKit's cache keys or the configuration of the image have, with their
    /// values.</summary>
    public IEnumerable<KeyValuePair<string, JsonNode?>> Asked => Content.Where(k => InCacheKey.Contains(k.Key));

    /// <summary>The other keys of <see cref="Content"/>: BuildKit takes a result from the cache although they differ.</summary>
    public JsonObject BeyondCache =>
        new(Content.Where(k => !InCacheKey.Contains(k.Key)).Select(k => KeyValuePair.Create(k.Key, k.Value?.DeepClone())));
}

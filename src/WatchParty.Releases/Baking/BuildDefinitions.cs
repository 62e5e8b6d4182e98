using System.Collections.Immutable;
using System.Text.Json.Nodes;
using WatchParty.Releases.Planning;
using WatchParty.Tools.Docker;
using WatchParty.Tools.Failures;
using WatchParty.Tools.Processes;
using WatchParty.Tools.Redacting;

namespace WatchParty.Releases.Baking;

/// <summary>What compose builds a service by.</summary>
/// <param name="Target">The target of bake, as compose makes it.</param>
/// <param name="Linked">Services that its build contexts name, by bake's name, with all that those name.</param>
internal sealed record BuildDefinition(JsonObject Target, ImmutableDictionary<string, JsonObject> Linked);

/// <summary>Asks compose what it would build. The worker adds to that, and decides nothing of it again.</summary>
/// <remarks>Compose 2.35 and newer print it (<c>docker compose build --print</c>); for an older one it is <see cref="BuildTranslation"/>,
/// and bake is asked whether it knows every key of it. Not for several threads at a time.</remarks>
internal sealed class BuildDefinitions(ComposeProject project, IToolRunner runner)
{
    private const string LinkPrefix = "target:";

    private static readonly Version Prints = new(2, 35);

    /// <summary>Keys that an older bake leaves out in silence, by compose's name. It does so in what it prints, too (json:"-" is only on
    /// others).</summary>
    private static readonly (string Bake, string Compose)[] NotInEveryBake =
    [
        ("contexts", "additional_contexts"), ("entitlements", "entitlements"), ("extra-hosts", "extra_hosts"), ("platforms", "platforms"),
        ("secret", "secrets"), ("shm-size", "shm_size"), ("ssh", "ssh"), ("ulimits", "ulimits"),
    ];

    private (string Text, ImmutableDictionary<string, BuildDefinition> Definitions)? _last;
    private bool? _composePrints;

    /// <summary>Bake's name for a service, as compose has it. Two services may have the same.</summary>
    public static string TargetOf(string service) => service.Replace('.', '_');

    /// <summary>The definitions of all built services of the model, by service.</summary>
    /// <exception cref="WorkerException">Compose or bake cannot build one of them as its file says; the message names service, key and
    /// fix.</exception>
    public async Task<ImmutableDictionary<string, BuildDefinition>> OfAsync(ComposeModel model, CancellationToken cancellationToken)
    {
        if (_last is { } last && last.Text == model.Text) { return last.Definitions; }
        var source = JsonNode.Parse(model.Text)!.AsObject();
        var definitions = ImmutableDictionary.CreateBuilder<string, BuildDefinition>();
        // Compose keeps only one of two services whose names differ in what bake does not allow in a name.
        foreach (var group in model.Built.GroupBy(s => TargetOf(s.Name)).SelectMany(same => same.Index())
            .GroupBy(s => s.Index, s => s.Item))
        {
            var reduced = Reduced(source, [.. group]);
            var targets = Renamed(await TargetsAsync(reduced, cancellationToken), reduced["services"]!.AsObject().Select(s => s.Key));
            foreach (var service in group) { definitions[service.Name] = Of(service.Name, targets); }
        }
        _last = (model.Text, definitions.ToImmutable());
        return _last.Value.Definitions;
    }

    /// <summary>That of a service among targets of bake.</summary>
    internal static BuildDefinition Of(string service, JsonObject targets) =>
        new(targets[Names.Target(service)]!.AsObject(), LinkedTo(Names.Target(service), targets));

    /// <summary>The targets by the worker's names for them, which no two services share.</summary>
    internal static JsonObject Renamed(JsonObject targets, IEnumerable<string> services)
    {
        var names = services.ToDictionary(TargetOf, Names.Target);
        var renamed = new JsonObject();
        foreach (var (name, target) in targets)
        {
            var copy = target!.DeepClone().AsObject();
            foreach (var (context, value) in (copy["contexts"] as JsonObject ?? []).ToList())
            {
                if (value!.ToString() is var text && text.StartsWith(LinkPrefix, StringComparison.Ordinal))
                {
                    copy["contexts"]![context] = LinkPrefix + names[text[LinkPrefix.Length..]];
                }
            }
            renamed[names[name]] = copy;
        }
        return renamed;
    }

    private async Task<JsonObject> TargetsAsync(JsonObject model, CancellationToken cancellationToken)
    {
        _composePrints ??= Version.TryParse((await runner.OutputOfAsync(DockerCommands.ComposeVersion(), cancellationToken)).Trim()
            .TrimStart('v').Split('-', '+')[0], out var version)
            && version >= Prints;
        if (_composePrints.Value)
        {
            var command = DockerCommands.ComposeBuildPrint(project, model.ToJsonString());
            var printed = await runner.RunAsync(command, cancellationToken);
            if (printed.ExitCode != 0) { throw Refused("docker compose build", printed.ErrorTail); }
            var definitions = JsonNode.Parse(printed.Output)!["target"]!.AsObject();
            // Compose gives bake leave for it on the command line.
            foreach (var (_, target) in definitions.Where(t => t.Value!["network"]?.ToString() == "host"))
            {
                target!["entitlements"] = new JsonArray(
                    [.. (target["entitlements"] as JsonArray ?? []).Select(e => e!.ToString()).Append("network.host").Distinct()
                        .Select(e => JsonValue.Create(e))]);
            }
            return definitions;
        }
        var targets = BuildTranslation.Targets(model);
        await CheckAsync(targets, cancellationToken);
        return targets;
    }

    private async Task CheckAsync(JsonObject targets, CancellationToken cancellationToken)
    {
        var file = new JsonObject(
            targets.Select(t => KeyValuePair.Create(t.Key, (JsonNode?)Bake.Escaped(t.Value!.DeepClone().AsObject()))));
        var known = await runner.RunAsync(
            DockerCommands.BakePrint(project, new JsonObject { ["target"] = file }.ToJsonString(), targets.Select(t => t.Key)),
            cancellationToken);
        if (known.ExitCode != 0) { throw Refused("docker buildx bake", known.ErrorTail); }
        var printed = JsonNode.Parse(known.Output)!["target"]!.AsObject();
        foreach (var (name, target) in targets)
        {
            if (NotInEveryBake.FirstOrDefault(k => target![k.Bake] is not null && printed[name]?[k.Bake] is null) is { Compose: { } key })
            {
                throw new WorkerException(
                    $"The installed buildx does not know build.{key}, which the service " +
                    $"{target!["labels"]!["com.docker.compose.service"]} has. Update buildx, or take the key away",
                    Remedy.NeedsPerson);
            }
        }
    }

    private static WorkerException Refused(string tool, string words) =>
        new($"{tool} cannot build what the compose files say: {Redaction.Apply(words.Trim())}", Remedy.NeedsPerson);

    /// <summary>What a build depends on, and nothing else: neither other services nor the containers' settings.</summary>
    private static JsonObject Reduced(JsonObject source, IReadOnlyCollection<ComposeService> group)
    {
        var services = new JsonObject();
        var secrets = new JsonObject();
        var open = new Queue<string>(group.Select(s => s.Name));
        while (open.TryDequeue(out var name))
        {
            if (services.ContainsKey(name) || source["services"]?[name] is not JsonObject service) { continue; }
            if (services.FirstOrDefault(s => TargetOf(s.Key) == TargetOf(name)) is { Key: { } same })
            {
                throw new WorkerException($"The services {same} and {name} are built on each other, and compose cannot tell their names " +
                    $"apart. Rename one", Remedy.NeedsPerson);
            }
            var reduced = new JsonObject();
            foreach (var key in new[] { "build", "image", "platform" })
            {
                if (service[key] is { } value) { reduced[key] = value.DeepClone(); }
            }
            services[name] = reduced;
            if (service["build"] is not JsonObject build) { continue; }
            foreach (var secret in build["secrets"] as JsonArray ?? [])
            {
                var used = secret is JsonObject ? secret["source"]?.ToString() : secret?.ToString();
                if (used is not null && source["secrets"]?[used] is { } found) { secrets[used] = found.DeepClone(); }
            }
            foreach (var (_, context) in build["additional_contexts"] as JsonObject ?? [])
            {
                if (context?.ToString() is { } text && text.StartsWith("service:", StringComparison.Ordinal))
                {
                    open.Enqueue(text["service:".Length..]);
                }
            }
        }
        // A service that is not built stands for its image.
        foreach (var (_, service) in services)
        {
            foreach (var (context, value) in (service!["build"]?["additional_contexts"] as JsonObject ?? []).ToList())
            {
                if (value?.ToString() is { } text && text.StartsWith("service:", StringComparison.Ordinal)
                    && services[text["service:".Length..]] is JsonObject { } named && named["build"] is null)
                {
                    service!["build"]!["additional_contexts"]![context] = $"docker-image://{named["image"]}";
                }
            }
        }
        foreach (var name in services.Where(s => s.Value!["build"] is null).Select(s => s.Key).ToList()) { services.Remove(name); }
        return new JsonObject { ["name"] = source["name"]!.DeepClone(), ["services"] = services, ["secrets"] = secrets };
    }

    private static ImmutableDictionary<string, JsonObject> LinkedTo(string target, JsonObject targets)
    {
        var linked = ImmutableDictionary.CreateBuilder<string, JsonObject>();
        var open = new Queue<string>([target]);
        while (open.TryDequeue(out var name))
        {
            foreach (var link in (targets[name]?["contexts"] as JsonObject ?? []).Select(c => c.Value!.ToString())
                .Where(c => c.StartsWith(LinkPrefix, StringComparison.Ordinal)))
            {
                var other = link[LinkPrefix.Length..];
                if (targets[other] is not JsonObject found || !linked.TryAdd(other, found)) { continue; }
                open.Enqueue(other);
            }
        }
        return linked.ToImmutable();
    }
}

using System.Collections.Immutable;
using System.Globalization;
using System.Text;
using System.Text.Json.Nodes;
using WatchParty.Releases.Baking;
using WatchParty.Tools.Docker;
using WatchParty.Tools.Processes;

namespace WatchParty.Worker.Tests.Fakes.Docker;

/// <summary><c>docker compose</c> on an <see cref="EngineModel"/>, by the rules of compose itself: what differs is recreated, in two steps
/// between which a kill can fall, and what others wait for is waited for.</summary>
/// <param name="step">Told what is about to be done to a container; it may take its time, or throw.</param>
internal sealed class FakeCompose(EngineModel engine, TimeProvider time, Func<string, CancellationToken, Task> step)
{
    private static readonly string[] NotHashed = ["build", "pull_policy", "scale", "depends_on", "profiles"];
    private static readonly TimeSpan LookInterval = TimeSpan.FromMilliseconds(500);
    private static readonly string[] Shared = ["network_mode", "ipc", "pid"];

    private sealed class ComposeFailure(string words) : Exception(words);

    public async Task<ToolResult> RunAsync(ToolCommand command, CancellationToken cancellationToken)
    {
        var call = ComposeCall.Of(command);
        var errors = new StringBuilder();
        try
        {
            switch (call.Verb)
            {
                case "version":
                    return Done("2.40.3\n");
                case "config" when call.Has("--hash"):
                    return Done(string.Concat(Services(call.Model()).Select(s => $"{s.Key} {Hash(s.Value)}\n")));
                case "config" when call.Has("--services"):
                    return Done(string.Concat(Services(call.Model()).Select(s => $"{s.Key}\n")));
                case "config" when !call.Flags["--format"].Contains("json"):
                    return Done(WorkerKeysInYaml(call.Model()));
                case "config":
                    return Done(WithoutOwnKeys(call.Model()).ToJsonString());
                case "build" when call.Has("--print"):
                    return Done(new JsonObject { ["target"] = BuildTranslation.Targets(call.Model()) }.ToJsonString());
                case "up":
                    await new Run(engine, time, step, call, errors, cancellationToken).UpAsync();
                    return new ToolResult(0, "", errors.ToString(), TimeSpan.Zero);
                case "restart":
                    await new Run(engine, time, step, call, errors, cancellationToken).RestartAsync();
                    return new ToolResult(0, "", errors.ToString(), TimeSpan.Zero);
                default:
                    throw new NotSupportedException($"docker compose {call.Verb}");
            }
        }
        catch (Exception e) when (e is FormatException or ComposeFailure or InvalidOperationException)
        {
            return new ToolResult(1, "", $"{errors}{e.Message}\n", TimeSpan.Zero);
        }
    }

    public static Dictionary<string, JsonObject> Services(JsonObject model) =>
        (model["services"] as JsonObject ?? []).ToDictionary(s => s.Key, s => s.Value!.AsObject());

    /// <summary>What compose makes of the configuration of a service.</summary>
    public static string Hash(JsonObject service)
    {
        var copy = service.DeepClone().AsObject();
        foreach (var key in copy.Select(p => p.Key)
            .Where(k => NotHashed.Contains(k) || k.StartsWith("x-", StringComparison.Ordinal)).ToList())
        {
            copy.Remove(key);
        }
        if (copy["deploy"] is JsonObject deploy) { deploy.Remove("replicas"); }
        return EngineModel.Digest(copy.ToJsonString())[7..];
    }

    /// <summary>Compose leaves the keys of others out of its JSON.</summary>
    private static JsonObject WithoutOwnKeys(JsonObject model)
    {
        foreach (var service in Services(model).Values)
        {
            foreach (var key in service.Select(p => p.Key).Where(k => k.StartsWith("x-", StringComparison.Ordinal)).ToList())
            {
                service.Remove(key);
            }
        }
        return model;
    }

    private static string WorkerKeysInYaml(JsonObject model)
    {
        var text = new StringBuilder("services:\n");
        foreach (var (name, service) in Services(model))
        {
            text.Append(CultureInfo.InvariantCulture, $"  {name}:\n");
            if (service["x-watchparty"] is not JsonObject keys) { continue; }
            text.Append("    x-watchparty:\n");
            foreach (var (key, value) in keys) { text.Append(CultureInfo.InvariantCulture, $"      {key}: {value}\n"); }
        }
        return text.ToString();
    }

    public static string ImageOf(string project, string name, JsonObject service) =>
        Plain(service["image"]?.ToString() ?? $"{project}-{name}");

    private static string Plain(string text) => text.Replace("$$", "$", StringComparison.Ordinal);

    private static ToolResult Done(string output) => new(0, output, "", TimeSpan.Zero);

    /// <summary>One <c>up</c>.</summary>
    private sealed class Run(
        EngineModel engine, TimeProvider time, Func<string, CancellationToken, Task> step, ComposeCall call, StringBuilder errors,
            CancellationToken cancellationToken)
    {
        private readonly JsonObject _model = call.Model();
        private readonly HashSet<string> _replaced = [];

        private string Project => _model["name"]!.ToString();

        private Dictionary<string, JsonObject> All => field ??= Services(_model);

        private DateTimeOffset Now => time.GetUtcNow();

        public async Task UpAsync()
        {
            var order = InOrder();
            foreach (var (name, service) in order) { EnsureImage(name, service); }
            foreach (var network in order.SelectMany(s => NetworksOf(s.Service)).Distinct()) { EnsureNetwork(network); }
            foreach (var (_, service) in order) { EnsureVolumes(service); }
            WarnOfOrphans();
            foreach (var (name, service) in order) { await ConvergeAsync(name, service); }
            if (call.Has("--no-start")) { return; }
            foreach (var (name, service) in order) { await StartAsync(name, service); }
        }

        /// <summary>Every container of the named services, whether it runs or not, with the hooks around it.</summary>
        public async Task RestartAsync()
        {
            foreach (var (name, service) in InOrder())
            {
                foreach (var container in ContainersOf(name))
                {
                    await step($"restart {container.Name}", cancellationToken);
                    container.Start(Now);
                    RunHooks(name, service);
                }
            }
        }

        private void RunHooks(string name, JsonObject service)
        {
            foreach (var command in (service["post_start"] as JsonArray ?? []).Select(h => string.Join(' ', (h!["command"] as JsonArray ?? []).Select(w => w!.ToString()))))
            {
                engine.Hooks.Add((name, command));
                if (command.EndsWith("exit 3", StringComparison.Ordinal)) { throw new ComposeFailure($"{name} hook exited with status 3"); }
            }
        }

        /// <summary>The services that are looked at, each behind those that it depends on.</summary>
        private List<(string Name, JsonObject Service)> InOrder()
        {
            List<(string, JsonObject)> order = [];
            HashSet<string> seen = [];
            void Add(string name)
            {
                if (!All.TryGetValue(name, out var service)) { throw new ComposeFailure($"no such service: {name}"); }
                if (!seen.Add(name)) { return; }
                if (!call.Has("--no-deps")) { foreach (var needed in Needed(service)) { Add(needed); } }
                order.Add((name, service));
            }
            IEnumerable<string> named = call.Operands.Count > 0 ? call.Operands : All.Keys;
            foreach (var name in named) { Add(name); }
            return order;
        }

        private static IEnumerable<string> Needed(JsonObject service) => (service["depends_on"] as JsonObject ?? []).Select(d => d.Key)
            .Concat(Shared.Select(key => SharedWith(service, key)).OfType<string>());

        private static string? SharedWith(JsonObject service, string key) =>
            service[key]?.ToString() is { } mode && mode.StartsWith("service:", StringComparison.Ordinal) ? mode["service:".Length..]
                : null;

        private void EnsureImage(string name, JsonObject service)
        {
            var image = ImageOf(Project, name, service);
            var policy = call.Flags["--pull"].LastOrDefault() ?? service["pull_policy"]?.ToString() ?? "missing";
            if (engine.Find(image) is not null && policy != "always") { return; }
            if (policy == "always" && service["build"] is not null && engine.Find(image) is not null) { return; }
            if (service["build"] is not null || policy is "never" or "build")
            {
                throw new ComposeFailure($"Error response from daemon: No such image: {image}");
            }
            if (!engine.Registry.TryGetValue(image, out var found))
            {
                throw new ComposeFailure($"Error response from daemon: pull access denied for {ImageName.Split(image).Repository}, repository does not exist or may require 'docker login'");
            }
            engine.Load(found, image);
        }

        private static IEnumerable<string> NetworksOf(JsonObject service) =>
            service["network_mode"] is null ? (service["networks"] as JsonObject ?? []).Select(n => n.Key) : [];

        private string NetworkName(string key) =>
            _model["networks"]?[key]?["name"]?.ToString() ?? throw new ComposeFailure($"undefined network {key}");

        private void EnsureNetwork(string key)
        {
            var (name, section) = (NetworkName(key), _model["networks"]![key]!.AsObject());
            var wanted = EngineModel.Digest(section.ToJsonString())[7..];
            if (section["external"]?.GetValue<bool>() == true)
            {
                if (engine.FindNetwork(name) is null)
                {
                    throw new ComposeFailure($"network {name} declared as external, but could not be found");
                }
                return;
            }
            var known = engine.FindNetwork(name);
            if (known is not null && known.Labels!.GetValueOrDefault("com.docker.compose.config-hash", wanted) == wanted) { return; }
            var pools = (section["ipam"]?["config"] as JsonArray ?? [])
                .Select(c => new NetworkPool(c!["subnet"]?.ToString(), null)).ToArray();
            if (engine.Networks.FirstOrDefault(n => n.Name != name
                && pools.Any(p => n.IPAM?.Config?.Any(q => q.Subnet == p.Subnet) == true)) is not null)
            {
                throw new ComposeFailure($"failed to create network {name}: Error response from daemon: invalid pool request: Pool overlaps with other one on this address space");
            }
            if (known is not null) { engine.RemoveNetwork(name); }
            engine.AddNetwork(
                name, new()
                {
                    ["com.docker.compose.project"] = Project,
                    ["com.docker.compose.network"] = key,
                    ["com.docker.compose.config-hash"] = wanted
                },
                section["driver"]?.ToString() ?? "bridge", section["internal"]?.GetValue<bool>() ?? false, new NetworkAddresses(pools));
        }

        private void EnsureVolumes(JsonObject service)
        {
            foreach (var mount in (service["volumes"] as JsonArray ?? []).Select(v => v!.AsObject()))
            {
                var source = mount["source"]?.ToString();
                if (mount["type"]!.ToString() == "bind" && mount["bind"]?["create_host_path"]?.GetValue<bool>() != true
                    && !Path.Exists(source))
                {
                    throw new ComposeFailure($"Error response from daemon: invalid mount config for type \"bind\": bind source path does not exist: {source}");
                }
                if (mount["type"]!.ToString() != "volume" || source is null) { continue; }
                var section = _model["volumes"]?[source]?.AsObject() ?? throw new ComposeFailure(
                    $"service refers to undefined volume {source}: invalid compose project");
                var name = section["name"]!.ToString();
                if (engine.FindVolume(name) is not null) { continue; }
                if (section["external"]?.GetValue<bool>() == true) { throw new ComposeFailure($"external volume \"{name}\" not found"); }
                engine.AddVolume(
                    name, new() { ["com.docker.compose.project"] = Project, ["com.docker.compose.volume"] = source },
                        section["driver"]?.ToString() ?? "local",
                    (section["driver_opts"] as JsonObject)?.ToDictionary(o => o.Key, o => o.Value!.ToString()));
            }
        }

        private void WarnOfOrphans()
        {
            var orphans = engine.Containers
                .Where(c => c.Project == Project && !All.ContainsKey(c.Service)
                    && c.Labels.GetValueOrDefault("com.docker.compose.oneoff") != "True").ToList();
            if (orphans.Count == 0 || call.Variables.GetValueOrDefault("COMPOSE_IGNORE_ORPHANS") == "true") { return; }
            if (!call.Has("--remove-orphans"))
            {
                errors.AppendLine(CultureInfo.InvariantCulture,
                    $"time=\"2026\" level=warning msg=\"Found orphan containers ([{string.Join(' ', orphans.Select(o => o.Name))}]) for this project.\"");
                return;
            }
            foreach (var orphan in orphans) { engine.RemoveContainer(orphan); }
        }

        private List<ModelContainer> ContainersOf(string name) =>
            [.. engine.Containers.Where(c => c.Project == Project && c.Service == name
                && c.Labels.GetValueOrDefault("com.docker.compose.oneoff") != "True")
                .OrderBy(c => c.Name, StringComparer.Ordinal)];

        private async Task ConvergeAsync(string name, JsonObject service)
        {
            service = WithContainers(service);
            var wanted = service["scale"]?.GetValue<int>() ?? service["deploy"]?["replicas"]?.GetValue<int>() ?? 1;
            var containers = ContainersOf(name);
            foreach (var one in containers.Skip(wanted))
            {
                await step($"remove {one.Name}", cancellationToken);
                engine.RemoveContainer(one);
            }
            foreach (var old in containers.Take(wanted)) { if (Differs(name, service, old)) { await RecreateAsync(name, service, old); } }
            for (var number = containers.Count + 1; number <= wanted; number++)
            {
                await step($"create {Project}-{name}-{number}", cancellationToken);
                Create(name, service, number, null, null);
            }
        }

        /// <summary>As compose has it when it hashes a service and makes its container: the other container in the place of its
        /// service.</summary>
        private JsonObject WithContainers(JsonObject service)
        {
            var copy = service.DeepClone().AsObject();
            foreach (var key in Shared)
            {
                if (SharedWith(service, key) is { } other && ContainersOf(other) is [var first, ..])
                {
                    copy[key] = $"container:{first.Id}";
                }
            }
            return copy;
        }

        private bool Differs(string name, JsonObject service, ModelContainer container)
        {
            if (call.Has("--no-recreate")) { return false; }
            if (call.Has("--force-recreate") && (call.Operands.Count == 0 || call.Operands.Contains(name))) { return true; }
            return container.Labels["com.docker.compose.config-hash"] != Hash(service)
                || container.Labels["com.docker.compose.image"] != engine.Find(ImageOf(Project, name, service))?.Id
                || NetworksOf(service).Any(n =>
                    container.Networks.GetValueOrDefault(NetworkName(n)) != engine.FindNetwork(NetworkName(n))?.Id)
                || (service["volumes"] as JsonArray ?? []).Where(v => v!["type"]!.ToString() == "volume" && v["source"] is not null)
                    .Any(v => container.Mounts.All(m => m.Name != _model["volumes"]![v!["source"]!.ToString()]!["name"]!.ToString()));
        }

        /// <summary>The new one is made beside the old one; then that is stopped and goes.</summary>
        private async Task RecreateAsync(string name, JsonObject service, ModelContainer old)
        {
            await step($"create beside {old.Name}", cancellationToken);
            var number = int.Parse(old.Labels["com.docker.compose.container-number"], CultureInfo.InvariantCulture);
            var made = Create(name, service, number, $"{old.Id[..12]}_{old.Name}", old);
            await step($"stop {old.Name}", cancellationToken);
            old.Stop(Now);
            await step($"remove {old.Name}", cancellationToken);
            engine.RemoveContainer(old);
            made.Name = service["container_name"]?.ToString() ?? $"{Project}-{name}-{number}";
            _replaced.Add(name);
        }

        private ModelContainer Create(string name, JsonObject service, int number, string? temporary, ModelContainer? old)
        {
            var imageName = ImageOf(Project, name, service);
            var image = engine.Find(imageName) ?? throw new ComposeFailure($"Error response from daemon: No such image: {imageName}");
            var command = (service["entrypoint"] as JsonArray ?? []).Concat(service["command"] as JsonArray ?? [])
                .Select(w => Plain(w!.ToString())).ToImmutableArray();
            return engine.Create(new ModelContainer(
                engine.NextId(), temporary ?? service["container_name"]?.ToString() ?? $"{Project}-{name}-{number}", image, imageName,
                ImmutableDictionary<string, string>.Empty.SetItems(image.Labels).SetItems(Labels(service))
                    .SetItems(new Dictionary<string, string>
                    {
                        ["com.docker.compose.project"] = Project,
                        ["com.docker.compose.service"] = name,
                        ["com.docker.compose.container-number"] = number.ToString(CultureInfo.InvariantCulture),
                        ["com.docker.compose.oneoff"] = "False",
                        ["com.docker.compose.config-hash"] = Hash(service),
                        ["com.docker.compose.image"] = image.Id,
                        ["com.docker.compose.project.working_dir"] = call.Folder,
                        ["com.docker.compose.project.config_files"] = string.Join(',', call.Files),
                    }))
            {
                Command = command.Length > 0 ? command : image.Command,
                HealthCheck = HealthOf(service["healthcheck"] as JsonObject, image.HealthCheck),
                RestartPolicy = service["restart"]?.ToString() ?? "no",
                Networks = NetworksOf(service).Select(NetworkName).ToImmutableDictionary(n => n, n => engine.FindNetwork(n)!.Id),
                Ports = (service["ports"] as JsonArray ?? []).GroupBy(p => $"{p!["target"]}/{p["protocol"] ?? "tcp"}")
                    .ToImmutableDictionary(
                    g => g.Key, g => (PublishedPort[]?)[.. g
                        .Select(p => new PublishedPort(p!["host_ip"]?.ToString() ?? "0.0.0.0", p["published"]?.ToString()))]),
                Mounts = [.. Mounts(service, image, old)],
            });
        }

        private static Dictionary<string, string> Labels(JsonObject service) =>
            service["labels"] is JsonObject labels ? labels.ToDictionary(l => l.Key, l => l.Value!.ToString()) : [];

        private IEnumerable<ContainerMount> Mounts(JsonObject service, ModelImage image, ModelContainer? old)
        {
            var mounts = (service["volumes"] as JsonArray ?? []).Select(v => v!.AsObject()).ToList();
            foreach (var mount in mounts.Where(m => m["source"] is not null))
            {
                var (type, source, target) = (mount["type"]!.ToString(), mount["source"]!.ToString(), mount["target"]!.ToString());
                yield return type == "volume" ? new ContainerMount(type, _model["volumes"]![source]!["name"]!.ToString(), "", target)
                    : new ContainerMount(type, null, source, target);
            }
            var named = mounts.Where(m => m["source"] is not null).Select(m => m["target"]!.ToString());
            var nameless = mounts.Where(m => m["source"] is null).Select(m => m["target"]!.ToString()).Concat(image.Volumes).Except(named);
            foreach (var target in nameless.Distinct())
            {
                // Compose takes that of the container before over, which hides what a new image has there.
                var name = old?.Mounts.FirstOrDefault(m => m.Destination == target)?.Name ?? engine.AddVolume(engine.NextId()).Name;
                yield return new ContainerMount("volume", name, "", target);
            }
        }

        private static HealthCheck? HealthOf(JsonObject? section, HealthCheck? ofImage)
        {
            if (section is null) { return ofImage; }
            if (section["disable"]?.GetValue<bool>() == true) { return null; }
            var test = section["test"] is JsonArray words ? [.. words.Select(w => Plain(w!.ToString()))] : ofImage?.Test ?? [];
            return new HealthCheck(
                test, Duration(section["interval"]) ?? ofImage?.Interval ?? TimeSpan.FromSeconds(30),
                    section["retries"]?.GetValue<int>() ?? ofImage?.Retries ?? 3,
                Duration(section["start_period"]) ?? ofImage?.StartPeriod ?? TimeSpan.Zero);
        }

        internal static TimeSpan? Duration(JsonNode? text) => text is null ? null : DockerText.Duration(text.ToString());

        private async Task StartAsync(string name, JsonObject service)
        {
            foreach (var (needed, how) in service["depends_on"] as JsonObject ?? [])
            {
                if (!call.Has("--no-deps")) { await AwaitAsync(needed, how?["condition"]?.ToString() ?? "service_started"); }
            }
            var followsReplaced = (service["depends_on"] as JsonObject ?? []).Any(d => d.Value?["restart"]?.GetValue<bool>() == true
                && _replaced.Contains(d.Key));
            foreach (var container in ContainersOf(name).Where(c => followsReplaced || !c.Runs(Now)))
            {
                await step($"start {container.Name}", cancellationToken);
                var taken = container.Ports.SelectMany(p => p.Value ?? []).FirstOrDefault(p => engine.Containers.Any(c =>
                    c != container && c.Runs(Now) && c.Ports.Values.Any(o => o?.Any(q => q.HostPort == p.HostPort) == true)));
                if (taken is not null)
                {
                    throw new ComposeFailure($"Error response from daemon: driver failed programming external connectivity: Bind for {taken.HostIp}:{taken.HostPort} failed: port is already allocated");
                }
                container.Start(Now);
                RunHooks(name, service);
            }
        }

        private async Task AwaitAsync(string service, string condition)
        {
            while (condition != "service_started" && ContainersOf(service) is [var container, ..])
            {
                var state = container.State(Now);
                if (condition == "service_completed_successfully" && state.Status == "exited")
                {
                    if (state.ExitCode == 0) { return; }
                    throw new ComposeFailure($"service \"{service}\" didn't complete successfully: exit {state.ExitCode}");
                }
                if (condition == "service_healthy")
                {
                    if (state.Health is null && state.Running)
                    {
                        throw new ComposeFailure($"dependency failed to start: container {container.Name} has no healthcheck configured");
                    }
                    if (state.Health?.Status == "healthy") { return; }
                    if (state.Health?.Status == "unhealthy")
                    {
                        throw new ComposeFailure($"dependency failed to start: container {container.Name} is unhealthy");
                    }
                    if (state.Status == "exited")
                    {
                        throw new ComposeFailure($"dependency failed to start: container {container.Name} exited ({state.ExitCode})");
                    }
                }
                await Task.Delay(LookInterval, time, cancellationToken);
            }
        }
    }
}

internal static class DockerText
{
    /// <summary>As Go writes a time: <c>1m30s</c>, <c>500ms</c>.</summary>
    public static TimeSpan Duration(string text)
    {
        var (total, number) = (TimeSpan.Zero, "");
        for (var i = 0; i < text.Length; i++)
        {
            if (char.IsAsciiDigit(text[i]) || text[i] == '.')
            {
                number += text[i];
                continue;
            }
            var unit = text[i..].StartsWith("ms", StringComparison.Ordinal) ? TimeSpan.FromMilliseconds(1)
                : text[i] switch
                {
                    'h' => TimeSpan.FromHours(1),
                    'm' => TimeSpan.FromMinutes(1),
                    's' => TimeSpan.FromSeconds(1),
                    _ =>
                    throw new FormatException($"invalid duration {text}")
                };
            total += double.Parse(number, CultureInfo.InvariantCulture) * unit;
            number = "";
            if (text[i..].StartsWith("ms", StringComparison.Ordinal)) { i++; }
        }
        return total;
    }
}

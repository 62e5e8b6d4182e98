using System.Collections.Immutable;
using System.Text.Json;
using System.Text.Json.Nodes;
using System.Text.RegularExpressions;

namespace WatchParty.Worker.Tests.Fakes.Docker;

/// <summary>Resolves a compose file as <c>docker compose config --format json</c> does. The file is written in JSON, which is YAML as well,
/// so that a real compose reads the same one.</summary>
internal static partial class ComposeFile
{
    /// <exception cref="FormatException">With the words of compose.</exception>
    public static JsonObject Resolve(
        string folder, IReadOnlyList<string> files, string? name, IReadOnlyCollection<string> profiles, IReadOnlyDictionary<string,
            string> variables)
    {
        JsonObject model = [];
        foreach (var file in files) { Merge(model, Interpolate(Read(file), variables)!.AsObject()); }
        name ??= model["name"]?.ToString() ?? Path.GetFileName(folder).ToLowerInvariant();
        JsonObject services = [];
        foreach (var (service, content) in (model["services"]?.AsObject() ?? []).OrderBy(s => s.Key, StringComparer.Ordinal))
        {
            var section = content!.DeepClone().AsObject();
            var own = (section["profiles"] as JsonArray ?? []).Select(p => p!.ToString()).ToList();
            if (own.Count > 0 && !profiles.Contains("*") && !own.Exists(profiles.Contains)) { continue; }
            services[service] = Service(folder, section);
        }
        foreach (var service in services.Select(s => s.Value!.AsObject()))
        {
            foreach (var needed in (service["depends_on"] as JsonObject ?? []).Select(d => d.Key))
            {
                if (!services.ContainsKey(needed))
                {
                    throw new FormatException($"service \"{service}\" depends on undefined service {needed}: invalid compose project");
                }
            }
        }
        var networks = (model["networks"]?.AsObject() ?? []).ToDictionary(n => n.Key, n => n.Value as JsonObject ?? []);
        if (services.Any(s => s.Value!["networks"]?["default"] is not null
            || s.Value!["networks"]?.AsObject().ContainsKey("default") == true))
        {
            networks.TryAdd("default", []);
        }
        JsonObject result = new() { ["name"] = name, ["services"] = services };
        if (Named(name, networks, "ipam") is { Count: > 0 } namedNetworks) { result["networks"] = namedNetworks; }
        if (Named(name, (model["volumes"]?.AsObject() ?? []).ToDictionary(v => v.Key, v => v.Value as JsonObject ?? []), null)
            is { Count: > 0 } volumes)
        {
            result["volumes"] = volumes;
        }
        foreach (var (key, value) in model)
        {
            if (key is "secrets" or "configs" || key.StartsWith("x-", StringComparison.Ordinal)) { result[key] = value?.DeepClone(); }
            foreach (var section in key is "secrets" or "configs" ? (result[key] as JsonObject ?? []).Select(s => s.Value!.AsObject()) : [])
            {
                if (section["file"] is { } file) { section["file"] = Path.GetFullPath(file.ToString(), folder); }
            }
        }
        return result;
    }

    /// <summary>A model that is given as it is.</summary>
    public static JsonObject Interpolated(string text, IReadOnlyDictionary<string, string> variables) => Interpolate(JsonNode.Parse(text), variables)!.AsObject();

    private static JsonObject Read(string file)
    {
        try
        {
            return JsonNode.Parse(File.ReadAllText(file))?.AsObject() ?? [];
        }
        catch (JsonException e)
        {
            throw new FormatException($"yaml: {e.Message}", e);
        }
        catch (IOException)
        {
            throw new FormatException($"open {file}: no such file or directory");
        }
    }

    private static JsonObject Service(string folder, JsonObject service)
    {
        if (service["build"] is JsonValue context) { service["build"] = new JsonObject { ["context"] = context.DeepClone() }; }
        if (service["build"] is JsonObject build)
        {
            build["context"] = Path.TrimEndingDirectorySeparator(Path.GetFullPath(build["context"]?.ToString() ?? ".", folder));
            if (!build.ContainsKey("dockerfile_inline")) { build["dockerfile"] ??= "Dockerfile"; }
            if (build["args"] is JsonArray arguments) { build["args"] = Map(arguments); }
        }
        foreach (var key in new[] { "command", "entrypoint" })
        {
            if (!service.ContainsKey(key)) { service[key] = null; }
            if (service[key] is JsonValue text)
            {
                service[key] = new JsonArray([.. text.ToString().Split(' ').Select(w => JsonValue.Create(w))]);
            }
        }
        if (service["environment"] is JsonArray environment) { service["environment"] = Map(environment); }
        if (service["env_file"] is { } file)
        {
            var merged = service["environment"] as JsonObject ?? [];
            foreach (var (key, value) in Variables(
                Path.GetFullPath(file is JsonArray several ? several[0]!.ToString() : file.ToString(), folder)))
            {
                merged[key] ??= value;
            }
            service["environment"] = merged.DeepClone();
            service.Remove("env_file");
        }
        if (service["depends_on"] is JsonArray names)
        {
            service["depends_on"] = new JsonObject(names
                .Select(n => KeyValuePair.Create<string,
                    JsonNode?>(n!.ToString(), new JsonObject { ["condition"] = "service_started", ["required"] = true })));
        }
        if (service["ports"] is JsonArray ports) { service["ports"] = new JsonArray([.. ports.Select(Port)]); }
        if (service["volumes"] is JsonArray volumes) { service["volumes"] = new JsonArray([.. volumes.Select(v => Volume(folder, v!))]); }
        if (service["healthcheck"]?["test"] is JsonValue test)
        {
            service["healthcheck"]!["test"] = new JsonArray("CMD-SHELL", test.ToString());
        }
        if (service["networks"] is JsonArray networks)
        {
            service["networks"] = new JsonObject(networks.Select(n => KeyValuePair.Create<string, JsonNode?>(n!.ToString(), null)));
        }
        if (service["network_mode"] is null) { service["networks"] ??= new JsonObject { ["default"] = null }; }
        return new JsonObject(service.OrderBy(p => p.Key, StringComparer.Ordinal)
            .Select(p => KeyValuePair.Create(p.Key, p.Value?.DeepClone())));
    }

    private static JsonObject Map(JsonArray entries)
    {
        JsonObject map = [];
        foreach (var (key, value) in entries.Select(e => e!.ToString().Split('=', 2)).Where(p => p.Length == 2).Select(p => (p[0], p[1])))
        {
            map[key] = value;
        }
        return map;
    }

    private static JsonNode? Port(JsonNode? port)
    {
        if (port is not JsonValue) { return port?.DeepClone(); }
        var parts = port.ToString().Split(':');
        JsonObject result = new()
        {
            ["mode"] = "ingress",
            ["target"] = int.Parse(parts[^1].Split('/')[0], System.Globalization.CultureInfo.InvariantCulture)
        };
        if (parts.Length == 3) { result["host_ip"] = parts[0]; }
        if (parts.Length > 1) { result["published"] = parts[^2]; }
        result["protocol"] = "tcp";
        return result;
    }

    private static JsonNode Volume(string folder, JsonNode volume)
    {
        if (volume is not JsonValue) { return volume.DeepClone(); }
        var parts = volume.ToString().Split(':');
        if (parts.Length == 1) { return new JsonObject { ["type"] = "volume", ["target"] = parts[0], ["volume"] = new JsonObject() }; }
        var isPath = parts[0].StartsWith('.') || parts[0].StartsWith('/');
        JsonObject result = new()
        {
            ["type"] = isPath ? "bind" : "volume",
            ["source"] = isPath ? Path.GetFullPath(parts[0], folder)
            : parts[0],
            ["target"] = parts[1]
        };
        if (parts is [_, _, "ro"]) { result["read_only"] = true; }
        result[isPath ? "bind" : "volume"] = isPath ? new JsonObject { ["create_host_path"] = true } : new JsonObject();
        return result;
    }

    private static JsonObject Named(string project, Dictionary<string, JsonObject> entries, string? empty)
    {
        JsonObject result = [];
        foreach (var (key, section) in entries.OrderBy(e => e.Key, StringComparer.Ordinal))
        {
            var copy = section.DeepClone().AsObject();
            copy["name"] ??= copy["external"] is null ? $"{project}_{key}" : key;
            if (empty is not null && copy["external"] is null) { copy[empty] ??= new JsonObject(); }
            result[key] = copy;
        }
        return result;
    }

    private static void Merge(JsonObject into, JsonObject from)
    {
        foreach (var (key, value) in from)
        {
            if (into[key] is JsonObject known && value is JsonObject more) { Merge(known, more); }
            else { into[key] = value?.DeepClone(); }
        }
    }

    /// <summary>The lines <c>NAME=value</c> of a file.</summary>
    public static Dictionary<string, string> Variables(string file) => !File.Exists(file) ? []
        : File.ReadLines(file).Where(l => !l.StartsWith('#')).Select(l => l.Split('=', 2)).Where(p => p.Length == 2)
            .GroupBy(p => p[0].Trim()).ToDictionary(g => g.Key, g => g.Last()[1].Trim());

    private static JsonNode? Interpolate(JsonNode? node, IReadOnlyDictionary<string, string> variables) => node switch
    {
        JsonObject map => new JsonObject(map.Select(p => KeyValuePair.Create(p.Key, Interpolate(p.Value, variables)))),
        JsonArray list => new JsonArray([.. list.Select(i => Interpolate(i, variables))]),
        JsonValue value when value.GetValueKind() == JsonValueKind.String => JsonValue.Create(Interpolate(value.ToString(), variables)),
        _ => node?.DeepClone(),
    };

    // "$$" stays as it is: compose prints it so.
    private static string Interpolate(string text, IReadOnlyDictionary<string, string> variables) =>
        !text.Contains('$', StringComparison.Ordinal) ? text
        : Variable().Replace(text, m => m.Value == "$$" ? "$$" : variables.GetValueOrDefault(m.Groups["name"].Value)
            is { Length: > 0 } value ? value : m.Groups["default"].Value);

    [GeneratedRegex(@"\$\$|\$\{(?<name>[A-Za-z_][A-Za-z0-9_]*)(:?-(?<default>[^}]*))?\}|\$(?<name>[A-Za-z_][A-Za-z0-9_]*)",
        RegexOptions.ExplicitCapture)]
    private static partial Regex Variable();
}

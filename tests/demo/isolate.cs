// Makes of an application's compose model an override file under which a copy of the application runs beside the
// original on the same engine: names, ports and storage of its own. demo.sh uses it.
//
//   isolate override PROJECT COPY FILE   < model    writes FILE; prints what demo.sh needs to know, and what was taken away
//   isolate check PROJECT COPY           < model    fails unless the model, resolved with FILE, reaches nothing of the original
//
// The model is what `docker compose --project-name PROJECT config --format json` prints in COPY. It keeps "$" doubled, and so may be
// written into a compose file again as it is. JSON is YAML; only the tags !reset and !override are put between by hand.
#:property PublishAot=false
#:property JsonSerializerIsReflectionEnabledByDefault=true

using System.Net;
using System.Net.Sockets;
using System.Text;
using System.Text.Encodings.Web;
using System.Text.Json;
using System.Text.Json.Nodes;

if (args is not (["override", _, _, _] or ["check", _, _]))
{
    Console.Error.WriteLine("usage: isolate override PROJECT COPY FILE | isolate check PROJECT COPY   < model");
    return 64;
}
var (project, copy) = (args[1], Path.TrimEndingDirectorySeparator(args[2]));
var model = JsonNode.Parse(Console.In.ReadToEnd())!.AsObject();
var services = model["services"] as JsonObject ?? [];
return args[0] == "check" ? Check() : Override(args[3]);

int Override(string file)
{
    var text = new StringBuilder("# Written by demo.sh: this copy of the application shares nothing with the original.\nservices:\n");
    // What is built gets a name of its own, also where another service uses it by name.
    Dictionary<string, string> images = [];
    foreach (var (name, service) in services.Where(s => s.Value!["build"] is not null))
    {
        images.TryAdd(Text(service, "image") ?? $"{project}-{name}", $"{project}-{name}:latest");
    }
    HashSet<int> ports = [];
    foreach (var (name, service) in services)
    {
        List<string> lines =
        [
            .. Images(name, service!, images), .. Build(name, service!, images), .. Others(name, service!),
            .. Ports(name, service!, ports), .. Mounts(name, service!), .. Networks(service!),
        ];
        text.Append($"  {Json(name)}:{(lines.Count == 0 ? " {}" : "")}\n").AppendJoin("", lines.Select(l => $"    {l}\n"));
    }
    text.Append(Storage("networks")).Append(Storage("volumes"));
    foreach (var section in (string[])["secrets", "configs"])
    {
        foreach (var (_, value) in model[section] as JsonObject ?? [])
        {
            if (Text(value, "file") is { } source && IsInside(source)) { Tell("file", Path.GetRelativePath(copy, source)); }
        }
    }
    File.WriteAllText(file, text.ToString());
    return 0;
}

IEnumerable<string> Images(string name, JsonNode service, Dictionary<string, string> images)
{
    if (!images.TryGetValue(Text(service, "image") ?? $"{project}-{name}", out var own)) { yield break; }
    yield return $"image: {Json(own)}";
    // It is nowhere to be pulled from.
    if (service["pull_policy"] is not null) { yield return "pull_policy: missing"; }
}

IEnumerable<string> Build(string name, JsonNode service, Dictionary<string, string> images)
{
    if (service["build"] is not JsonObject build) { yield break; }
    var context = Text(build, "context") ?? copy;
    var dockerfile = Text(build, "dockerfile_inline") is null ? Path.Combine(context, Text(build, "dockerfile") ?? "Dockerfile") : "";
    if (IsInside(context)) { Tell("built", name, Path.GetRelativePath(copy, context), IsInside(dockerfile) ? Path.GetRelativePath(copy, dockerfile) : "-", Text(build, "target") ?? "-", service["entrypoint"] is null ? "-" : "entrypoint"); }
    else { Tell("note", $"{name}: is built from {context}, which is not in the repository"); }
    yield return "build:";
    // Names of the original, and places that a cache would be written to.
    foreach (var key in (string[])["tags", "cache_from", "cache_to"])
    {
        if (build[key] is not null) { yield return $"  {key}: !reset null"; }
    }
    const string Scheme = "docker-image://";
    if (build["additional_contexts"] is JsonObject contexts)
    {
        var own = new JsonObject(contexts.Select(c => KeyValuePair.Create(c.Key,
            c.Value?.ToString() is { } source && source.StartsWith(Scheme, StringComparison.Ordinal) && images.TryGetValue(source[Scheme.Length..], out var image) ? Scheme + image : c.Value?.DeepClone())));
        yield return $"  additional_contexts: !override {Json(own)}";
    }
    yield return $"  context: {Json(context)}";
}

IEnumerable<string> Others(string name, JsonNode service)
{
    if (service["container_name"] is not null) { yield return "container_name: !reset null"; }
    // A proxy or a scheduler that watches the engine would take the copy for the original.
    foreach (var key in (string[])["labels", "volumes_from", "external_links"])
    {
        if (service[key] is not (JsonObject { Count: > 0 } or JsonArray { Count: > 0 })) { continue; }
        yield return $"{key}: !reset null";
        Tell("note", $"{name}: runs without its {key}");
    }
    if (service["mac_address"] is not null) { yield return "mac_address: !reset null"; }
    if (IsForeign(Text(service, "network_mode")))
    {
        yield return "network_mode: !reset null";
        Tell("note", $"{name}: runs in a network of its own, not in network_mode {Text(service, "network_mode")}");
    }
}

IEnumerable<string> Ports(string name, JsonNode service, HashSet<int> taken)
{
    if (service["ports"] is not JsonArray { Count: > 0 } ports) { yield break; }
    var own = new JsonArray();
    foreach (var port in ports)
    {
        var (target, protocol, free) = (port!["target"]!.ToString(), Text(port, "protocol") ?? "tcp", FreePort(taken));
        own.Add($"127.0.0.1:{free}:{target}/{protocol}");
        if (protocol == "tcp") { Tell("port", name, target, $"{free}"); }
    }
    yield return $"ports: !override {Json(own)}";
}

IEnumerable<string> Mounts(string name, JsonNode service)
{
    if (service["volumes"] is not JsonArray { Count: > 0 } mounts) { yield break; }
    var kept = new JsonArray();
    foreach (var mount in mounts)
    {
        if (Text(mount, "type") is "volume" or "tmpfs") { kept.Add(mount!.DeepClone()); }
        else if (Text(mount, "type") == "bind" && Text(mount, "source") is { } source && IsInside(source))
        {
            Tell("file", Path.GetRelativePath(copy, source));
            kept.Add(mount!.DeepClone());
        }
        else { Tell("note", $"{name}: runs without the mount of {Text(mount, "source")} at {Text(mount, "target")}"); }
    }
    if (kept.Count != mounts.Count) { yield return $"volumes: !override {Json(kept)}"; }
}

// Fixed addresses belong to the original's networks.
IEnumerable<string> Networks(JsonNode service)
{
    if (service["networks"] is not JsonObject { Count: > 0 } networks) { yield break; }
    var own = new JsonObject(networks.Select(n => KeyValuePair.Create<string, JsonNode?>(n.Key,
        n.Value?["aliases"] is { } aliases ? new JsonObject { ["aliases"] = aliases.DeepClone() } : new JsonObject())));
    yield return $"networks: !override {Json(own)}";
}

string Storage(string section)
{
    if (model[section] is not JsonObject { Count: > 0 } entries) { return ""; }
    var text = new StringBuilder($"{section}:\n");
    foreach (var (key, value) in entries)
    {
        var name = Text(value, "name") ?? key;
        if (IsTrue(value, "external") || name != $"{project}_{key}" || HasOptions(value)) { Tell("note", $"the {section[..^1]} {(name == $"{project}_{key}" ? key : name)} is replaced by a new one of the copy"); }
        var own = new JsonObject { ["name"] = $"{project}_{key}" };
        if (IsTrue(value, "internal")) { own["internal"] = true; }
        text.Append($"  {Json(key)}: !override {Json(own)}\n");
    }
    return text.ToString();
}

int Check()
{
    List<string> faults = [];
    void Rule(bool holds, string fault) { if (!holds) { faults.Add(fault); } }
    Rule(Text(model, "name") == project, $"the project would be {Text(model, "name")}");
    foreach (var (name, service) in services)
    {
        if (service!["build"] is { } build)
        {
            Rule(Text(service, "image")?.StartsWith($"{project}-", StringComparison.Ordinal) == true, $"{name}: would build the image {Text(service, "image")}");
            Rule(!(build["tags"] is JsonArray { Count: > 0 } || build["cache_to"] is JsonArray { Count: > 0 }), $"{name}: would write image names or a cache of the original");
        }
        Rule(service["container_name"] is null, $"{name}: would have the container name {Text(service, "container_name")}");
        Rule(!IsForeign(Text(service, "network_mode")), $"{name}: would use the network of {Text(service, "network_mode")}");
        foreach (var key in (string[])["labels", "volumes_from", "external_links"])
        {
            Rule(service[key] is not (JsonObject { Count: > 0 } or JsonArray { Count: > 0 }), $"{name}: would have {key} of the original");
        }
        foreach (var port in service["ports"] as JsonArray ?? [])
        {
            Rule(Text(port, "host_ip") == "127.0.0.1", $"{name}: would publish port {port?["published"]} on {Text(port, "host_ip") ?? "every address"}");
        }
        foreach (var mount in service["volumes"] as JsonArray ?? [])
        {
            Rule(Text(mount, "type") is "volume" or "tmpfs" || IsInside(Text(mount, "source") ?? ""), $"{name}: would mount {Text(mount, "source")}");
        }
    }
    foreach (var section in (string[])["networks", "volumes"])
    {
        foreach (var (key, value) in model[section] as JsonObject ?? [])
        {
            Rule(!IsTrue(value, "external") && !HasOptions(value) && Text(value, "name") == $"{project}_{key}", $"the {section[..^1]} {key} would be {Text(value, "name")}");
        }
    }
    foreach (var fault in faults) { Console.Error.WriteLine(fault); }
    return faults.Count == 0 ? 0 : 1;
}

// A driver's options can name a folder of the host, an address pool a network that is there already.
static bool HasOptions(JsonNode? entry) =>
    entry is JsonObject map && (map["driver_opts"] is JsonObject { Count: > 0 } || map["ipam"] is JsonObject { Count: > 0 } || Text(map, "driver") is not (null or "local" or "bridge"));

static bool IsForeign(string? networkMode) => networkMode == "host" || networkMode?.StartsWith("container:", StringComparison.Ordinal) == true;

static bool IsTrue(JsonNode? entry, string key) => entry is JsonObject map && map[key]?.ToString() == "true";

bool IsInside(string path)
{
    var real = RealPath(path);
    return real == copy || real.StartsWith(copy + "/", StringComparison.Ordinal);
}

// A link in the repository may lead out of it.
static string RealPath(string path)
{
    var real = "/";
    foreach (var part in Path.GetFullPath(path).Split('/', StringSplitOptions.RemoveEmptyEntries))
    {
        real = Path.Combine(real, part);
        if (new FileInfo(real).LinkTarget is not null) { real = RealPath(File.ResolveLinkTarget(real, returnFinalTarget: true)!.FullName); }
    }
    return real;
}

static int FreePort(HashSet<int> taken)
{
    while (true)
    {
        using var listener = new TcpListener(IPAddress.Loopback, 0);
        listener.Start();
        var port = ((IPEndPoint)listener.LocalEndpoint).Port;
        if (taken.Add(port)) { return port; }
    }
}

static void Tell(params IEnumerable<string> fields) => Console.WriteLine(string.Join('\t', fields));

static string? Text(JsonNode? node, string key) => node is JsonObject map && map[key] is JsonValue value ? value.ToString() : null;

static string Json(JsonNode? node) => node?.ToJsonString(new JsonSerializerOptions { Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping }) ?? "null";

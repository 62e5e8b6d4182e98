using System.Collections.Immutable;
using System.Text.Json;

namespace WatchParty.Releases.Planning;

/// <summary>A file or folder of the host that containers see: a bind mount, the file of a secret or config, or a volume that stands for a
/// folder.</summary>
/// <param name="Source">Its full path, links and all.</param>
/// <param name="MayWrite">Whether the containers may change it.</param>
internal sealed record MountSection(string Source, bool MayWrite);

/// <summary>A secret or config whose text compose itself copies into a container when it makes one, or starts one that was stopped
/// (<c>injectSecrets</c> and <c>injectConfigs</c> in pkg/compose/secrets.go). It is not part of the hash of a service.</summary>
/// <param name="Key">What a person calls it: <c>config page</c>.</param>
/// <param name="Text">As the file has it; null when it is the value of <paramref name="Variable"/>.</param>
internal sealed record CopiedText(string Key, string? Text, string? Variable);

/// <summary>Where the containers of a service get the files from that are no part of their image.</summary>
internal sealed class FileSources
{
    private readonly Dictionary<string, JsonElement> _secrets, _configs;
    private readonly ImmutableDictionary<string, VolumeSection> _volumes;

    /// <param name="root">The whole model.</param>
    public FileSources(JsonElement root, ImmutableDictionary<string, VolumeSection> volumes) =>
        (_secrets, _configs, _volumes) = (Entries(root, "secrets"), Entries(root, "configs"), volumes);

    public ImmutableArray<MountSection> MountsOf(JsonElement service)
    {
        var volumes = ComposeService.Items(service, "volumes")
            .Select(v => (Source: SourceOf(v), MayWrite: !ComposeService.IsTrue(v, "read_only")));
        var files = Given(service).Select(g => (Source: ComposeService.Text(g.Section, "file"), MayWrite: false));
        return
        [
            .. volumes.Concat(files).Where(m => m.Source is { Length: > 0 } source && Path.IsPathFullyQualified(source))
                .GroupBy(m => Path.TrimEndingDirectorySeparator(m.Source!)).Select(g => new MountSection(g.Key, g.Any(m => m.MayWrite))),
        ];
    }

    public ImmutableArray<CopiedText> CopiesOf(JsonElement service) =>
    [
        .. Given(service)
            .Select(g => new CopiedText(g.Key, ComposeService.Text(g.Section, "content"), ComposeService.Text(g.Section, "environment")))
            .Where(c => c.Text is not null || c.Variable is not null).Distinct(),
    ];

    private IEnumerable<(string Key, JsonElement Section)> Given(JsonElement service) =>
        Given(service, "secrets", "secret", _secrets).Concat(Given(service, "configs", "config", _configs));

    private static IEnumerable<(string, JsonElement)> Given(
        JsonElement service, string list, string kind, Dictionary<string, JsonElement> sections) =>
        ComposeService.Items(service, list).Select(item => ComposeService.Text(item, "source") ?? "").Where(sections.ContainsKey)
            .Select(name => ($"{kind} {name}", sections[name]));

    private string? SourceOf(JsonElement volume) => (ComposeService.Text(volume, "type"), ComposeService.Text(volume, "source")) switch
    {
        ("bind", { } source) => source,
        // The local driver mounts as mount(8) does.
        ("volume", { } name) when _volumes.GetValueOrDefault(name) is { Driver: null or "local" } section
            && section.Options.GetValueOrDefault("o")?.Split(',').Any(o => o is "bind" or "rbind") == true =>
            section.Options.GetValueOrDefault("device"),
        _ => null,
    };

    private static Dictionary<string, JsonElement> Entries(JsonElement root, string name) =>
        ComposeService.Section(root, name) is { ValueKind: JsonValueKind.Object } entries
            ? entries.EnumerateObject().ToDictionary(e => e.Name, e => e.Value) : [];
}

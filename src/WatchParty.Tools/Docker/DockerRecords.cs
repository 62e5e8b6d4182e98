using System.Text.Json;
using System.Text.Json.Serialization;
using System.Text.RegularExpressions;

namespace WatchParty.Tools.Docker;

/// <summary>Where the engine keeps images. It decides which cache sources can work (BuildKit compiles in other importers for
/// each).</summary>
internal enum ImageStore
{
    /// <summary>A graph driver such as overlay2.</summary>
    GraphDriver,

    /// <summary>The containerd image store.</summary>
    Containerd,
}

/// <param name="RootFolder">Data folder on the engine's host.</param>
/// <param name="Time">The engine's clock when it answered.</param>
internal sealed record EngineInfo(string Version, string ApiVersion, ImageStore Store, string Driver, string RootFolder,
    DateTimeOffset Time);

internal sealed record EngineVersion(string Version, string ApiVersion, string? MinAPIVersion);

internal sealed record EngineDetails(string Driver, string[][]? DriverStatus, string DockerRootDir, DateTimeOffset SystemTime);

internal sealed record ImageDetails([property: JsonRequired] string Id, string[]? RepoTags, string[]? RepoDigests, long Size,
    ImageConfiguration? Config);

internal sealed record ImageConfiguration(Dictionary<string, string>? Labels)
{
    public ImageHealthCheck? Healthcheck { get; init; }

    /// <summary>Folders that get a volume of their own in each container that names none for them.</summary>
    public Dictionary<string, JsonElement>? Volumes { get; init; }
}

/// <param name="Test">Empty: none of its own; <c>NONE</c>: none at all.</param>
/// <remarks>Times are in nanoseconds; 0 means the engine's default.</remarks>
internal sealed record ImageHealthCheck(string[]? Test)
{
    public long Interval { get; init; }

    public long Timeout { get; init; }

    public long StartPeriod { get; init; }

    public int Retries { get; init; }

    public bool IsCheck => Test is { Length: > 0 } test && test[0] != "NONE";
}

internal sealed record ImageSummary([property: JsonRequired] string Id, string[]? RepoTags, long Size, long Created)
{
    public Dictionary<string, string>? Labels { get; init; }
}

internal sealed record ContainerSummary(
    [property: JsonRequired] string Id, [property: JsonRequired] string[] Names, [property: JsonRequired] string ImageID,
    [property: JsonRequired] string State, [property: JsonRequired] Dictionary<string, string> Labels)
{
    /// <summary>Name of the image as the container was made with.</summary>
    public string Image { get; init; } = "";

    /// <summary>Compose project; empty when compose did not make it.</summary>
    public string Project => Labels.GetValueOrDefault("com.docker.compose.project", "");

    public string Service => Labels.GetValueOrDefault("com.docker.compose.service", "");

    /// <summary>Whether it comes from <c>docker compose run</c>, which no deployment touches.</summary>
    public bool OneOff => string.Equals(Labels.GetValueOrDefault("com.docker.compose.oneoff"), "True", StringComparison.OrdinalIgnoreCase);
}

internal sealed record ContainerDetails(
    [property: JsonRequired] string Id, [property: JsonRequired] string Name, [property: JsonRequired] string Image, int RestartCount,
    [property: JsonRequired] ContainerState State, [property: JsonRequired] ContainerHostConfiguration HostConfig)
{
    public ContainerConfiguration? Config { get; init; }

    public ContainerNetworks? NetworkSettings { get; init; }

    public ContainerMount[]? Mounts { get; init; }
}

/// <param name="Healthcheck">The one that counts, of the file or of the image.</param>
internal sealed record ContainerConfiguration(ImageHealthCheck? Healthcheck)
{
    /// <summary>Name of the image as the container was made with, whatever image has that name now.</summary>
    public string? Image { get; init; }
}

/// <param name="Networks">By the network's name.</param>
/// <param name="Ports">What is published, by port and protocol (<c>8000/tcp</c>); null for a port that is only exposed.</param>
internal sealed record ContainerNetworks(Dictionary<string, ContainerNetwork>? Networks, Dictionary<string, PublishedPort[]?>? Ports);

internal sealed record ContainerNetwork(string? NetworkID)
{
    public string[]? Aliases { get; init; }

    /// <summary>Every name under which others on the network find it; null before Engine 25.</summary>
    public string[]? DNSNames { get; init; }
}

internal sealed record PublishedPort(string? HostIp, string? HostPort);

/// <param name="Type"><c>volume</c>, <c>bind</c>, <c>tmpfs</c>.</param>
/// <param name="Name">Of a volume; 64 hexadecimal digits for one that nobody named.</param>
internal sealed record ContainerMount(string Type, string? Name, string? Source, string Destination);

internal sealed record NetworkDetails([property: JsonRequired] string Id, [property: JsonRequired] string Name, string Driver,
    bool Internal, Dictionary<string, string>? Labels, Dictionary<string, string>? Options)
{
    public NetworkAddresses? IPAM { get; init; }
}

internal sealed record NetworkAddresses(NetworkPool[]? Config);

internal sealed record NetworkPool(string? Subnet, string? Gateway);

internal sealed record VolumeDetails([property: JsonRequired] string Name, string Driver, Dictionary<string, string>? Labels,
    Dictionary<string, string>? Options);

internal sealed record ContainerState([property: JsonRequired] string Status, bool Running, bool Restarting, int ExitCode, string? Error,
    ContainerHealth? Health)
{
    /// <summary>When it was last started, as the engine writes it.</summary>
    public string StartedAt { get; init; } = "";
}

internal sealed record ContainerHealth(string Status, int FailingStreak, ContainerHealthProbe[]? Log);

internal sealed record ContainerHealthProbe(int ExitCode, string? Output);

internal sealed record ContainerHostConfiguration(ContainerRestartPolicy? RestartPolicy);

internal sealed record ContainerRestartPolicy(string? Name);

/// <summary>One record of the builder cache, as <c>/system/df</c> lists it.</summary>
/// <param name="Shared">Whether an image has the same layer, so that removing the record frees nothing.</param>
internal sealed record CacheRecord([property: JsonRequired] string ID, [property: JsonRequired] string Type, string? Description,
    bool InUse, bool Shared, long Size, DateTimeOffset? LastUsedAt)
{
    /// <summary>How often builds used it; each use counts, so that a use is seen whatever the clock says.</summary>
    public long UsageCount { get; init; }

    /// <summary>Records that it was made from; they stay as long as it does. The engine's name for it begins with a space (moby
    /// api/types).</summary>
    [JsonPropertyName(" Parents")]
    public string[]? Parents { get; init; }

    /// <summary>The same under the name without the space.</summary>
    [JsonPropertyName("Parents")]
    public string[]? PlainParents { get; init; }

    /// <summary>A prune filter for exactly these records: its value is a regular expression (moby builder-next, buildx
    /// commands/prune.go).</summary>
    public static string Pattern(IEnumerable<string> ids) => $"^({string.Join('|', ids.Select(Regex.Escape))})$";
}

/// <param name="BuildCache">Up to API 1.51, as <paramref name="LayersSize"/>.</param>
/// <param name="BuildCacheUsage">From API 1.52 on, as <paramref name="ImageUsage"/>.</param>
internal sealed record DiskUsage(CacheRecord[]? BuildCache, CacheUsage? BuildCacheUsage, long LayersSize, LayerUsage? ImageUsage);

internal sealed record LayerUsage(long TotalSize);

internal sealed record CacheUsage(CacheRecord[]? Items);

internal sealed record CachePruneAnswer(string[]? CachesDeleted);

internal sealed record ImagePruneAnswer(long SpaceReclaimed);

internal sealed record EngineError(string? Message);

[JsonSourceGenerationOptions(PropertyNameCaseInsensitive = true, RespectNullableAnnotations = true,
    NumberHandling = JsonNumberHandling.AllowReadingFromString)]
[JsonSerializable(typeof(EngineVersion))]
[JsonSerializable(typeof(EngineDetails))]
[JsonSerializable(typeof(ImageDetails))]
[JsonSerializable(typeof(ImageSummary[]))]
[JsonSerializable(typeof(ContainerSummary[]))]
[JsonSerializable(typeof(ContainerDetails))]
[JsonSerializable(typeof(NetworkDetails))]
[JsonSerializable(typeof(VolumeDetails))]
[JsonSerializable(typeof(DiskUsage))]
[JsonSerializable(typeof(CachePruneAnswer))]
[JsonSerializable(typeof(ImagePruneAnswer))]
[JsonSerializable(typeof(EngineError))]
internal sealed partial class DockerJson : JsonSerializerContext;

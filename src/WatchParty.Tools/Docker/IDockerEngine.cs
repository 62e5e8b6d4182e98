using WatchParty.Tools.Failures;

namespace WatchParty.Tools.Docker;

/// <summary>What the worker needs of a Docker Engine: images, containers, networks, volumes, builder cache.</summary>
/// <remarks>Every call is bounded in time. An engine that cannot be reached, or that answers with a server error, is a
/// <see cref="WorkerException"/> that is retried by itself. Names of images may be ids, too.</remarks>
internal interface IDockerEngine
{
    /// <summary>The engine's address. It may not answer there.</summary>
    Task<Uri> EndpointAsync(CancellationToken cancellationToken);

    Task<EngineInfo> InfoAsync(CancellationToken cancellationToken);

    /// <summary>The image that <paramref name="reference"/> names, or null when there is none.</summary>
    Task<ImageDetails?> FindImageAsync(string reference, CancellationToken cancellationToken);

    /// <summary>Images; with <paramref name="reference"/> only those whose name matches, for example <c>app:watchparty-*</c>.</summary>
    Task<ImageSummary[]> ImagesAsync(string? reference, CancellationToken cancellationToken);

    /// <summary>Gives the image <paramref name="id"/> the further name <paramref name="name"/>; a name that exists moves.</summary>
    Task TagAsync(string id, string name, CancellationToken cancellationToken);

    /// <summary>Takes the name or the image away.</summary>
    /// <returns>False when the engine refused, because a container needs it or it is gone.</returns>
    Task<bool> RemoveImageAsync(string reference, CancellationToken cancellationToken);

    /// <summary>Removes images that have no name and no container.</summary>
    /// <param name="label">Only those with this label (<c>key=value</c>); all when null.</param>
    /// <returns>The bytes freed. Layers that the builder cache holds as well are not counted.</returns>
    Task<long> PruneDanglingImagesAsync(string? label, CancellationToken cancellationToken);

    /// <summary>Whether the registry of <paramref name="image"/> knows it, asked without pulling.</summary>
    Task<bool> RegistryHasAsync(string image, CancellationToken cancellationToken);

    /// <summary>Containers, running or not, without those of <c>compose run</c>.</summary>
    /// <param name="project">Only those of this compose project; everybody's when null.</param>
    Task<IReadOnlyList<ContainerSummary>> ContainersAsync(string? project, CancellationToken cancellationToken);

    /// <summary>The container, or null when it is gone.</summary>
    Task<ContainerDetails?> FindContainerAsync(string id, CancellationToken cancellationToken);

    /// <summary>Stops the container as gently as its configuration says, and removes it; its volumes stay. One that is gone already is no
    /// error.</summary>
    Task RemoveContainerAsync(string id, CancellationToken cancellationToken);

    /// <summary>The network, or null when there is none.</summary>
    Task<NetworkDetails?> FindNetworkAsync(string name, CancellationToken cancellationToken);

    /// <summary>The volume, or null when there is none.</summary>
    Task<VolumeDetails?> FindVolumeAsync(string name, CancellationToken cancellationToken);

    /// <summary>Every record of the engine's builder cache.</summary>
    Task<IReadOnlyList<CacheRecord>> CacheRecordsAsync(CancellationToken cancellationToken);

    /// <summary>Bytes that the layers of all images take on the engine's disk; what several share counts once.</summary>
    Task<long> LayerBytesAsync(CancellationToken cancellationToken);

    /// <summary>Removes builder cache records that no build uses at the moment and that no other record was made from.</summary>
    /// <param name="ids">Only these; all when null.</param>
    /// <param name="maxBytes">Stops when the cache is down to this size, the least recently used records first; no limit when null.</param>
    /// <returns>The number of records removed.</returns>
    Task<int> PruneCacheAsync(IReadOnlyCollection<string>? ids, long? maxBytes, CancellationToken cancellationToken);
}

/// <summary>Calls that are made of others.</summary>
internal static class DockerEngineCalls
{
    /// <summary>More requests at once only wait for each other in the engine.</summary>
    private const int AtOnce = 8;

    /// <summary>Ids of those of <paramref name="references"/> that exist.</summary>
    public static async Task<IReadOnlyDictionary<string, string>> ImageIdsAsync(
        this IDockerEngine engine, IEnumerable<string> references, CancellationToken cancellationToken)
    {
        var ids = new Dictionary<string, string>();
        foreach (var some in references.Distinct().Chunk(AtOnce))
        {
            var images = await Task.WhenAll(some.Select(r => engine.FindImageAsync(r, cancellationToken)));
            foreach (var (reference, image) in some.Zip(images)) { if (image is not null) { ids[reference] = image.Id; } }
        }
        return ids;
    }

    /// <summary>Name of the image that the container was made with, whatever image has that name now; null when the container is
    /// gone.</summary>
    /// <remarks>A list of containers has the id in its place when the name has moved on to another image.</remarks>
    public static async Task<string?> ImageNameOfAsync(this IDockerEngine engine, ContainerSummary container,
        CancellationToken cancellationToken) =>
        container.Image.StartsWith("sha256:", StringComparison.Ordinal)
            ? (await engine.FindContainerAsync(container.Id, cancellationToken))?.Config?.Image
            : container.Image;

    /// <summary>Gives images further names.</summary>
    public static async Task TagAsync(this IDockerEngine engine, IEnumerable<(string Id, string Name)> names,
        CancellationToken cancellationToken)
    {
        foreach (var some in names.Chunk(AtOnce))
        {
            await Task.WhenAll(some.Select(n => engine.TagAsync(n.Id, n.Name, cancellationToken)));
        }
    }
}

using WatchParty.Releases.Deploying;
using WatchParty.Tools.Docker;

namespace WatchParty.Worker.Tests.Simulation;

/// <summary>An engine on which nothing is kept for going back, as if the worker had forgotten to.</summary>
internal sealed class ForgettingEngine(IDockerEngine engine) : IDockerEngine
{
    public Task TagAsync(string id, string name, CancellationToken cancellationToken) =>
        KeptImages.Parse(name) is null ? engine.TagAsync(id, name, cancellationToken) : Task.CompletedTask;

    public Task<Uri> EndpointAsync(CancellationToken cancellationToken) => engine.EndpointAsync(cancellationToken);

    public Task<EngineInfo> InfoAsync(CancellationToken cancellationToken) => engine.InfoAsync(cancellationToken);

    public Task<ImageDetails?> FindImageAsync(string reference, CancellationToken cancellationToken) =>
        engine.FindImageAsync(reference, cancellationToken);

    public Task<ImageSummary[]> ImagesAsync(string? reference, CancellationToken cancellationToken) =>
        engine.ImagesAsync(reference, cancellationToken);

    public Task<bool> RemoveImageAsync(string reference, CancellationToken cancellationToken) =>
        engine.RemoveImageAsync(reference, cancellationToken);

    public Task<long> PruneDanglingImagesAsync(string? label, CancellationToken cancellationToken) =>
        engine.PruneDanglingImagesAsync(label, cancellationToken);

    public Task<bool> RegistryHasAsync(string image, CancellationToken cancellationToken) =>
        engine.RegistryHasAsync(image, cancellationToken);

    public Task<IReadOnlyList<ContainerSummary>> ContainersAsync(string? project, CancellationToken cancellationToken) =>
        engine.ContainersAsync(project, cancellationToken);

    public Task<ContainerDetails?> FindContainerAsync(string id, CancellationToken cancellationToken) =>
        engine.FindContainerAsync(id, cancellationToken);

    public Task RemoveContainerAsync(string id, CancellationToken cancellationToken) => engine.RemoveContainerAsync(id, cancellationToken);

    public Task<NetworkDetails?> FindNetworkAsync(string name, CancellationToken cancellationToken) =>
        engine.FindNetworkAsync(name, cancellationToken);

    public Task<VolumeDetails?> FindVolumeAsync(string name, CancellationToken cancellationToken) =>
        engine.FindVolumeAsync(name, cancellationToken);

    public Task<IReadOnlyList<CacheRecord>> CacheRecordsAsync(CancellationToken cancellationToken) =>
        engine.CacheRecordsAsync(cancellationToken);

    public Task<long> LayerBytesAsync(CancellationToken cancellationToken) => engine.LayerBytesAsync(cancellationToken);

    public Task<int> PruneCacheAsync(IReadOnlyCollection<string>? ids, long? maxBytes, CancellationToken cancellationToken) =>
        engine.PruneCacheAsync(ids, maxBytes, cancellationToken);
}

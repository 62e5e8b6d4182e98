using System.Runtime.CompilerServices;
using WatchParty.Tools.Processes;

namespace WatchParty.Tools.Docker;

/// <summary>An engine with <see cref="Failpoints"/> before and after each call.</summary>
internal sealed class FailpointEngine(IDockerEngine engine, Failpoints points) : IDockerEngine
{
    public Task<Uri> EndpointAsync(CancellationToken cancellationToken) => engine.EndpointAsync(cancellationToken);

    public Task<EngineInfo> InfoAsync(CancellationToken cancellationToken) => AtAsync(() => engine.InfoAsync(cancellationToken));

    public Task<ImageDetails?> FindImageAsync(string reference, CancellationToken cancellationToken) =>
        AtAsync(() => engine.FindImageAsync(reference, cancellationToken));

    public Task<ImageSummary[]> ImagesAsync(string? reference, CancellationToken cancellationToken) =>
        AtAsync(() => engine.ImagesAsync(reference, cancellationToken));

    public Task TagAsync(string id, string name, CancellationToken cancellationToken) =>
        AtAsync(() => engine.TagAsync(id, name, cancellationToken));

    public Task<bool> RemoveImageAsync(string reference, CancellationToken cancellationToken) =>
        AtAsync(() => engine.RemoveImageAsync(reference, cancellationToken));

    public Task<long> PruneDanglingImagesAsync(string? label, CancellationToken cancellationToken) =>
        AtAsync(() => engine.PruneDanglingImagesAsync(label, cancellationToken));

    public Task<bool> RegistryHasAsync(string image, CancellationToken cancellationToken) =>
        AtAsync(() => engine.RegistryHasAsync(image, cancellationToken));

    public Task<IReadOnlyList<ContainerSummary>> ContainersAsync(string? project, CancellationToken cancellationToken) =>
        AtAsync(() => engine.ContainersAsync(project, cancellationToken));

    public Task<ContainerDetails?> FindContainerAsync(string id, CancellationToken cancellationToken) =>
        AtAsync(() => engine.FindContainerAsync(id, cancellationToken));

    public Task RemoveContainerAsync(string id, CancellationToken cancellationToken) =>
        AtAsync(() => engine.RemoveContainerAsync(id, cancellationToken));

    public Task<NetworkDetails?> FindNetworkAsync(string name, CancellationToken cancellationToken) =>
        AtAsync(() => engine.FindNetworkAsync(name, cancellationToken));

    public Task<VolumeDetails?> FindVolumeAsync(string name, CancellationToken cancellationToken) =>
        AtAsync(() => engine.FindVolumeAsync(name, cancellationToken));

    public Task<IReadOnlyList<CacheRecord>> CacheRecordsAsync(CancellationToken cancellationToken) =>
        AtAsync(() => engine.CacheRecordsAsync(cancellationToken));

    public Task<long> LayerBytesAsync(CancellationToken cancellationToken) => AtAsync(() => engine.LayerBytesAsync(cancellationToken));

    public Task<int> PruneCacheAsync(IReadOnlyCollection<string>? ids, long? maxBytes, CancellationToken cancellationToken) =>
        AtAsync(() => engine.PruneCacheAsync(ids, maxBytes, cancellationToken));

    private Task<T> AtAsync<T>(Func<Task<T>> call, [CallerMemberName] string name = "") => points.AroundAsync($"engine {name}", call);

    private Task AtAsync(Func<Task> call, [CallerMemberName] string name = "") => points.AroundAsync($"engine {name}", call);
}

using System.Text.RegularExpressions;
using WatchParty.Tools.Docker;
using WatchParty.Tools.Failures;

namespace WatchParty.Worker.Tests.Fakes.Docker;

/// <summary>An <see cref="EngineModel"/> seen as the worker sees an engine. It answers at once.</summary>
internal sealed class FakeDockerEngine(EngineModel model) : IDockerEngine
{
    /// <summary>Whether no call is answered.</summary>
    public bool IsAway { get; set; }

    public Task<Uri> EndpointAsync(CancellationToken cancellationToken) => Task.FromResult(new Uri("unix:///run/fake.sock"));

    public Task<EngineInfo> InfoAsync(CancellationToken cancellationToken) => AnswerAsync(() => new EngineInfo(
        "28.5.2", "1.51", model.Store, model.Store == ImageStore.Containerd ? "overlayfs" : "overlay2", "/var/lib/docker", model.Now),
            cancellationToken);

    public Task<ImageDetails?> FindImageAsync(string reference, CancellationToken cancellationToken) =>
        AnswerAsync(() => model.Find(reference) is not { } image ? null : new ImageDetails(
        image.Id, [.. model.NamesOf(image.Id)], DigestsOf(image), 1000,
        new ImageConfiguration(new Dictionary<string, string>(image.Labels))
        {
            Healthcheck = CheckOf(image.HealthCheck),
            Volumes = image.Volumes.Length == 0 ? null : image.Volumes.ToDictionary(v => v, _ => default(System.Text.Json.JsonElement)),
        }), cancellationToken);

    public Task<ImageSummary[]> ImagesAsync(string? reference, CancellationToken cancellationToken) => AnswerAsync(() =>
    {
        var pattern = reference is null ? null
            : new Regex($"^{Regex.Escape(reference).Replace(@"\*", "[^/]*", StringComparison.Ordinal)}$");
        return (ImageSummary[])[.. model.Images
            .Select(i => new ImageSummary(i.Id, [.. model.NamesOf(i.Id).Where(n => pattern?.IsMatch(n) != false)], 1000,
                i.Created.ToUnixTimeSeconds())
            { Labels = new Dictionary<string, string>(i.Labels) })
            .Where(i => pattern is null || i.RepoTags!.Length > 0)];
    }, cancellationToken);

    public Task TagAsync(string id, string name, CancellationToken cancellationToken) => AnswerAsync(() =>
        model.Tag(id, name) ? true : throw Refused($"No such image: {id}"), cancellationToken);

    public Task<bool> RemoveImageAsync(string reference, CancellationToken cancellationToken) =>
        AnswerAsync(() => model.Remove(reference), cancellationToken);

    public Task<long> PruneDanglingImagesAsync(string? label, CancellationToken cancellationToken) =>
        AnswerAsync(() => model.PruneDangling(label) * 1000L, cancellationToken);

    public Task<bool> RegistryHasAsync(string image, CancellationToken cancellationToken) =>
        AnswerAsync(() => model.Registry.ContainsKey(image), cancellationToken);

    public Task<IReadOnlyList<ContainerSummary>> ContainersAsync(string? project, CancellationToken cancellationToken) => AnswerAsync(
        IReadOnlyList<ContainerSummary> () =>
            [.. model.Containers.Where(c => project is null || c.Project == project).Select(c => new ContainerSummary(
            c.Id, [$"/{c.Name}"], c.Image.Id, c.State(model.Now).Status, new Dictionary<string, string>(c.Labels)) { Image = c.ImageName })
                .Where(c => !c.OneOff)], cancellationToken);

    public Task<ContainerDetails?> FindContainerAsync(string id, CancellationToken cancellationToken) =>
        AnswerAsync(() => model.FindContainer(id) is not { } found ? null : new ContainerDetails(
        found.Id, $"/{found.Name}", found.Image.Id, found.Restarts(model.Now), found.State(model.Now),
            new ContainerHostConfiguration(new ContainerRestartPolicy(found.RestartPolicy)))
        {
            Config = new ContainerConfiguration(CheckOf(found.HealthCheck)) { Image = found.ImageName },
            NetworkSettings = new ContainerNetworks(
            found.Networks.ToDictionary(n => n.Key, n =>
                new ContainerNetwork(n.Value)
                {
                    Aliases = [found.Name, found.Service],
                    DNSNames = [found.Name, found.Service, found.Id[..12]]
                }),
            new Dictionary<string, PublishedPort[]?>(found.Ports)),
            Mounts = [.. found.Mounts],
        }, cancellationToken);

    public Task RemoveContainerAsync(string id, CancellationToken cancellationToken) => AnswerAsync(() =>
    {
        if (model.FindContainer(id) is { } container) { model.RemoveContainer(container); }
        return true;
    }, cancellationToken);

    public Task<NetworkDetails?> FindNetworkAsync(string name, CancellationToken cancellationToken) =>
        AnswerAsync(() => model.FindNetwork(name), cancellationToken);

    public Task<VolumeDetails?> FindVolumeAsync(string name, CancellationToken cancellationToken) =>
        AnswerAsync(() => model.FindVolume(name), cancellationToken);

    public Task<IReadOnlyList<CacheRecord>> CacheRecordsAsync(CancellationToken cancellationToken) =>
        AnswerAsync(() => model.Cache, cancellationToken);

    public Task<long> LayerBytesAsync(CancellationToken cancellationToken) => AnswerAsync(() => model.Images.Count * 1000L, cancellationToken);

    public Task<int> PruneCacheAsync(IReadOnlyCollection<string>? ids, long? maxBytes, CancellationToken cancellationToken) =>
        AnswerAsync(() => model.PruneCache(ids, maxBytes).Count, cancellationToken);

    private Task<T> AnswerAsync<T>(Func<T> answer, CancellationToken cancellationToken)
    {
        if (cancellationToken.IsCancellationRequested) { return Task.FromCanceled<T>(cancellationToken); }
        try
        {
            return IsAway ? throw new WorkerException("The Docker Engine at unix:///run/fake.sock cannot be reached",
                Remedy.RetriedByItself) : Task.FromResult(answer());
        }
        catch (WorkerException e)
        {
            return Task.FromException<T>(e);
        }
    }

    private static ImageHealthCheck? CheckOf(HealthCheck? check) => check is null ? null : new ImageHealthCheck([.. check.Test])
    {
        Interval = check.Interval.Ticks * 100,
        StartPeriod = check.StartPeriod.Ticks * 100,
        Retries = check.Retries,
    };

    private string[] DigestsOf(ModelImage image) => model.Store == ImageStore.GraphDriver ? [.. image.Digests]
        : [.. model.NamesOf(image.Id).Select(n => $"{ImageName.Split(n).Repository}@{image.Id}")];

    private static WorkerException Refused(string words) => new($"The Docker Engine refused it: {words}", Remedy.RetriedByItself);
}

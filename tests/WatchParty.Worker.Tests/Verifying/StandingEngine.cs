using System.Globalization;
using WatchParty.Releases.Deploying;
using WatchParty.Tools.Docker;
using WatchParty.Tools.Processes;

namespace WatchParty.Worker.Tests.Verifying;

/// <summary>An engine whose containers stand as a test sets them; its clock is two hours off.</summary>
internal sealed class StandingEngine(TimeProvider time) : IDockerEngine
{
    private readonly Dictionary<string, (string Service, Func<ContainerDetails> Details)> _containers = [];

    public static TimeSpan Skew => TimeSpan.FromHours(2);

    public Dictionary<string, ImageDetails> Images { get; } = [];

    public Dictionary<string, NetworkDetails> Networks { get; } = [];

    public Dictionary<string, VolumeDetails> Volumes { get; } = [];

    public DateTimeOffset Now => time.GetUtcNow() + Skew;

    /// <summary>A container whose state is looked up anew each time.</summary>
    /// <param name="age">Of its last start, now.</param>
    public void Runs(string service, Func<ContainerState> state, string? id = null, TimeSpan age = default, Func<int>? restarts = null,
        ImageHealthCheck? check = null, ContainerMount[]? mounts = null)
    {
        var started = (Now - age).ToString("O", CultureInfo.InvariantCulture);
        var name = id ?? service;
        _containers[name] = (service, () => new ContainerDetails(name, $"/app-{service}-1", "image", restarts?.Invoke() ?? 0,
            state() with { StartedAt = started }, new(null))
        {
            Config = new(check),
            Mounts = mounts,
        });
    }

    public static ContainerState Running(string? health = null, string output = "") =>
        new("running", true, false, 0, null, health is null ? null : new(health, 0, [new(1, output)]));

    public static ContainerState Ended(int exitCode) => new("exited", false, false, exitCode, null, null);

    public Task<ContainerSet> LookAsync() => ContainerSet.LookAsync(this, "app", default);

    public Task<EngineInfo> InfoAsync(CancellationToken cancellationToken) =>
        Task.FromResult(new EngineInfo("28", "1.51", ImageStore.GraphDriver, "overlay2", "/", Now));

    public Task<IReadOnlyList<ContainerSummary>> ContainersAsync(string? project, CancellationToken cancellationToken) =>
        Task.FromResult<IReadOnlyList<ContainerSummary>>(
        [.. _containers.Where(_ => project is null or "app").Select(c => new ContainerSummary(c.Key, [$"/{c.Key}"], "image", "",
            new() { ["com.docker.compose.service"] = c.Value.Service }))]);

    public Task<ContainerDetails?> FindContainerAsync(string id, CancellationToken cancellationToken) =>
        Task.FromResult(_containers.TryGetValue(id, out var known) ? known.Details() : null);

    public Task<ImageDetails?> FindImageAsync(string reference, CancellationToken cancellationToken) =>
        Task.FromResult(Images.GetValueOrDefault(reference));

    public Task<NetworkDetails?> FindNetworkAsync(string name, CancellationToken cancellationToken) =>
        Task.FromResult(Networks.GetValueOrDefault(name));

    public Task<VolumeDetails?> FindVolumeAsync(string name, CancellationToken cancellationToken) =>
        Task.FromResult(Volumes.GetValueOrDefault(name));

    public Task<Uri> EndpointAsync(CancellationToken cancellationToken) => throw new NotSupportedException();

    public Task<ImageSummary[]> ImagesAsync(string? reference, CancellationToken cancellationToken) => throw new NotSupportedException();

    public Task TagAsync(string id, string name, CancellationToken cancellationToken) => throw new NotSupportedException();

    public Task<bool> RemoveImageAsync(string reference, CancellationToken cancellationToken) => throw new NotSupportedException();

    public Task<long> PruneDanglingImagesAsync(string? label, CancellationToken cancellationToken) => throw new NotSupportedException();

    public Task<bool> RegistryHasAsync(string image, CancellationToken cancellationToken) => throw new NotSupportedException();

    public Task RemoveContainerAsync(string id, CancellationToken cancellationToken) => throw new NotSupportedException();

    public Task<IReadOnlyList<CacheRecord>> CacheRecordsAsync(CancellationToken cancellationToken) => throw new NotSupportedException();

    public Task<long> LayerBytesAsync(CancellationToken cancellationToken) => throw new NotSupportedException();

    public Task<int> PruneCacheAsync(IReadOnlyCollection<string>? ids, long? maxBytes, CancellationToken cancellationToken) =>
        throw new NotSupportedException();
}

/// <summary>Answers every program in the way of a test, and keeps what was asked.</summary>
internal sealed class AnsweringRunner(Func<ToolCommand, ToolResult> answer) : IToolRunner
{
    public List<ToolCommand> Asked { get; } = [];

    public Task<ToolResult> RunAsync(ToolCommand command, StreamReading? standardError, CancellationToken cancellationToken)
    {
        Asked.Add(command);
        return Task.FromResult(answer(command));
    }

    public static ToolResult Says(string output = "", string errors = "", int exitCode = 0) => new(exitCode, output, errors, TimeSpan.Zero);
}

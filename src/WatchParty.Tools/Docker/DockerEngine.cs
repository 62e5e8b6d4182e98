using System.Globalization;
using System.Net;
using System.Net.Http.Json;
using System.Text.Json;
using System.Text.Json.Serialization.Metadata;
using WatchParty.Tools.Failures;

namespace WatchParty.Tools.Docker;

/// <summary>The Docker Engine's HTTP API, as far as the worker needs it.</summary>
internal sealed class DockerEngine(Func<CancellationToken, Task<Uri>> resolveEndpoint, TimeProvider time) : IDockerEngine, IDisposable
{
    // What is read here is tried up to this one; a newer one is spoken only with an engine that refuses this one.
    private static readonly Version NewestApi = new(1, 51);
    /// <summary>From here on the disk usage has its items in another field, and only when they are asked for (api/docs/CHANGELOG.md of
    /// moby).</summary>
    private static readonly Version UsageItems = new(1, 52);
    /// <summary>From here on the size limits of a prune have their new names (api/docs/CHANGELOG.md of moby).</summary>
    private static readonly Version SizeLimits = new(1, 48);
    private static readonly TimeSpan QuickLimit = TimeSpan.FromSeconds(60);
    private static readonly TimeSpan StopLimit = TimeSpan.FromMinutes(5);
    private static readonly TimeSpan PruneLimit = TimeSpan.FromMinutes(15);

    private readonly SemaphoreSlim _connecting = new(1);
    private HttpClient? _http;
    private Uri? _endpoint;
    private string? _prefix;
    private Version? _version;

    public void Dispose()
    {
        _http?.Dispose();
        _connecting.Dispose();
    }

    public async Task<Uri> EndpointAsync(CancellationToken cancellationToken) => _endpoint ??= await resolveEndpoint(cancellationToken);

    public async Task<EngineInfo> InfoAsync(CancellationToken cancellationToken)
    {
        var version = await GetAsync("version", DockerJson.Default.EngineVersion, cancellationToken);
        var details = await GetAsync("info", DockerJson.Default.EngineDetails, cancellationToken);
        // "driver-type: io.containerd.snapshotter.v1" is how buildx itself tells the containerd store.
        var containerd = details.DriverStatus?.Any(pair => pair.Contains("io.containerd.snapshotter.v1")) ?? false;
        return new EngineInfo(version.Version, version.ApiVersion, containerd ? ImageStore.Containerd : ImageStore.GraphDriver,
            details.Driver, details.DockerRootDir, details.SystemTime);
    }

    public Task<ImageDetails?> FindImageAsync(string reference, CancellationToken cancellationToken) =>
        FindAsync($"images/{Escape(reference)}/json", DockerJson.Default.ImageDetails, cancellationToken);

    public Task<ImageSummary[]> ImagesAsync(string? reference, CancellationToken cancellationToken) =>
        GetAsync($"images/json{(reference is null ? "" : $"?filters={Filter("reference", reference)}")}",
            DockerJson.Default.ImageSummaryArray, cancellationToken);

    public async Task TagAsync(string id, string name, CancellationToken cancellationToken)
    {
        var (repository, tag) = ImageName.Split(name);
        using var answer =
            await SendAsync(
                HttpMethod.Post, $"images/{Escape(id)}/tag?repo={Uri.EscapeDataString(repository)}&tag={Uri.EscapeDataString(tag)}",
                QuickLimit, cancellationToken);
        await ThrowOnErrorAsync(answer, cancellationToken);
    }

    public async Task<bool> RemoveImageAsync(string reference, CancellationToken cancellationToken)
    {
        using var answer = await SendAsync(HttpMethod.Delete, $"images/{Escape(reference)}", PruneLimit, cancellationToken);
        if (answer.StatusCode is HttpStatusCode.Conflict or HttpStatusCode.NotFound) { return false; }
        await ThrowOnErrorAsync(answer, cancellationToken);
        return true;
    }

    public async Task<IReadOnlyList<ContainerSummary>> ContainersAsync(string? project, CancellationToken cancellationToken)
    {
        var filter = project is null ? "" : $"&filters={Filter("label", $"com.docker.compose.project={project}")}";
        return [.. (await GetAsync($"containers/json?all=1{filter}", DockerJson.Default.ContainerSummaryArray, cancellationToken)).Where(
            c => !c.OneOff)];
    }

    public Task<ContainerDetails?> FindContainerAsync(string id, CancellationToken cancellationToken) =>
        FindAsync($"containers/{Escape(id)}/json", DockerJson.Default.ContainerDetails, cancellationToken);

    public async Task RemoveContainerAsync(string id, CancellationToken cancellationToken)
    {
        using var stopped = await SendAsync(HttpMethod.Post, $"containers/{Escape(id)}/stop", StopLimit, cancellationToken);
        if (stopped.StatusCode is not (HttpStatusCode.NotModified or HttpStatusCode.NotFound))
        {
            await ThrowOnErrorAsync(stopped, cancellationToken);
        }
        using var removed = await SendAsync(HttpMethod.Delete, $"containers/{Escape(id)}?force=1", StopLimit, cancellationToken);
        // Somebody else removes it at this moment.
        if (removed.StatusCode is not (HttpStatusCode.NotFound or HttpStatusCode.Conflict))
        {
            await ThrowOnErrorAsync(removed, cancellationToken);
        }
    }

    public Task<NetworkDetails?> FindNetworkAsync(string name, CancellationToken cancellationToken) =>
        FindAsync($"networks/{Escape(name)}", DockerJson.Default.NetworkDetails, cancellationToken);

    public Task<VolumeDetails?> FindVolumeAsync(string name, CancellationToken cancellationToken) =>
        FindAsync($"volumes/{Escape(name)}", DockerJson.Default.VolumeDetails, cancellationToken);

    public async Task<IReadOnlyList<CacheRecord>> CacheRecordsAsync(CancellationToken cancellationToken)
    {
        await ConnectedAsync(cancellationToken);
        var items = _version >= UsageItems ? "&verbose=1" : "";
        var usage = await GetAsync($"system/df?type=build-cache{items}", DockerJson.Default.DiskUsage, cancellationToken);
        return [.. (usage.BuildCache ?? usage.BuildCacheUsage?.Items
            ?? []).Select(r => r.Parents is null ? r with { Parents = r.PlainParents } : r)];
    }

    public async Task<long> LayerBytesAsync(CancellationToken cancellationToken)
    {
        var usage = await GetAsync("system/df?type=image", DockerJson.Default.DiskUsage, cancellationToken);
        return usage.ImageUsage?.TotalSize ?? usage.LayersSize;
    }

    public async Task<int> PruneCacheAsync(IReadOnlyCollection<string>? ids, long? maxBytes, CancellationToken cancellationToken)
    {
        var filter = ids is null ? "" : $"&filters={Filter("id", CacheRecord.Pattern(ids))}";
        if (maxBytes is { } most)
        {
            // An engine ignores a parameter that it does not know, and would then remove everything.
            await ConnectedAsync(cancellationToken);
            filter += string.Create(
                CultureInfo.InvariantCulture, $"&{(_version >= SizeLimits ? "max-used-space" : "keep-storage")}={most}");
        }
        for (var attempt = 1; ; attempt++)
        {
            using var answer = await SendAsync(HttpMethod.Post, $"build/prune?all=1{filter}", PruneLimit, cancellationToken);
            if (!answer.IsSuccessStatusCode && attempt < 30
                && (await ErrorOfAsync(answer, cancellationToken)).Contains("already running", StringComparison.Ordinal))
            {
                // Somebody else prunes; the engine does one at a time.
                await Task.Delay(TimeSpan.FromSeconds(2), time, cancellationToken);
                continue;
            }
            var result = await ReadAsync(answer, DockerJson.Default.CachePruneAnswer, cancellationToken);
            return result.CachesDeleted?.Length ?? 0;
        }
    }

    public async Task<long> PruneDanglingImagesAsync(string? label, CancellationToken cancellationToken)
    {
        using var answer =
            await SendAsync(
                HttpMethod.Post, $"images/prune?filters={Uri.EscapeDataString($"{{{Pair("dangling", "true")}{(label is null ? "" : $",{Pair("label", label)}")}}}")}", PruneLimit, cancellationToken);
        return (await ReadAsync(answer, DockerJson.Default.ImagePruneAnswer, cancellationToken)).SpaceReclaimed;
    }

    public async Task<bool> RegistryHasAsync(string image, CancellationToken cancellationToken)
    {
        using var answer = await SendAsync(HttpMethod.Get, $"distribution/{Escape(image)}/json", QuickLimit, cancellationToken);
        return answer.IsSuccessStatusCode;
    }

    private async Task<T> GetAsync<T>(string path, JsonTypeInfo<T> type, CancellationToken cancellationToken)
    {
        using var answer = await SendAsync(HttpMethod.Get, path, QuickLimit, cancellationToken);
        return await ReadAsync(answer, type, cancellationToken);
    }

    private async Task<T?> FindAsync<T>(string path, JsonTypeInfo<T> type, CancellationToken cancellationToken) where T : class
    {
        using var answer = await SendAsync(HttpMethod.Get, path, QuickLimit, cancellationToken);
        return answer.StatusCode == HttpStatusCode.NotFound ? null : await ReadAsync(answer, type, cancellationToken);
    }

    private Task<HttpResponseMessage> SendAsync(HttpMethod method, string path, TimeSpan limit, CancellationToken cancellationToken) =>
        WithinAsync(
        limit,
        async token =>
        {
            await ConnectAsync(token);
            using var request = new HttpRequestMessage(method, _prefix + path);
            return await _http!.SendAsync(request, token);
        },
        cancellationToken);

    /// <summary>For what depends on the version of the API.</summary>
    private Task ConnectedAsync(CancellationToken cancellationToken) => WithinAsync(
        QuickLimit,
        async token =>
        {
            await ConnectAsync(token);
            return true;
        },
        cancellationToken);

    private async Task<T> WithinAsync<T>(TimeSpan limit, Func<CancellationToken, Task<T>> work, CancellationToken cancellationToken)
    {
        using var timeout = new CancellationTokenSource(limit, time);
        using var both = CancellationTokenSource.CreateLinkedTokenSource(timeout.Token, cancellationToken);
        try
        {
            return await work(both.Token);
        }
        catch (HttpRequestException e)
        {
            throw Unreachable(e.InnerException?.Message ?? e.Message, e);
        }
        catch (OperationCanceledException e) when (!cancellationToken.IsCancellationRequested)
        {
            throw Unreachable($"no answer within {limit.TotalSeconds:0} s", e);
        }
    }

    private WorkerException Unreachable(string reason, Exception inner) =>
        new($"The Docker Engine at {_endpoint} cannot be reached ({reason}). Is it running, and may this user open its socket (group " +
            $"docker)?", Remedy.RetriedByItself, inner);

    /// <summary>Connects once, and speaks the newest API version that both sides know.</summary>
    private async Task ConnectAsync(CancellationToken cancellationToken)
    {
        if (_prefix is not null) { return; }
        await _connecting.WaitAsync(cancellationToken);
        try
        {
            if (_prefix is not null) { return; }
            _endpoint ??= await resolveEndpoint(cancellationToken);
            _http ??= DockerEndpoint.Connect(_endpoint);
            using var answer = await _http.GetAsync(new Uri("version", UriKind.Relative), cancellationToken);
            var version = await ReadAsync(answer, DockerJson.Default.EngineVersion, cancellationToken);
            if (!Version.TryParse(version.ApiVersion, out var theirs))
            {
                throw new WorkerException($"What answers at {_endpoint} is no Docker Engine: it says that its API version is " +
                    $"'{version.ApiVersion}'.", Remedy.RetriedByItself);
            }
            _version = theirs < NewestApi ? theirs : NewestApi;
            if (Version.TryParse(version.MinAPIVersion, out var oldest) && oldest > _version) { _version = oldest; }
            _prefix = $"v{_version}/";
        }
        finally
        {
            _connecting.Release();
        }
    }

    private static async Task<T> ReadAsync<T>(HttpResponseMessage answer, JsonTypeInfo<T> type, CancellationToken cancellationToken)
    {
        await ThrowOnErrorAsync(answer, cancellationToken);
        WorkerException Unreadable(string reason, Exception? inner = null) =>
            new($"The Docker Engine answered {answer.RequestMessage?.RequestUri?.AbsolutePath} with {reason}.", Remedy.RetriedByItself,
                inner);
        try
        {
            return await answer.Content.ReadFromJsonAsync(type, cancellationToken) ?? throw Unreadable("nothing");
        }
        catch (JsonException e)
        {
            throw Unreadable("something else than its API says", e);
        }
    }

    private static async Task ThrowOnErrorAsync(HttpResponseMessage answer, CancellationToken cancellationToken)
    {
        if (answer.IsSuccessStatusCode) { return; }
        var path = answer.RequestMessage?.RequestUri?.AbsolutePath;
        throw new WorkerException($"The Docker Engine refused {answer.RequestMessage?.Method} {path}: " +
            $"{await ErrorOfAsync(answer, cancellationToken)}", Remedy.RetriedByItself);
    }

    private static async Task<string> ErrorOfAsync(HttpResponseMessage answer, CancellationToken cancellationToken)
    {
        var text = await answer.Content.ReadAsStringAsync(cancellationToken);
        try
        {
            return JsonSerializer.Deserialize(text, DockerJson.Default.EngineError)?.Message ?? text;
        }
        catch (JsonException)
        {
            return string.Create(CultureInfo.InvariantCulture, $"{(int)answer.StatusCode} {text.Trim()}");
        }
    }

    private static string Filter(string key, string value) =>
        Uri.EscapeDataString($"{{{Pair(key, value)}}}");

    private static string Pair(string key, string value) => $"\"{JsonEncodedText.Encode(key)}\":[\"{JsonEncodedText.Encode(value)}\"]";

    // The engine's routes take the slashes of an image name as they are.
    private static string Escape(string reference) =>
        Uri.EscapeDataString(reference).Replace("%2F", "/", StringComparison.Ordinal).Replace("%3A", ":", StringComparison.Ordinal);
}

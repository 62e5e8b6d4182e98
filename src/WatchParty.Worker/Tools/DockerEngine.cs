using System.Collections.Concurrent;
using System.Globalization;
using System.Net;
using System.Net.Http.Json;
using System.Text.Json;
using System.Text.Json.Serialization.Metadata;

namespace WatchParty.Worker.Tools;

/// <summary>The Docker Engine's HTTP API, as far as the worker needs it: images, containers, builder cache.</summary>
/// <remarks>Every call is bounded in time. An engine that cannot be reached, or that answers with a server error, is a
/// <see cref="WorkerException"/> that is retried by itself.</remarks>
internal sealed class DockerEngine(Func<CancellationToken, Task<Uri>> resolveEndpoint, TimeProvider time) : IDisposable
{
    // Newer versions drop fields read here: 1.52 the BuildCache list of /system/df (api/docs/CHANGELOG.md of moby).
    private static readonly Version NewestApi = new(1, 51);
    /// <summary>From here on the size limits of a prune have their new names (api/docs/CHANGELOG.md of moby).</summary>
    private static readonly Version SizeLimits = new(1, 48);
    private static readonly TimeSpan QuickLimit = TimeSpan.FromSeconds(60);
    private static readonly TimeSpan RestartLimit = TimeSpan.FromMinutes(5);
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

    /// <summary>The engine's address. It may not answer there.</summary>
    public async Task<Uri> EndpointAsync(CancellationToken cancellationToken) => _endpoint ??= await resolveEndpoint(cancellationToken);

    public async Task<EngineInfo> InfoAsync(CancellationToken cancellationToken)
    {
        var version = await GetAsync("version", DockerJson.Default.EngineVersion, cancellationToken);
        var details = await GetAsync("info", DockerJson.Default.EngineDetails, cancellationToken);
        // "driver-type: io.containerd.snapshotter.v1" is how buildx itself tells the containerd store.
        var containerd = details.DriverStatus?.Any(pair => pair.Contains("io.containerd.snapshotter.v1")) ?? false;
        return new EngineInfo(version.Version, version.ApiVersion, containerd ? ImageStore.Containerd : ImageStore.GraphDriver, details.Driver, details.DockerRootDir, details.SystemTime);
    }

    /// <summary>The image that <paramref name="reference"/> names, or null when there is none.</summary>
    public Task<ImageDetails?> FindImageAsync(string reference, CancellationToken cancellationToken) =>
        FindAsync($"images/{Escape(reference)}/json", DockerJson.Default.ImageDetails, cancellationToken);

    /// <summary>Images; with <paramref name="reference"/> only those whose name matches, for example <c>app:watchparty-*</c>.</summary>
    public Task<ImageSummary[]> ImagesAsync(string? reference, CancellationToken cancellationToken) =>
        GetAsync($"images/json{(reference is null ? "" : $"?filters={Filter("reference", reference)}")}", DockerJson.Default.ImageSummaryArray, cancellationToken);

    /// <summary>Gives the image <paramref name="id"/> the further name <paramref name="name"/>; a name that exists moves.</summary>
    public async Task TagAsync(string id, string name, CancellationToken cancellationToken)
    {
        var (repository, tag) = ImageName.Split(name);
        using var answer = await SendAsync(HttpMethod.Post, $"images/{Escape(id)}/tag?repo={Uri.EscapeDataString(repository)}&tag={Uri.EscapeDataString(tag)}", QuickLimit, cancellationToken);
        await ThrowOnErrorAsync(answer, cancellationToken);
    }

    /// <summary>Ids of those of <paramref name="references"/> that exist.</summary>
    public async Task<IReadOnlyDictionary<string, string>> ImageIdsAsync(IEnumerable<string> references, CancellationToken cancellationToken)
    {
        var ids = new ConcurrentDictionary<string, string>();
        await Parallel.ForEachAsync(references.Distinct(), AtOnce(cancellationToken), async (reference, token) =>
        {
            if (await FindImageAsync(reference, token) is { } image) { ids[reference] = image.Id; }
        });
        return ids;
    }

    /// <summary>Gives images further names.</summary>
    public Task TagAsync(IEnumerable<(string Id, string Name)> names, CancellationToken cancellationToken) =>
        Parallel.ForEachAsync(names, AtOnce(cancellationToken), async (image, token) => await TagAsync(image.Id, image.Name, token));

    /// <summary>Takes the name or the image away.</summary>
    /// <returns>False when the engine refused, because a container needs it or it is gone.</returns>
    public async Task<bool> RemoveImageAsync(string reference, CancellationToken cancellationToken)
    {
        using var answer = await SendAsync(HttpMethod.Delete, $"images/{Escape(reference)}", PruneLimit, cancellationToken);
        if (answer.StatusCode is HttpStatusCode.Conflict or HttpStatusCode.NotFound) { return false; }
        await ThrowOnErrorAsync(answer, cancellationToken);
        return true;
    }

    /// <summary>The containers of a compose project, running or not, without those of <c>compose run</c>.</summary>
    public async Task<IReadOnlyList<ContainerSummary>> ContainersAsync(string project, CancellationToken cancellationToken) =>
        [.. (await GetAsync($"containers/json?all=1&filters={Filter("label", $"com.docker.compose.project={project}")}", DockerJson.Default.ContainerSummaryArray, cancellationToken)).Where(c => !c.OneOff)];

    /// <summary>The container, or null when it is gone.</summary>
    public Task<ContainerDetails?> FindContainerAsync(string id, CancellationToken cancellationToken) =>
        FindAsync($"containers/{Escape(id)}/json", DockerJson.Default.ContainerDetails, cancellationToken);

    /// <summary>Stops the container as gently as its configuration says, and starts it again.</summary>
    public async Task RestartAsync(string id, CancellationToken cancellationToken)
    {
        using var answer = await SendAsync(HttpMethod.Post, $"containers/{Escape(id)}/restart", RestartLimit, cancellationToken);
        await ThrowOnErrorAsync(answer, cancellationToken);
    }

    /// <summary>More requests at once only wait for each other in the engine.</summary>
    private static ParallelOptions AtOnce(CancellationToken cancellationToken) => new() { MaxDegreeOfParallelism = 8, CancellationToken = cancellationToken };

    /// <summary>Every record of the engine's builder cache.</summary>
    public async Task<IReadOnlyList<CacheRecord>> CacheRecordsAsync(CancellationToken cancellationToken) =>
        (await GetAsync("system/df?type=build-cache", DockerJson.Default.DiskUsage, cancellationToken)).BuildCache ?? [];

    /// <summary>Removes builder cache records that no build uses at the moment.</summary>
    /// <param name="notUsedSince">Only those last used before this time of the engine's clock; all when null.</param>
    /// <param name="type">Only those of this type; all when null.</param>
    /// <param name="maxBytes">Stops when the cache is down to this size, the least recently used records first; no limit when null.</param>
    /// <returns>The bytes freed and the number of records removed.</returns>
    public async Task<(long Bytes, int Records)> PruneCacheAsync(DateTimeOffset? notUsedSince, string? type, long? maxBytes, CancellationToken cancellationToken)
    {
        List<string> filters = [];
        if (notUsedSince is { } since) { filters.Add(Pair("until", since.ToUniversalTime().ToString("yyyy-MM-dd'T'HH:mm:ss.fffffff'Z'", CultureInfo.InvariantCulture))); }
        if (type is not null) { filters.Add(Pair("type", type)); }
        var filter = filters.Count == 0 ? "" : $"&filters={Uri.EscapeDataString($"{{{string.Join(',', filters)}}}")}";
        if (maxBytes is { } most)
        {
            // An engine ignores a parameter that it does not know, and would then remove everything.
            await ConnectAsync(cancellationToken);
            filter += string.Create(CultureInfo.InvariantCulture, $"&{(_version >= SizeLimits ? "max-used-space" : "keep-storage")}={most}");
        }
        for (var attempt = 1; ; attempt++)
        {
            using var answer = await SendAsync(HttpMethod.Post, $"build/prune?all=1{filter}", PruneLimit, cancellationToken);
            if (!answer.IsSuccessStatusCode && attempt < 30 && (await ErrorOfAsync(answer, cancellationToken)).Contains("already running", StringComparison.Ordinal))
            {
                // Somebody else prunes; the engine does one at a time.
                await Task.Delay(TimeSpan.FromSeconds(2), time, cancellationToken);
                continue;
            }
            var result = await ReadAsync(answer, DockerJson.Default.CachePruneAnswer, cancellationToken);
            return (result.SpaceReclaimed, result.CachesDeleted?.Length ?? 0);
        }
    }

    /// <summary>Removes images that have no name and no container.</summary>
    /// <param name="label">Only those with this label (<c>key=value</c>); all when null.</param>
    /// <returns>The bytes freed. Layers that the builder cache holds as well are not counted.</returns>
    public async Task<long> PruneDanglingImagesAsync(string? label, CancellationToken cancellationToken)
    {
        using var answer = await SendAsync(HttpMethod.Post, $"images/prune?filters={Uri.EscapeDataString($"{{{Pair("dangling", "true")}{(label is null ? "" : $",{Pair("label", label)}")}}}")}", PruneLimit, cancellationToken);
        return (await ReadAsync(answer, DockerJson.Default.ImagePruneAnswer, cancellationToken)).SpaceReclaimed;
    }

    /// <summary>Whether the registry of <paramref name="image"/> knows it, asked without pulling.</summary>
    public async Task<bool> RegistryHasAsync(string image, CancellationToken cancellationToken)
    {
        using var answer = await SendAsync(HttpMethod.Get, $"distribution/{Escape(image)}/json", QuickLimit, cancellationToken);
        return answer.IsSuccessStatusCode;
    }

    /// <summary>The image as a tar stream (<c>docker save</c>); the caller disposes it.</summary>
    public async Task<Stream> SaveImageAsync(string reference, CancellationToken cancellationToken)
    {
        try
        {
            await ConnectAsync(cancellationToken);
            return await _http!.GetStreamAsync(new Uri($"{_prefix}images/{Escape(reference)}/get", UriKind.Relative), cancellationToken);
        }
        catch (HttpRequestException e) when (e.StatusCode is { } status)
        {
            throw new WorkerException($"The Docker Engine refused to save {reference}: {(int)status}", Remedy.RetriedByItself, e);
        }
        catch (HttpRequestException e)
        {
            throw Unreachable(e.InnerException?.Message ?? e.Message, e);
        }
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

    private async Task<HttpResponseMessage> SendAsync(HttpMethod method, string path, TimeSpan limit, CancellationToken cancellationToken)
    {
        using var timeout = new CancellationTokenSource(limit, time);
        using var both = CancellationTokenSource.CreateLinkedTokenSource(timeout.Token, cancellationToken);
        try
        {
            await ConnectAsync(both.Token);
            using var request = new HttpRequestMessage(method, _prefix + path);
            return await _http!.SendAsync(request, both.Token);
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
        new($"The Docker Engine at {_endpoint} cannot be reached ({reason}). Is it running, and may this user open its socket (group docker)?", Remedy.RetriedByItself, inner);

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
                throw new WorkerException($"What answers at {_endpoint} is no Docker Engine: it says that its API version is '{version.ApiVersion}'.", Remedy.RetriedByItself);
            }
            _version = theirs < NewestApi ? theirs : NewestApi;
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
            new($"The Docker Engine answered {answer.RequestMessage?.RequestUri?.AbsolutePath} with {reason}.", Remedy.RetriedByItself, inner);
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
        throw new WorkerException($"The Docker Engine refused {answer.RequestMessage?.Method} {path}: {await ErrorOfAsync(answer, cancellationToken)}", Remedy.RetriedByItself);
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
    private static string Escape(string reference) => Uri.EscapeDataString(reference).Replace("%2F", "/", StringComparison.Ordinal).Replace("%3A", ":", StringComparison.Ordinal);
}

using System.Collections.Immutable;
using System.Globalization;
using System.Security.Cryptography;
using System.Text;
using WatchParty.Tools.Docker;

namespace WatchParty.Worker.Tests.Fakes.Docker;

/// <summary>What a Docker Engine has and how it treats it: images with their names, containers, networks, volumes, builder cache.</summary>
/// <remarks>A stand-in for tests. <c>EngineContract</c> asks it and real engines the same questions, so that it stays true. Safe for
/// several threads.</remarks>
internal sealed class EngineModel(ImageStore store, TimeProvider time)
{
    private readonly Lock _lock = new();
    private readonly Dictionary<string, ModelImage> _images = [];
    private readonly Dictionary<string, string> _names = [];
    private readonly List<ModelContainer> _containers = [];
    private readonly Dictionary<string, NetworkDetails> _networks = [];
    private readonly Dictionary<string, VolumeDetails> _volumes = [];
    private readonly Dictionary<string, CacheRecord> _cache = [];
    private int _ids;

    public ImageStore Store => store;

    /// <summary>How many of the next steps fail because BuildKit lost a layer of its own.</summary>
    public int LosesLayers { get; set; }

    public DateTimeOffset Now => time.GetUtcNow();

    /// <summary>Images by name that a registry has.</summary>
    public Dictionary<string, ModelImage> Registry { get; } = [];

    /// <summary>How many containers were made so far, and of which image and service.</summary>
    public List<(string Service, string Image)> Made { get; } = [];

    /// <summary>The hooks that ran, in order.</summary>
    public List<(string Service, string Command)> Hooks { get; } = [];

    /// <summary>The commands that were run in containers, in order.</summary>
    public List<(string Service, string Command)> Executed { get; } = [];

    public IReadOnlyList<ModelContainer> Containers
    {
        get { lock (_lock) { return [.. _containers]; } }
    }

    /// <summary>Id by name.</summary>
    public IReadOnlyDictionary<string, string> Names
    {
        get { lock (_lock) { return _names.ToImmutableDictionary(); } }
    }

    public IReadOnlyList<ModelImage> Images
    {
        get { lock (_lock) { return [.. _images.Values]; } }
    }

    public IReadOnlyList<CacheRecord> Cache
    {
        get { lock (_lock) { return [.. _cache.Values]; } }
    }

    public IReadOnlyList<VolumeDetails> Volumes
    {
        get { lock (_lock) { return [.. _volumes.Values]; } }
    }

    public IReadOnlyList<NetworkDetails> Networks
    {
        get { lock (_lock) { return [.. _networks.Values]; } }
    }

    public static string Digest(params IEnumerable<string> parts) =>
        $"sha256:{Convert.ToHexStringLower(SHA256.HashData(Encoding.UTF8.GetBytes(string.Join('\0', parts))))}";

    public string NextId()
    {
        lock (_lock) { return Digest(string.Create(CultureInfo.InvariantCulture, $"{store} {++_ids}"))[7..]; }
    }

    // Images -----------------------------------------------------------------------------------------------------------

    /// <summary>An image that is here before the test begins, as a base image is.</summary>
    public ModelImage Add(string name, params IEnumerable<string> content)
    {
        var image = new ModelImage(Digest(["image", .. content.DefaultIfEmpty(name)]), ImmutableDictionary<string, string>.Empty,
            ["sleep", "1d"])
        { Created = Now };
        Load(image, name);
        return image;
    }

    /// <summary>What a build or a pull does: the image is here, and has the name. What had it before has one name less; with none left it
    /// is dangling, and on
    /// the containerd store gone at once, even while a container runs from it.</summary>
    public void Load(ModelImage image, params IEnumerable<string> names)
    {
        lock (_lock)
        {
            _images.TryAdd(image.Id, image);
            foreach (var name in names.Select(Normal))
            {
                if (_names.GetValueOrDefault(name) is { } before && before != image.Id)
                {
                    _names.Remove(name);
                    if (store == ImageStore.Containerd && !_names.ContainsValue(before)) { _images.Remove(before); }
                }
                _names[name] = image.Id;
            }
        }
    }

    /// <returns>False when there is no such image.</returns>
    public bool Tag(string reference, string name)
    {
        lock (_lock)
        {
            if (Find(reference) is not { } image) { return false; }
            _names[Normal(name)] = image.Id;
            return true;
        }
    }

    public ModelImage? Find(string reference)
    {
        lock (_lock)
        {
            if (_names.TryGetValue(Normal(reference), out var id) || _images.ContainsKey(id = reference))
            {
                return _images.GetValueOrDefault(id);
            }
            var start = reference.StartsWith("sha256:", StringComparison.Ordinal) ? reference : $"sha256:{reference}";
            return start.Length >= 7 + 12 && start[7..].All(char.IsAsciiHexDigitLower)
                ? _images.Values.FirstOrDefault(i => i.Id.StartsWith(start, StringComparison.Ordinal)) : null;
        }
    }

    public IReadOnlyList<string> NamesOf(string id)
    {
        lock (_lock) { return [.. _names.Where(n => n.Value == id).Select(n => n.Key).Order(StringComparer.Ordinal)]; }
    }

    /// <returns>False when the engine refuses, or has none: a name goes when the image has others or no container; an image by its id only
    /// when
    /// no container has it and it has at most one name.</returns>
    public bool Remove(string reference)
    {
        lock (_lock)
        {
            if (Find(reference) is not { } image) { return false; }
            var names = NamesOf(image.Id);
            var byName = _names.ContainsKey(Normal(reference));
            if (byName && names.Count > 1)
            {
                _names.Remove(Normal(reference));
                return true;
            }
            if (names.Count > 1 || _containers.Exists(c => c.Image.Id == image.Id)) { return false; }
            foreach (var name in names) { _names.Remove(name); }
            _images.Remove(image.Id);
            return true;
        }
    }

    public int PruneDangling(string? label)
    {
        lock (_lock)
        {
            var going = _images.Values.Where(i => !_names.ContainsValue(i.Id) && _containers.TrueForAll(c => c.Image.Id != i.Id)
                && HasLabel(i, label)).ToList();
            foreach (var image in going) { _images.Remove(image.Id); }
            return going.Count;
        }
    }

    private static bool HasLabel(ModelImage image, string? label) =>
        label is null || (label.Split('=', 2) is [var name, .. var value] && image.Labels.TryGetValue(name, out var has)
            && (value is [] || value[0] == has));

    // Containers -------------------------------------------------------------------------------------------------------

    public ModelContainer Create(ModelContainer container)
    {
        lock (_lock)
        {
            if (_containers.Exists(c => c.Name == container.Name))
            {
                throw new InvalidOperationException($"Conflict. The container name \"/{container.Name}\" is already in use");
            }
            _containers.Add(container);
            Made.Add((container.Service, container.Image.Id));
            return container;
        }
    }

    public ModelContainer? FindContainer(string id)
    {
        lock (_lock)
        {
            return _containers.Find(c => c.Id == id || c.Name == id
            || (id.Length >= 12 && c.Id.StartsWith(id, StringComparison.Ordinal)));
        }
    }

    public void RemoveContainer(ModelContainer container)
    {
        lock (_lock) { _containers.Remove(container); }
    }

    // Networks, volumes ------------------------------------------------------------------------------------------------

    public NetworkDetails? FindNetwork(string name)
    {
        lock (_lock) { return _networks.GetValueOrDefault(name) ?? _networks.Values.FirstOrDefault(n => n.Id == name); }
    }

    public NetworkDetails AddNetwork(string name, Dictionary<string, string>? labels = null, string driver = "bridge",
        bool isInternal = false, NetworkAddresses? addresses = null)
    {
        lock (_lock)
        {
            return _networks[name] = new NetworkDetails(NextId(), name, driver, isInternal, labels ?? [],
            [])
            { IPAM = addresses };
        }
    }

    public void RemoveNetwork(string name)
    {
        lock (_lock) { _networks.Remove(name); }
    }

    public VolumeDetails? FindVolume(string name)
    {
        lock (_lock) { return _volumes.GetValueOrDefault(name); }
    }

    public VolumeDetails AddVolume(string name, Dictionary<string, string>? labels = null, string driver = "local", Dictionary<string,
        string>? options = null)
    {
        lock (_lock) { return _volumes[name] = new VolumeDetails(name, driver, labels ?? [], options); }
    }

    // Builder cache ----------------------------------------------------------------------------------------------------

    /// <summary>Whether a record is there; it counts as used now.</summary>
    public bool Use(string record)
    {
        lock (_lock)
        {
            if (!_cache.TryGetValue(record, out var found)) { return false; }
            _cache[record] = found with { LastUsedAt = Now, UsageCount = found.UsageCount + 1 };
            return true;
        }
    }

    public void Keep(string record, string? parent, string description, long size = 1000)
    {
        lock (_lock)
        {
            _cache[record] = new CacheRecord(record, "regular", description, false, false, size, Now)
            {
                Parents = parent is null
            ? [] : [parent]
            };
        }
    }

    /// <summary>Removes these records, or all; what others were made from goes with the last of them, and not before.</summary>
    public IReadOnlyList<CacheRecord> PruneCache(IReadOnlyCollection<string>? ids = null, long? maxBytes = null)
    {
        lock (_lock)
        {
            List<CacheRecord> gone = [];
            while (true)
            {
                if (maxBytes is { } most && _cache.Values.Sum(r => r.Size) <= most) { return gone; }
                var parents = _cache.Values.SelectMany(r => r.Parents ?? []).ToHashSet();
                var next = _cache.Values.Where(r => !parents.Contains(r.ID) && ids?.Contains(r.ID) != false)
                    .OrderBy(r => r.LastUsedAt).FirstOrDefault();
                if (next is null) { return gone; }
                _cache.Remove(next.ID);
                gone.Add(next);
            }
        }
    }

    private static string Normal(string name) =>
        name.StartsWith("sha256:", StringComparison.Ordinal) ? name : ImageName.Split(name) is var (repository, tag) ? $"{repository}:{tag}"
            : name;
}

using System.Text.Json;
using System.Text.RegularExpressions;
using WatchParty.Tools.Files;

namespace WatchParty.Releases.Caching;

/// <summary>A cache in a folder (<c>type=local</c>): an OCI layout of an index and blobs.</summary>
internal static partial class LocalCache
{
    private const string Blobs = "blobs";

    /// <summary>Whether everything that the index names is there in its full size; otherwise what is missing.</summary>
    /// <returns>Null when the cache is whole.</returns>
    public static string? FaultOf(string folder) => Read(folder, []);

    /// <summary>Gives the new cache <paramref name="to"/> the blobs that the one in <paramref name="from"/> has, without a copy of their
    /// bytes, so that an export writes only what is new. Where the file system has no hard links it writes everything.</summary>
    public static void Share(string from, string to)
    {
        if (!OperatingSystem.IsLinux() || !Directory.Exists(Path.Combine(from, Blobs))) { return; }
        foreach (var blob in Directory.EnumerateFiles(Path.Combine(from, Blobs), "*", SearchOption.AllDirectories))
        {
            var name = Path.Combine(to, Path.GetRelativePath(from, blob));
            Directory.CreateDirectory(Path.GetDirectoryName(name)!);
            if (!UnixFile.TryLink(blob, name)) { return; }
        }
    }

    /// <summary>Removes what the index does not name. BuildKit's export only ever adds (client/solve.go; from buildx 0.35 on it can be told
    /// to).</summary>
    /// <returns>Null, or why the cache is not whole; then nothing was removed.</returns>
    public static string? Collect(string folder)
    {
        HashSet<string> named = [];
        if (Read(folder, named) is { } fault) { return fault; }
        var blobs = Path.Combine(Path.GetFullPath(folder), Blobs);
        foreach (var blob in Directory.Exists(blobs) ? Directory.EnumerateFiles(blobs, "*", SearchOption.AllDirectories) : [])
        {
            if (!named.Contains(blob)) { File.Delete(blob); }
        }
        var begun = Path.Combine(folder, "ingest");
        if (Directory.Exists(begun)) { Directory.Delete(begun, recursive: true); }
        return null;
    }

    /// <param name="named">Receives the file of each blob that the index names.</param>
    private static string? Read(string folder, HashSet<string> named)
    {
        var index = Path.Combine(folder, "index.json");
        if (!File.Exists(index)) { return "it has no index.json"; }
        try
        {
            var open = new Stack<string>([File.ReadAllText(index)]);
            while (open.TryPop(out var text))
            {
                using var document = JsonDocument.Parse(text);
                foreach (var (digest, size, type) in Descriptors(document.RootElement))
                {
                    if (!Digest().IsMatch(digest)) { return $"it names '{digest}', which is no digest"; }
                    var blob = new FileInfo(Path.Combine(folder, Blobs, digest.Replace(':', Path.DirectorySeparatorChar)));
                    if (!named.Add(blob.FullName)) { continue; }
                    if (!blob.Exists || blob.Length != size) { return $"{digest} is missing or cut short"; }
                    if (type.Contains("image.index", StringComparison.Ordinal) || type.Contains("manifest", StringComparison.Ordinal))
                    {
                        open.Push(File.ReadAllText(blob.FullName));
                    }
                }
            }
            return null;
        }
        catch (Exception e) when (e is JsonException or IOException or UnauthorizedAccessException or KeyNotFoundException
            or InvalidOperationException or FormatException)
        {
            return e.Message;
        }
    }

    public static long SizeOf(string folder) => Directory.Exists(folder)
        ? new DirectoryInfo(folder).EnumerateFiles("*", SearchOption.AllDirectories).Sum(f => f.Length) : 0;

    private static IEnumerable<(string Digest, long Size, string Type)> Descriptors(JsonElement root)
    {
        foreach (var name in new[] { "manifests", "layers" })
        {
            if (!root.TryGetProperty(name, out var list) || list.ValueKind != JsonValueKind.Array) { continue; }
            foreach (var item in list.EnumerateArray()) { yield return Of(item); }
        }
        if (root.TryGetProperty("config", out var config) && config.ValueKind == JsonValueKind.Object) { yield return Of(config); }
    }

    // It becomes a path.
    [GeneratedRegex(@"\A[a-z0-9]+:[a-f0-9]+\z")]
    private static partial Regex Digest();

    private static (string Digest, long Size, string Type) Of(JsonElement item) =>
        (item.GetProperty("digest").GetString() ?? "", item.GetProperty("size").GetInt64(), item.TryGetProperty("mediaType", out var type)
            ? type.GetString() ?? ""
            : "");
}

using System.Text.Json;
using System.Text.RegularExpressions;

namespace WatchParty.Worker.Caching;

/// <summary>A cache in a folder (<c>type=local</c>): an OCI layout of an index and blobs.</summary>
internal static partial class LocalCache
{
    /// <summary>Whether everything that the index names is there in its full size; otherwise what is missing.</summary>
    /// <returns>Null when the cache is whole.</returns>
    public static string? FaultOf(string folder)
    {
        var index = Path.Combine(folder, "index.json");
        if (!File.Exists(index)) { return "it has no index.json"; }
        try
        {
            var open = new Stack<string>([File.ReadAllText(index)]);
            HashSet<string> seen = [];
            while (open.TryPop(out var text))
            {
                using var document = JsonDocument.Parse(text);
                foreach (var (digest, size, type) in Descriptors(document.RootElement))
                {
                    if (!Digest().IsMatch(digest)) { return $"it names '{digest}', which is no digest"; }
                    if (!seen.Add(digest)) { continue; }
                    var blob = new FileInfo(Path.Combine(folder, "blobs", digest.Replace(':', Path.DirectorySeparatorChar)));
                    if (!blob.Exists || blob.Length != size) { return $"{digest} is missing or cut short"; }
                    if (type.Contains("image.index", StringComparison.Ordinal) || type.Contains("manifest", StringComparison.Ordinal)) { open.Push(File.ReadAllText(blob.FullName)); }
                }
            }
            return null;
        }
        catch (Exception e) when (e is JsonException or IOException or UnauthorizedAccessException or KeyNotFoundException or InvalidOperationException or FormatException)
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
        (item.GetProperty("digest").GetString() ?? "", item.GetProperty("size").GetInt64(), item.TryGetProperty("mediaType", out var type) ? type.GetString() ?? "" : "");
}

using System.Text;
using System.Text.Json.Serialization;

namespace WatchParty.Releases.Baking;

/// <summary>One value of a rawjson trace, as it is written. How far its statuses are (bytes of transfers) is not read.</summary>
internal sealed record SolveStatus(
    IReadOnlyList<SolveStatus.Vertex?>? Vertexes, IReadOnlyList<SolveStatus.Status?>? Statuses, IReadOnlyList<SolveStatus.Log?>? Logs,
    IReadOnlyList<SolveStatus.Warning?>? Warnings)
{
    public IEnumerable<TraceEvent> Events()
    {
        foreach (var vertex in Vertexes ?? [])
        {
            if (vertex is not { Digest: { } digest, Name: { } name }) { continue; }
            var inputs = vertex.Inputs?.OfType<string>().ToArray() ?? [];
            yield return new VertexEvent(
                digest, name, inputs, vertex.Started, vertex.Completed, vertex.Cached,
                string.IsNullOrEmpty(vertex.Error) ? null : vertex.Error);
        }
        foreach (var status in Statuses ?? [])
        {
            if (status is { Vertex: { } digest, Id: { } id }) { yield return new StatusEvent(digest, id); }
        }
        foreach (var log in Logs ?? [])
        {
            if (log is { Vertex: { } digest, Data: { } data }) { yield return new LogEvent(digest, log.Stream, data); }
        }
        foreach (var warning in Warnings ?? [])
        {
            if (warning is { Vertex: { } digest, Short: { } text })
            {
                yield return new WarningEvent(digest, Encoding.UTF8.GetString(text));
            }
        }
    }

    internal sealed record Vertex(
        string? Digest, IReadOnlyList<string?>? Inputs, string? Name, DateTimeOffset? Started, DateTimeOffset? Completed, bool Cached,
        string? Error);

    internal sealed record Status(string? Vertex, string? Id);

    internal sealed record Log(string? Vertex, int Stream, byte[]? Data);

    internal sealed record Warning(string? Vertex, byte[]? Short);
}

[JsonSourceGenerationOptions(PropertyNamingPolicy = JsonKnownNamingPolicy.CamelCase)]
[JsonSerializable(typeof(SolveStatus))]
internal sealed partial class SolveStatusJson : JsonSerializerContext;

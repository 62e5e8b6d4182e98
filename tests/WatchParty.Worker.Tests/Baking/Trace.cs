using WatchParty.Releases.Baking;

namespace WatchParty.Worker.Tests.Baking;

/// <summary>Traces as buildx 0.13.1 wrote them against Engine 26.1 (only values that hold nothing but transfer progress were taken out of most).</summary>
internal static class Trace
{
    public static IEnumerable<string> Names => Directory.EnumerateFiles(Folder, "*.jsonl").Select(f => Path.GetFileNameWithoutExtension(f)).Order(StringComparer.Ordinal);

    private static string Folder => Path.Combine(AppContext.BaseDirectory, "Baking", "Traces");

    public static byte[] Bytes(string name) => File.ReadAllBytes(Path.Combine(Folder, name + ".jsonl"));

    public static async Task<List<TraceEvent>> ReadAsync(byte[] bytes, int chunk = int.MaxValue, int valueLimit = 1 << 26)
    {
        List<TraceEvent> events = [];
        await using var stream = new ChunkedStream(bytes, chunk);
        await BuildTrace.ReadAsync(stream, events.Add, valueLimit, CancellationToken.None);
        return events;
    }

    public static async Task<StepReport> ReportAsync(string name, params string[] targets)
    {
        var report = new StepReport(targets);
        foreach (var traceEvent in await ReadAsync(Bytes(name))) { report.Add(traceEvent); }
        return report;
    }

    /// <summary>Gives at most so many bytes a read, as a pipe does.</summary>
    private sealed class ChunkedStream(byte[] bytes, int chunk) : MemoryStream(bytes)
    {
        public override ValueTask<int> ReadAsync(Memory<byte> buffer, CancellationToken cancellationToken = default) =>
            base.ReadAsync(buffer[..Math.Min(buffer.Length, chunk)], cancellationToken);
    }
}

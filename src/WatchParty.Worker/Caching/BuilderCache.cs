using System.Globalization;
using WatchParty.Worker.Configuration;
using WatchParty.Worker.Telemetry;
using WatchParty.Worker.Tools;

namespace WatchParty.Worker.Caching;

/// <summary>The records of the builder that the builds run on: the engine's own, or a named buildx builder.</summary>
internal sealed class BuilderCache(BuildOptions options, IDockerEngine engine, IToolRunner runner, TimeProvider time)
{
    /// <summary>Contents of <c>RUN --mount=type=cache</c>: package caches that no build step would bring back as they were.</summary>
    public const string CacheMount = "exec.cachemount";

    private static readonly string[] OtherTypes = ["regular", "source.local", "source.git.checkout", "frontend", "internal"];

    /// <summary>A point in time by the builder's clock and by ours.</summary>
    internal readonly record struct Moment(DateTimeOffset Engine, long Timestamp);

    public async Task<Moment> NowAsync(CancellationToken cancellationToken) =>
        new(options.Builder is null ? (await engine.InfoAsync(cancellationToken)).Time : time.GetUtcNow(), time.GetTimestamp());

    public async Task<IReadOnlyList<CacheRecord>> RecordsAsync(CancellationToken cancellationToken)
    {
        var records = options.Builder is { } builder
            ? ParseUsage(await runner.OutputOfAsync(DockerCommands.BuilderUsage(builder), cancellationToken))
            : await engine.CacheRecordsAsync(cancellationToken);
        Metrics.CacheSeen(records);
        return records;
    }

    /// <summary>Removes what was last used before <paramref name="since"/>, or everything when that is null.</summary>
    /// <param name="keepCacheMounts">Whether the contents of cache mounts stay.</param>
    /// <returns>The bytes freed.</returns>
    public async Task<long> RemoveAsync(Moment? since, bool keepCacheMounts, CancellationToken cancellationToken)
    {
        var freed = 0L;
        // A parent becomes free only when its children are gone, so one round is not always enough.
        for (var round = 0; round < 20; round++)
        {
            var removed = 0;
            foreach (var type in keepCacheMounts ? OtherTypes : (string?[])[null])
            {
                var (bytes, records) = await PruneAsync(since, type, null, cancellationToken);
                freed += bytes;
                removed += records;
            }
            if (removed == 0) { break; }
        }
        return freed;
    }

    /// <summary>What <see cref="RemoveAsync"/> would remove of <paramref name="records"/>: what was last used before <paramref name="since"/>,
    /// unless something that stays was made from it.</summary>
    public static IReadOnlyList<CacheRecord> Removable(IReadOnlyList<CacheRecord> records, DateTimeOffset since, bool keepCacheMounts)
    {
        var byId = records.ToDictionary(r => r.ID);
        var open = new Stack<CacheRecord>(records.Where(r => r.InUse || r.LastUsedAt is not { } used || used >= since || (keepCacheMounts && r.Type == CacheMount)));
        HashSet<CacheRecord> staying = [];
        while (open.TryPop(out var record))
        {
            if (!staying.Add(record)) { continue; }
            foreach (var parent in record.Parents ?? []) { if (byId.TryGetValue(parent, out var found)) { open.Push(found); } }
        }
        return [.. records.Where(r => !staying.Contains(r))];
    }

    /// <summary>Brings the cache down to <paramref name="maxBytes"/>, the least recently used records first.</summary>
    public async Task<long> ShrinkAsync(long maxBytes, CancellationToken cancellationToken) => (await PruneAsync(null, null, maxBytes, cancellationToken)).Bytes;

    private async Task<(long Bytes, int Records)> PruneAsync(Moment? since, string? type, long? maxBytes, CancellationToken cancellationToken)
    {
        if (options.Builder is not { } builder) { return await engine.PruneCacheAsync(since?.Engine, type, maxBytes, cancellationToken); }
        var before = await RecordsAsync(cancellationToken);
        await runner.OutputOfAsync(DockerCommands.PruneBuilder(builder, since is { } moment ? time.GetElapsedTime(moment.Timestamp) : null, type, maxBytes), cancellationToken);
        var after = await RecordsAsync(cancellationToken);
        return (before.Sum(r => r.Size) - after.Sum(r => r.Size), before.Count - after.Count);
    }

    /// <summary>The blocks of <c>buildx du --verbose</c>, one for each record.</summary>
    internal static IReadOnlyList<CacheRecord> ParseUsage(string text) =>
    [
        .. text.ReplaceLineEndings("\n").Split("\n\n").Select(block => block.Split('\n').Select(line => line.Split(':', 2)).Where(p => p.Length == 2)
                .DistinctBy(p => p[0]).ToDictionary(p => p[0].Trim(), p => p[1].Trim()))
            .Where(block => block.ContainsKey("ID"))
            .Select(block => new CacheRecord(block["ID"], block.GetValueOrDefault("Type", ""), block.GetValueOrDefault("Description"),
                block.GetValueOrDefault("Reclaimable") == "false", block.GetValueOrDefault("Shared") == "true", Bytes(block.GetValueOrDefault("Size", "0B")), null)),
    ];

    private static long Bytes(string size)
    {
        var digits = size.TakeWhile(c => char.IsAsciiDigit(c) || c == '.').Count();
        var factor = size[digits..].ToUpperInvariant() switch { "KB" => 1e3, "MB" => 1e6, "GB" => 1e9, "TB" => 1e12, _ => 1.0 };
        return double.TryParse(size[..digits], NumberStyles.Float, CultureInfo.InvariantCulture, out var number) ? (long)(number * factor) : 0;
    }
}

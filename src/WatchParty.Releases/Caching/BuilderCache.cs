using System.Globalization;
using WatchParty.Releases.Signals;
using WatchParty.Tools.Configuration;
using WatchParty.Tools.Docker;
using WatchParty.Tools.Processes;

namespace WatchParty.Releases.Caching;

/// <summary>The records of the builder that the builds run on: the engine's own, or a named buildx builder.</summary>
internal sealed class BuilderCache(BuildOptions options, IDockerEngine engine, IToolRunner runner, TimeProvider time)
{
    /// <summary>Contents of <c>RUN --mount=type=cache</c>: package caches that no build step would bring back as they were.</summary>
    public const string CacheMount = "exec.cachemount";

    /// <summary>Ids in one call of a prune. They are part of an address, which engines take up to a megabyte of.</summary>
    private const int IdsAtOnce = 2000;

    /// <summary>The time by the builder's clock.</summary>
    public async Task<DateTimeOffset> NowAsync(CancellationToken cancellationToken) =>
        options.Builder is null ? (await engine.InfoAsync(cancellationToken)).Time : time.GetUtcNow();

    public async Task<IReadOnlyList<CacheRecord>> RecordsAsync(CancellationToken cancellationToken)
    {
        var records = options.Builder is { } builder
            ? ParseUsage(await runner.OutputOfAsync(DockerCommands.BuilderUsage(builder), cancellationToken))
            : await engine.CacheRecordsAsync(cancellationToken);
        Metrics.CacheSeen(records);
        return records;
    }

    /// <summary>Bytes that the cache and all images take together. What both have counts once, so the difference of two answers is what
    /// the disk got back; the sizes that a prune adds up are not (it counts layers that images go on holding).</summary>
    public async Task<long> DiskAsync(CancellationToken cancellationToken)
    {
        var records = await RecordsAsync(cancellationToken);
        return await engine.LayerBytesAsync(cancellationToken) + records.Where(r => !r.Shared).Sum(r => r.Size);
    }

    /// <summary>Removes these records as far as no other was made from them; everything when <paramref name="records"/> is null.</summary>
    /// <remarks>Never by age: BuildKit counts it anew in each pass of a prune, and with large layers a pass takes so long that what was
    /// marked before the first has become old enough in a later one.</remarks>
    public async Task RemoveAsync(IReadOnlyList<CacheRecord>? records, CancellationToken cancellationToken)
    {
        IReadOnlyCollection<string>?[] calls = records is null ? [null] : [.. records.Select(r => r.ID).Chunk(IdsAtOnce)];
        // A parent becomes free only when its children are gone, so one round is not always enough.
        for (var round = 0; round < 20; round++)
        {
            var removed = 0;
            foreach (var ids in calls) { removed += await PruneAsync(ids, null, cancellationToken); }
            if (removed == 0) { break; }
        }
    }

    /// <summary>Records that were made or used between two looks at the builder.</summary>
    public static IEnumerable<CacheRecord> Used(IReadOnlyList<CacheRecord> before, IReadOnlyList<CacheRecord> after)
    {
        var then = before.ToDictionary(r => r.ID, r => (r.UsageCount, r.LastUsedAt));
        return after.Where(r => !then.TryGetValue(r.ID, out var use) || use != (r.UsageCount, r.LastUsedAt));
    }

    /// <summary>What a mark did not touch: records that were there <paramref name="before"/> it, are as they were <paramref name="after"/>
    /// it, and from which nothing was made that stays.</summary>
    /// <param name="usedBefore">Only what was last used before then; whenever, if null.</param>
    public static IReadOnlyList<CacheRecord> Untouched(
        IReadOnlyList<CacheRecord> before, IReadOnlyList<CacheRecord> after, DateTimeOffset? usedBefore, bool keepCacheMounts)
    {
        var byId = after.ToDictionary(r => r.ID);
        var open = new Stack<CacheRecord>(Used(before, after).Concat(after.Where(r =>
            r.InUse || (usedBefore is { } limit && !(r.LastUsedAt < limit)) || (keepCacheMounts && r.Type == CacheMount))));
        HashSet<CacheRecord> staying = [];
        while (open.TryPop(out var record))
        {
            if (!staying.Add(record)) { continue; }
            foreach (var parent in record.Parents ?? []) { if (byId.TryGetValue(parent, out var found)) { open.Push(found); } }
        }
        return [.. after.Where(r => !staying.Contains(r))];
    }

    /// <summary>Brings the cache down to <paramref name="maxBytes"/>, the least recently used records first.</summary>
    public Task ShrinkAsync(long maxBytes, CancellationToken cancellationToken) => PruneAsync(null, maxBytes, cancellationToken);

    private async Task<int> PruneAsync(IReadOnlyCollection<string>? ids, long? maxBytes, CancellationToken cancellationToken)
    {
        if (options.Builder is not { } builder) { return await engine.PruneCacheAsync(ids, maxBytes, cancellationToken); }
        var before = await RecordsAsync(cancellationToken);
        await runner.OutputOfAsync(DockerCommands.PruneBuilder(builder, ids, maxBytes), cancellationToken);
        return before.Count - (await RecordsAsync(cancellationToken)).Count;
    }

    /// <summary>The blocks of <c>buildx du --verbose</c>, one for each record.</summary>
    internal static IReadOnlyList<CacheRecord> ParseUsage(string text) =>
    [
        .. text.ReplaceLineEndings("\n").Split("\n\n")
            .Select(block => block.Split('\n').Select(line => line.Split(':', 2)).Where(p => p.Length == 2)
                .DistinctBy(p => p[0]).ToDictionary(p => p[0].Trim(), p => p[1].Trim()))
            .Where(block => block.ContainsKey("ID"))
            // A star after the id says that the record can still be written to; the id is without it.
            .Select(block =>
                new CacheRecord(block["ID"].TrimEnd('*'), block.GetValueOrDefault("Type", ""), block.GetValueOrDefault("Description"),
                block.GetValueOrDefault("Reclaimable") == "false", block.GetValueOrDefault("Shared") == "true",
                Bytes(block.GetValueOrDefault("Size", "0B")), null)
            { UsageCount = long.TryParse(block.GetValueOrDefault("Usage count"), CultureInfo.InvariantCulture, out var count) ? count
                : 0 }),
    ];

    private static long Bytes(string size)
    {
        var digits = size.TakeWhile(c => char.IsAsciiDigit(c) || c == '.').Count();
        var factor = size[digits..].ToUpperInvariant() switch { "KB" => 1e3, "MB" => 1e6, "GB" => 1e9, "TB" => 1e12, _ => 1.0 };
        return double.TryParse(size[..digits], NumberStyles.Float, CultureInfo.InvariantCulture, out var number) ? (long)(number * factor)
            : 0;
    }
}

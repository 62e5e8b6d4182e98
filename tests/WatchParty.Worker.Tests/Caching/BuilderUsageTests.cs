using WatchParty.Releases.Caching;
using WatchParty.Tools.Docker;

namespace WatchParty.Worker.Tests.Caching;

public sealed class BuilderUsageTests
{
    /// <summary>As buildx 0.13 and 0.29 print it; a line of a newer one may be unknown.</summary>
    private const string Usage = """
        ID:		k1p0yfm
        Parents:
         - 4cx0
        Created at:	2026-11-22 09:00:00.1 +0000 UTC
        Mutable:	false
        Reclaimable:	true
        Shared:		true
        Size:		12.5MB
        Description:	[deps 2/3] RUN echo "a: b" && pip install
        Usage count:	3
        Last used:	2 minutes ago
        Type:		regular

        ID:		xx9*
        Mutable:	true
        Reclaimable:	false
        Shared:		false
        Size:		4.096kB
        Type:		exec.cachemount

        ID:		small
        Reclaimable:	true
        Size:		0B
        Type:		source.local

        Shared:		12.5MB
        Private:	4.096kB
        Reclaimable:	12.5MB
        Total:		12.5MB

        """;

    [Theory]
    [InlineData("\n")]
    [InlineData("\r\n")]
    public void Usage_IsOneRecordForEachBlock(string newLine)
    {
        var records = BuilderCache.ParseUsage(Usage.ReplaceLineEndings(newLine));
        Assert.Equal(
            [("k1p0yfm", "regular", false, true, 12_500_000L), ("xx9", "exec.cachemount", true, false, 4096L), ("small", "source.local", false, false, 0L)],
            records.Select(r => (r.ID, r.Type, r.InUse, r.Shared, r.Size)));
        Assert.Equal("[deps 2/3] RUN echo \"a: b\" && pip install", records[0].Description);
        Assert.All(records, r => Assert.Null(r.LastUsedAt));
        Assert.Equal([3, 0, 0], records.Select(r => r.UsageCount));
    }

    [Theory]
    [InlineData("3B", 3L)]
    [InlineData("1kB", 1000L)]
    [InlineData("1.05GB", 1_050_000_000L)]
    [InlineData("2TB", 2_000_000_000_000L)]
    [InlineData("", 0L)]
    [InlineData("much", 0L)]
    public void Size_IsInBytes(string text, long bytes) =>
        Assert.Equal(bytes, Assert.Single(BuilderCache.ParseUsage($"ID: a\nSize: {text}\n")).Size);

    [Theory]
    [InlineData("")]
    [InlineData("Total: 0B\n")]
    [InlineData("no colon here\n\nnor here")]
    public void Text_WithoutRecords_IsNone(string text) => Assert.Empty(BuilderCache.ParseUsage(text));

    [Fact]
    public void Untouched_IsWhatTheMarkDidNotUseAndNothingThatStaysIsMadeFrom()
    {
        var night = new DateTimeOffset(2026, 11, 22, 3, 30, 0, TimeSpan.Zero);
        CacheRecord Record(string id, int seconds, string type = "regular", bool inUse = false, params string[] parents) =>
            new(id, type, null, inUse, false, 1, night.AddSeconds(seconds)) { Parents = parents, UsageCount = 1 };
        CacheRecord[] before =
        [
            Record("base", -90), Record("middle", -80, parents: "base"), Record("live", -75, parents: "middle"),
            Record("old", -70, parents: "base"), Record("older leaf", -60, parents: ["old", "gone"]),
            Record("busy", -50, inUse: true), Record("mount", -40, BuilderCache.CacheMount), Record("by count", -30),
            new("never used", "regular", null, false, false, 1, null),
        ];
        CacheRecord[] after =
        [
            .. before.Select(r => r.ID switch { "live" => r with { LastUsedAt = night }, "by count" => r with { UsageCount = 2 }, _ => r }), Record("new", -100),
        ];

        Assert.Equal(["live", "by count", "new"], BuilderCache.Used(before, after).Select(r => r.ID));
        Assert.Equal(["old", "older leaf", "never used"], Ids(null, keepCacheMounts: true));
        Assert.Equal(["old", "older leaf", "mount", "never used"], Ids(null, keepCacheMounts: false));
        // Of a service that is cold it is only known when it last used what it has.
        Assert.Equal(["old"], Ids(night.AddSeconds(-65), keepCacheMounts: true, [.. after.Where(r => r.ID != "older leaf")]));
        Assert.Empty(Ids(night.AddSeconds(-65), keepCacheMounts: true));

        IEnumerable<string> Ids(DateTimeOffset? usedBefore, bool keepCacheMounts, CacheRecord[]? then = null) =>
            BuilderCache.Untouched(before, then ?? after, usedBefore, keepCacheMounts).Select(r => r.ID);
    }
}

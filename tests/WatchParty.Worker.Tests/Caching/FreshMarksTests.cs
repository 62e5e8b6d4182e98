using WatchParty.Releases.Caching;
using WatchParty.Releases.Recording;
using WatchParty.Worker.Tests.Recording;

namespace WatchParty.Worker.Tests.Caching;

public sealed class FreshMarksTests : IDisposable
{
    private readonly RecordBench _bench = new();

    public void Dispose() => _bench.Dispose();

    private FreshMarks Marks(Database? database = null) => new(database ?? _bench.Database, _bench.Time);

    [Fact]
    public void Mark_IsOnDiskWhenAddReturns()
    {
        Assert.Empty(Marks().All());
        Marks().Add(["backend", "frontend"], "clear-cache.flag");
        Marks().Add(["backend"], "again");

        using (var other = Database.Open(_bench.Path)) { Assert.Equal(["backend", "frontend"], Marks(other).All().Order(StringComparer.Ordinal)); }
    }

    [Fact]
    public void Mark_OutlivesReleasesThatDoNotRemoveIt()
    {
        Marks().Add(["backend"], "clear");
        _bench.Release(RecordBench.Commit, ReleaseOutcome.BuildFailed, "backend");

        Assert.Equal(["backend"], Marks().All());
    }
}

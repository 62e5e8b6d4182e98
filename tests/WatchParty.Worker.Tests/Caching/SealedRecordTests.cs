using WatchParty.Releases.Caching;
using WatchParty.Releases.Recording;

namespace WatchParty.Worker.Tests.Caching;

public sealed class SealedRecordTests : IDisposable
{
    private static readonly DateTimeOffset Noon = new(2026, 11, 22, 12, 0, 0, TimeSpan.Zero);
    private readonly string _folder = Directory.CreateTempSubdirectory("seals-").FullName;
    private readonly Database _database;

    public SealedRecordTests() => _database = Open();

    public void Dispose()
    {
        _database.Dispose();
        Directory.Delete(_folder, recursive: true);
    }

    [Fact]
    public void Seal_IsFoundAsItWasSavedByAnotherProcessToo()
    {
        var seal = new Seal("backend", 7, ["b:buildcache-deps", "b:buildcache"], null, null, 12, 0.4, ["one", "two"], Noon);
        new SealRecord(_database).Save(seal);

        using var other = Open();
        var found = new SealRecord(other).Find("backend")!;
        Assert.Equal(seal with { Images = found.Images, Records = found.Records }, found);
        Assert.Equal(seal.Images, found.Images);
        Assert.Equal(seal.Records, found.Records);
        Assert.Null(new SealRecord(other).Find("frontend"));
    }

    [Fact]
    public void Seal_ReplacesTheOneBeforeAndGoesWhenRemoved()
    {
        var record = new SealRecord(_database);
        record.Save(new Seal("backend", 1, [], "/cache/1", null, 5, 1, [], Noon));
        record.Save(new Seal("backend", 2, [], "/cache/2", null, 6, 1, [], Noon));
        record.Save(new Seal("app", 2, [], null, "registry:5000/app:buildcache", 0, 1, [], Noon));

        Assert.Equal([("app", 2L), ("backend", 2L)], record.All().Select(s => (s.Service, s.Release)));
        record.Remove("backend");
        record.Remove("backend");
        Assert.Equal("app", Assert.Single(record.All()).Service);
    }

    [Fact]
    public void WarmTime_IsTheLastOneSetAndUnknownForOthers()
    {
        var times = new WarmTimes(_database);
        times.Set(["backend", "frontend"], Noon);
        times.Set(["backend"], Noon.AddHours(1));

        using var other = Open();
        Assert.Equal(Noon.AddHours(1), new WarmTimes(other).Of("backend"));
        Assert.Equal(Noon, new WarmTimes(other).Of("frontend"));
        Assert.Null(new WarmTimes(other).Of("celery"));
    }

    private Database Open() => Database.Open(Path.Combine(_folder, "history.db"));
}

using WatchParty.Releases.Recording;

namespace WatchParty.Releases.Caching;

/// <summary>The services whose next build must not use any cache. A mark is on disk before a clear removes anything, and only a
/// release that serves a fresh build of its service takes it away (<see cref="History.Finish"/>).</summary>
internal sealed class FreshMarks(Database database, TimeProvider time)
{
    public void Add(IEnumerable<string> services, string reason) => database.Transaction(() =>
    {
        foreach (var service in services)
        {
            database.Execute("INSERT OR REPLACE INTO fresh_mark VALUES ($service, $reason, $now)",
                ("$service", service), ("$reason", reason), ("$now", time.GetUtcNow().ToUnixTimeMilliseconds()));
        }
    });

    public IReadOnlySet<string> All() => database.Query("SELECT service FROM fresh_mark", r => r.GetString(0)).ToHashSet();
}

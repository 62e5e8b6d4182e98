using WatchParty.Releases.Recording;

namespace WatchParty.Releases.Caching;

/// <summary>When the live set of a service was last known to be in the cache, by the builder's clock: everything it needs was used then or
/// later.</summary>
internal sealed class WarmTimes(Database database)
{
    public void Set(IEnumerable<string> services, DateTimeOffset since) => database.Transaction(() =>
    {
        foreach (var service in services)
        {
            database.Execute("INSERT OR REPLACE INTO warm VALUES ($service, $since)", ("$service", service),
                ("$since", since.ToUnixTimeMilliseconds()));
        }
    });

    /// <returns>Null when it never was.</returns>
    public DateTimeOffset? Of(string service) => database.Query(
        "SELECT since FROM warm WHERE service = $service", r => (DateTimeOffset?)DateTimeOffset.FromUnixTimeMilliseconds(r.GetInt64(0)),
        ("$service", service)).FirstOrDefault();
}

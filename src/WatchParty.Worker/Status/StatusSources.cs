using WatchParty.Releases.Caching;
using WatchParty.Releases.Recording;
using WatchParty.Tools.Configuration;
using WatchParty.Worker.Checking;
using WatchParty.Worker.Control;

namespace WatchParty.Worker.Status;

/// <param name="Bytes">Size of all records of the builder.</param>
internal sealed record CacheSize(int Records, long Bytes);

/// <summary>What the pages and the API read.</summary>
internal sealed class StatusSources(
    WorkerOptions options, StateFolder state, History history, FreshMarks freshMarks, ServiceStatusSource service, ProgressTrail progress,
    ServiceHealthReader health, Doctor doctor, BuilderCache cache, TimeProvider time) : IDisposable
{
    public WorkerOptions Options { get; } = options;

    public StateFolder State { get; } = state;

    public History History { get; } = history;

    public ServiceStatusSource Service { get; } = service;

    public ProgressTrail Progress { get; } = progress;

    public TimeProvider Time { get; } = time;

    public Snapshot<IReadOnlyList<ServiceHealth>> Health { get; } = new(health.ReadAsync, TimeSpan.FromSeconds(5), time);

    public Snapshot<IReadOnlyList<Check>> Checkup { get; } = new(doctor.RunAsync, TimeSpan.FromMinutes(1), time);

    public Snapshot<CacheSize> Cache { get; } = new(async token =>
    {
        var records = await cache.RecordsAsync(token);
        return new CacheSize(records.Count, records.Sum(r => r.Size));
    }, TimeSpan.FromMinutes(1), time);

    /// <summary>Services whose next build uses no cache.</summary>
    public IReadOnlyList<string> FreshPending() => [.. freshMarks.All().Order(StringComparer.Ordinal)];

    public void Dispose()
    {
        Health.Dispose();
        Checkup.Dispose();
        Cache.Dispose();
    }
}

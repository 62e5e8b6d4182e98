using System.Diagnostics.Metrics;
using WatchParty.Releases.Planning;
using WatchParty.Releases.Recording;
using WatchParty.Tools.Docker;

namespace WatchParty.Releases.Signals;

/// <summary>What is counted. Names and units are OpenTelemetry's; Prometheus makes <c>watchparty_release_duration_seconds</c> of the
/// second.</summary>
/// <remarks>Static, as .NET means it: nobody has to be handed what costs nothing as long as nobody listens.</remarks>
internal static class Metrics
{
    public const string Name = "WatchParty.Worker";

    private static readonly Meter Meter = new(Name);
    private static readonly InstrumentAdvice<double> Seconds = new()
    {
        HistogramBucketBoundaries = [0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60,
        120, 300, 600, 1800, 3600]
    };

    private static readonly Counter<long> Releases =
        Meter.CreateCounter<long>("watchparty.releases", null, "Releases that ended, by outcome and by what asked for them");
    private static readonly Histogram<double> ReleaseSeconds =
        Meter.CreateHistogram("watchparty.release.duration", "s", "Time of a release from its detection to its end", null, Seconds);
    private static readonly Histogram<double> Phase =
        Meter.CreateHistogram("watchparty.release.phase.duration", "s", "Time of each phase of a release", null, Seconds);
    private static readonly Histogram<double> Build =
        Meter.CreateHistogram("watchparty.build.duration", "s", "Time of the build of a service", null, Seconds);
    private static readonly Counter<long> Steps =
        Meter.CreateCounter<long>("watchparty.build.steps", null, "Build steps that came from the cache, and that ran");
    private static readonly Counter<double> Saved =
        Meter.CreateCounter<double>("watchparty.build.saved", "s", "What the cached steps took when they last ran");
    private static readonly Gauge<long> CacheSize =
        Meter.CreateGauge<long>("watchparty.cache.size", "By", "Size of the builder cache, as last looked at");
    private static readonly Gauge<long> CacheRecords =
        Meter.CreateGauge<long>("watchparty.cache.records", null, "Records in the builder cache, as last looked at");
    private static readonly Counter<long> HousekeepingRuns =
        Meter.CreateCounter<long>("watchparty.housekeeping.runs", null, "Prunes and clears of the cache, by outcome");
    private static readonly Counter<long> Freed =
        Meter.CreateCounter<long>("watchparty.housekeeping.freed", "By", "What prunes and clears freed");
    private static readonly Counter<long> PollFailures =
        Meter.CreateCounter<long>("watchparty.poll.failures", null, "Looks at the remote that brought no commit");

    public static void Ended(ReleaseReport report)
    {
        // Only the first word: the rest names people and releases.
        Releases.Add(1, new("outcome", report.Outcome.ToString()), new("trigger", report.Trigger.Split(' ', ':')[0]));
        ReleaseSeconds.Record(report.Seconds.Total, new KeyValuePair<string, object?>("outcome", report.Outcome.ToString()));
        foreach (var (phase, seconds) in Phases(report.Seconds))
        {
            Phase.Record(seconds, new KeyValuePair<string, object?>("phase", phase));
        }
        foreach (var service in report.Services.Where(s => s.Action == ServiceAction.Built))
        {
            var name = new KeyValuePair<string, object?>("service", service.Name);
            Build.Record(service.Seconds, name);
            Steps.Add(service.Steps.Cached, name, new("result", "cached"));
            Steps.Add(service.Steps.Executed, name, new("result", "executed"));
            Saved.Add(service.SecondsSaved, name);
        }
    }

    public static void Kept(HousekeepingReport report)
    {
        if (report.Outcome == "DryRun") { return; }
        HousekeepingRuns.Add(1, new("kind", report.Kind), new("outcome", report.Outcome));
        Freed.Add(report.FreedBytes, new KeyValuePair<string, object?>("kind", report.Kind));
    }

    public static void CacheSeen(IReadOnlyList<CacheRecord> records)
    {
        CacheSize.Record(records.Sum(r => r.Size));
        CacheRecords.Record(records.Count);
    }

    public static void PollFailed() => PollFailures.Add(1);

    /// <summary>The phases that were, in their order.</summary>
    internal static IEnumerable<(string Phase, double Seconds)> Phases(PhaseSeconds seconds) => new[]
    {
        ("detect", seconds.Detect), ("plan", seconds.Plan), ("build", seconds.Build), ("deploy", seconds.Deploy), ("verify",
            seconds.Verify),
    }.Where(p => p.Item2 > 0);
}

using System.Diagnostics;
using WatchParty.Releases.Planning;
using WatchParty.Releases.Recording;
using WatchParty.Releases.Releasing;
using WatchParty.Releases.Signals;

namespace WatchParty.Worker.Telemetry;

/// <summary>Counts releases, and makes a trace of each.</summary>
internal sealed class ReleaseTelemetry : IReleaseListener
{
    private static readonly ActivitySource Spans = new(Metrics.Name);

    public void Began(long release, string commit, string trigger)
    {
        // Its end tells all of it.
    }

    public void Ended(ReleaseReport report)
    {
        Metrics.Ended(report);
        if (Spans.HasListeners() && report.StartedAt is { } started) { Trace(report, started.AddSeconds(-report.Seconds.Detect)); }
    }

    /// <summary>Made of the record after the end, so that no step of the release depends on it. The phases follow one another; services are
    /// built side by side.</summary>
    private static void Trace(ReleaseReport report, DateTimeOffset began)
    {
        var current = Activity.Current;
        Activity.Current = null;
        try
        {
            using var release = Span("release", default, began, report.Seconds.Total);
            release?.SetTag("release", report.Release).SetTag("commit", report.Commit).SetTag("trigger", report.Trigger)
                .SetTag("outcome", report.Outcome.ToString());
            if (report.Error is { } error) { release?.SetStatus(ActivityStatusCode.Error, error); }
            var at = began;
            foreach (var (name, seconds) in Metrics.Phases(report.Seconds))
            {
                using var phase = Span(name, release?.Context ?? default, at, seconds);
                foreach (var service in name == "build" ? report.Services.Where(s => s.Action == ServiceAction.Built && s.Seconds > 0) : [])
                {
                    using var build = Span($"build {service.Name}", phase?.Context ?? default, at, service.Seconds);
                    build?.SetTag("service", service.Name).SetTag("reason", service.Reason).SetTag("steps.cached", service.Steps.Cached)
                        .SetTag("steps.executed", service.Steps.Executed).SetTag("fresh", service.Fresh);
                }
                at = at.AddSeconds(seconds);
            }
        }
        finally
        {
            Activity.Current = current;
        }
    }

    private static Activity? Span(string name, ActivityContext parent, DateTimeOffset start, double seconds) =>
        Spans.StartActivity(name, ActivityKind.Internal, parent, startTime: start)?.SetEndTime(start.AddSeconds(seconds).UtcDateTime);
}

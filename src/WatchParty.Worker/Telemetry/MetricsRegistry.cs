using System.Diagnostics.Metrics;
using System.Reflection;
using WatchParty.Releases.Recording;
using WatchParty.Releases.Signals;
using WatchParty.Worker.Operating;
using WatchParty.Worker.Triggering;

namespace WatchParty.Worker.Telemetry;

/// <summary>The metrics of the running service: what <see cref="Metrics"/> counts from the first call on, and what is looked up when it is
/// asked for.</summary>
internal sealed class MetricsRegistry : IDisposable
{
    private readonly Meter _meter = new(Metrics.Name);
    private readonly PrometheusText _text = new(Metrics.Name);

    public MetricsRegistry(WorkGate gate, History history, Func<PollState> poll)
    {
        static Measurement<double>[] Time(DateTimeOffset? at) => at is { } time ? [new(time.ToUnixTimeMilliseconds() / 1000.0)] : [];

        _meter.CreateObservableGauge("watchparty.info",
            () => new Measurement<int>(1, new KeyValuePair<string, object?>("version", Version)), null, "The program");
        _meter.CreateObservableGauge("watchparty.work.running", () => gate.Current is null ? 0 : 1, null,
            "Whether a release, a prune or a clear is under way");
        _meter.CreateObservableGauge("watchparty.work.waiting", () => gate.Waiting, null, "Work that waits for the one under way");
        _meter.CreateObservableGauge("watchparty.poll.failing", () => poll().Error is null ? 0 : 1, null,
            "Whether the remote does not answer");
        _meter.CreateObservableGauge("watchparty.poll.last_success.timestamp", () => Time(poll().LastSuccess), "s",
            "When the remote last named a commit");
        _meter.CreateObservableGauge("watchparty.release.last_success.timestamp", () => Time(history.LastSuccess()), "s",
            "When a release last went well");
    }

    private static string Version { get; } =
        typeof(MetricsRegistry).Assembly.GetCustomAttribute<AssemblyInformationalVersionAttribute>()?.InformationalVersion ?? "";

    /// <summary>All of it in the text form of Prometheus, <see cref="PrometheusText.ContentType"/>.</summary>
    public string Render() => _text.Render();

    public void Dispose()
    {
        _text.Dispose();
        _meter.Dispose();
    }
}

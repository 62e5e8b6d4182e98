using Microsoft.Extensions.Hosting;
using OpenTelemetry;
using OpenTelemetry.Exporter;
using OpenTelemetry.Metrics;
using OpenTelemetry.Resources;
using OpenTelemetry.Trace;
using WatchParty.Releases.Signals;
using WatchParty.Tools.Configuration;

namespace WatchParty.Worker.Telemetry;

/// <summary>Sends metrics and traces to a collector (<c>Telemetry:OtlpEndpoint</c>), as OTLP over HTTP.</summary>
/// <remarks>A collector that is away costs nothing but the data. What else OTLP knows, such as headers, is set by the variables
/// of the environment that OpenTelemetry documents (<c>OTEL_EXPORTER_OTLP_HEADERS</c>).</remarks>
/// <param name="registry">Named here because its gauges exist only with it.</param>
internal sealed class OtlpExport(TelemetryOptions options, MetricsRegistry registry) : IHostedService, IDisposable
{
    private const int PatienceMilliseconds = 3000;
    private MeterProvider? _metrics;
    private TracerProvider? _traces;

    public Task StartAsync(CancellationToken cancellationToken)
    {
        if (options.OtlpEndpoint is not { } endpoint) { return Task.CompletedTask; }
        ArgumentNullException.ThrowIfNull(registry);
        var resource = ResourceBuilder.CreateDefault().AddService("watchparty-worker", serviceInstanceId: Environment.MachineName);
        void To(OtlpExporterOptions exporter, string path)
        {
            exporter.Protocol = OtlpExportProtocol.HttpProtobuf;
            exporter.Endpoint = new Uri($"{endpoint.TrimEnd('/')}/v1/{path}");
            exporter.TimeoutMilliseconds = PatienceMilliseconds;
        }
        _metrics = Sdk.CreateMeterProviderBuilder().SetResourceBuilder(resource).AddMeter(Metrics.Name)
            .AddOtlpExporter(o => To(o, "metrics")).Build();
        _traces = Sdk.CreateTracerProviderBuilder().SetResourceBuilder(resource).AddSource(Metrics.Name)
            .AddOtlpExporter(o => To(o, "traces")).Build();
        return Task.CompletedTask;
    }

    public Task StopAsync(CancellationToken cancellationToken) => Task.CompletedTask;

    /// <summary>Sends what is left.</summary>
    public void Dispose()
    {
        _traces?.Dispose();
        _metrics?.Dispose();
    }
}

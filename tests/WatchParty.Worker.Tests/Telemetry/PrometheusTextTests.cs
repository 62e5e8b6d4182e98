using System.Diagnostics.Metrics;
using WatchParty.Worker.Telemetry;

namespace WatchParty.Worker.Tests.Telemetry;

public sealed class PrometheusTextTests : IDisposable
{
    private readonly Meter _meter = new($"test {Guid.NewGuid()}");
    private readonly PrometheusText _text;

    public PrometheusTextTests() => _text = new PrometheusText(_meter.Name);

    public void Dispose()
    {
        _text.Dispose();
        _meter.Dispose();
    }

    private string[] Lines() => _text.Render().Split('\n', StringSplitOptions.RemoveEmptyEntries);

    private static KeyValuePair<string, object?> Tag(string name, object? value) => new(name, value);

    [Fact]
    public void Counter_AddsUp_ForEachSetOfLabels_WhateverTheirOrder()
    {
        var counter = _meter.CreateCounter<long>("app.releases", null, "Releases");
        counter.Add(1, Tag("outcome", "Succeeded"), Tag("by", "poll"));
        counter.Add(2, Tag("by", "poll"), Tag("outcome", "Succeeded"));
        counter.Add(1, Tag("outcome", "Failed"), Tag("by", "poll"));

        Assert.Equal(
            [
                "# HELP app_releases_total Releases", "# TYPE app_releases_total counter",
                "app_releases_total{by=\"poll\",outcome=\"Failed\"} 1", "app_releases_total{by=\"poll\",outcome=\"Succeeded\"} 3",
            ], Lines());
    }

    [Fact]
    public void Histogram_CountsIntoEveryBucketThatIsLargeEnough()
    {
        var histogram = _meter.CreateHistogram("app.time", "s", "Time", null, new InstrumentAdvice<double> { HistogramBucketBoundaries = [0.5, 1, 10] });
        foreach (var seconds in (double[])[0.5, 0.7, 100]) { histogram.Record(seconds, Tag("phase", "build")); }

        Assert.Equal(
            [
                "# HELP app_time_seconds Time", "# TYPE app_time_seconds histogram",
                "app_time_seconds_bucket{phase=\"build\",le=\"0.5\"} 1", "app_time_seconds_bucket{phase=\"build\",le=\"1\"} 2",
                "app_time_seconds_bucket{phase=\"build\",le=\"10\"} 2", "app_time_seconds_bucket{phase=\"build\",le=\"+Inf\"} 3",
                "app_time_seconds_sum{phase=\"build\"} 101.2", "app_time_seconds_count{phase=\"build\"} 3",
            ], Lines());
    }

    [Fact]
    public void Gauge_ShowsItsLastValue_AndAnObservedOneOnlyWhatIsNow()
    {
        var gauge = _meter.CreateGauge<long>("size", "By");
        gauge.Record(10);
        gauge.Record(7);
        var names = new List<string> { "a", "b" };
        _meter.CreateObservableGauge("there", () => names.Select(n => new Measurement<int>(1, Tag("name", n))));

        Assert.Equal(["size_bytes 7", "there{name=\"a\"} 1", "there{name=\"b\"} 1"], Lines().Where(l => l[0] != '#'));
        names.Remove("a");
        Assert.Equal(["size_bytes 7", "there{name=\"b\"} 1"], Lines().Where(l => l[0] != '#'));
    }

    [Fact]
    public void NamesLabelsAndHelp_AreEscaped()
    {
        _meter.CreateCounter<int>("9 odd-name", null, "first\\line\nsecond \"line\"").Add(1, Tag("a.b", "c:\\d \"e\"\nf"), Tag("none", null));

        Assert.Equal(
            ["# HELP _9_odd_name_total first\\\\line\\nsecond \"line\"", "# TYPE _9_odd_name_total counter", "_9_odd_name_total{a_b=\"c:\\\\d \\\"e\\\"\\nf\",none=\"\"} 1"], Lines());
    }

    [Fact]
    public void Name_OfTwoInstruments_IsWrittenOnce()
    {
        _meter.CreateCounter<int>("twice").Add(1);
        _meter.CreateCounter<long>("twice").Add(2);
        _meter.CreateGauge<int>("twice.total").Record(5);

        Assert.Equal(["# HELP twice_total ", "# TYPE twice_total counter", "twice_total 3"], Lines());
    }

    [Fact]
    public void Instrument_OfAnotherMeter_IsNotWritten()
    {
        using var other = new Meter("another");
        other.CreateCounter<int>("other").Add(1);

        Assert.Empty(Lines());
    }

    [Fact]
    public void Numbers_OfManyThreads_AllCount()
    {
        var counter = _meter.CreateCounter<int>("many");
        Parallel.For(0, 10_000, i => counter.Add(1, Tag("i", i % 3)));

        Assert.Equal(10_000, Lines().Where(l => l[0] != '#').Sum(l => int.Parse(l.Split(' ')[1], System.Globalization.CultureInfo.InvariantCulture)));
    }
}

using System.Diagnostics.Metrics;
using System.Globalization;
using System.Text;
using System.Text.RegularExpressions;

namespace WatchParty.Worker.Telemetry;

/// <summary>Keeps the sums of a meter's instruments and writes them in the text form of Prometheus, version 0.0.4. Safe for use by several
/// threads.</summary>
/// <remarks>OpenTelemetry's exporter for Prometheus never left its beta.</remarks>
internal sealed partial class PrometheusText : IDisposable
{
    public const string ContentType = "text/plain; version=0.0.4; charset=utf-8";

    private readonly Lock _lock = new();
    private readonly Lock _rendering = new();
    private readonly SortedDictionary<string, Family> _families = new(StringComparer.Ordinal);
    private readonly MeterListener _listener = new();

    /// <param name="meter">Name of the meters to listen to, from now on.</param>
    public PrometheusText(string meter)
    {
        _listener.InstrumentPublished = (instrument, listener) =>
        {
            if (instrument.Meter.Name == meter && FamilyOf(instrument) is { } family)
            {
                listener.EnableMeasurementEvents(instrument, family);
            }
        };
        _listener.SetMeasurementEventCallback<int>((_, value, tags, family) => Add(value, tags, family));
        _listener.SetMeasurementEventCallback<long>((_, value, tags, family) => Add(value, tags, family));
        _listener.SetMeasurementEventCallback<double>((_, value, tags, family) => Add(value, tags, family));
        _listener.Start();
    }

    public string Render()
    {
        // One at a time: another would clear what this one has looked up. Not under the other lock, which what is looked up may wait for.
        lock (_rendering)
        {
            lock (_lock)
            {
                // What is looked up now must not show what it no longer names.
                foreach (var family in _families.Values.Where(f => f.IsObserved)) { family.Series.Clear(); }
            }
            _listener.RecordObservableInstruments();
            var text = new StringBuilder();
            lock (_lock)
            {
                foreach (var (name, family) in _families.Where(f => f.Value.Series.Count > 0)) { family.Write(name, text); }
            }
            return text.ToString();
        }
    }

    public void Dispose() => _listener.Dispose();

    /// <returns>Null for an instrument whose name another one of another type has already.</returns>
    private Family? FamilyOf(Instrument instrument)
    {
        var type = instrument.GetType().GetGenericTypeDefinition();
        var counts = type == typeof(Counter<>) || type == typeof(ObservableCounter<>);
        var family = new Family(
            type == typeof(Histogram<>) ? "histogram" : counts ? "counter" : "gauge", instrument.Description ?? "",
            Adds: type == typeof(Counter<>) || type == typeof(UpDownCounter<>), instrument.IsObservable,
            [.. (instrument as Histogram<double>)?.Advice?.HistogramBucketBoundaries ?? [0.1, 0.5, 1, 5, 10, 60, 600]]);
        lock (_lock)
        {
            var name = NameOf(instrument, counts);
            return _families.TryAdd(name, family) ? family : _families[name].Type == family.Type ? _families[name] : null;
        }
    }

    private static string NameOf(Instrument instrument, bool counts)
    {
        var name = NotOfAName().Replace(instrument.Name, "_");
        if (char.IsAsciiDigit(name[0])) { name = $"_{name}"; }
        var unit = instrument.Unit switch { "s" => "_seconds", "By" => "_bytes", _ => "" };
        if (!name.EndsWith(unit, StringComparison.Ordinal)) { name += unit; }
        return counts && !name.EndsWith("_total", StringComparison.Ordinal) ? $"{name}_total" : name;
    }

    private void Add(double value, ReadOnlySpan<KeyValuePair<string, object?>> tags, object? state)
    {
        var family = (Family)state!;
        var labels = Labels(tags);
        lock (_lock)
        {
            if (!family.Series.TryGetValue(labels, out var series))
            {
                family.Series[labels] = series = new Series(new long[family.Bounds.Length]);
            }
            series.Add(value, family);
        }
    }

    private static string Labels(ReadOnlySpan<KeyValuePair<string, object?>> tags)
    {
        var labels = new SortedDictionary<string, string>(StringComparer.Ordinal);
        foreach (var (name, value) in tags)
        {
            labels[NotOfALabel().Replace(name, "_")] = Convert.ToString(value, CultureInfo.InvariantCulture) ?? "";
        }
        return string.Join(',', labels.Select(l => $"{l.Key}=\"{Escaped(l.Value).Replace("\"", "\\\"", StringComparison.Ordinal)}\""));
    }

    private static string Escaped(string text) =>
        text.Replace("\\", "\\\\", StringComparison.Ordinal).Replace("\n", "\\n", StringComparison.Ordinal);

    [GeneratedRegex("[^a-zA-Z0-9_:]")]
    private static partial Regex NotOfAName();

    [GeneratedRegex("[^a-zA-Z0-9_]|^(?=[0-9])")]
    private static partial Regex NotOfALabel();

    /// <summary>All of one name.</summary>
    /// <param name="Adds">Whether a measurement is added to the one before, or takes its place.</param>
    private sealed record Family(string Type, string Help, bool Adds, bool IsObserved, double[] Bounds)
    {
        public SortedDictionary<string, Series> Series { get; } = new(StringComparer.Ordinal);

        public void Write(string name, StringBuilder text)
        {
            text.Append(CultureInfo.InvariantCulture, $"# HELP {name} {Escaped(Help)}\n# TYPE {name} {Type}\n");
            foreach (var (labels, series) in Series)
            {
                if (Type != "histogram")
                {
                    Line(name, labels, series.Sum);
                    continue;
                }
                var comma = labels.Length == 0 ? "" : ",";
                foreach (var (bound, count) in Bounds.Zip(series.Buckets))
                {
                    Line($"{name}_bucket", $"{labels}{comma}le=\"{Number(bound)}\"", count);
                }
                Line($"{name}_bucket", $"{labels}{comma}le=\"+Inf\"", series.Count);
                Line($"{name}_sum", labels, series.Sum);
                Line($"{name}_count", labels, series.Count);
            }

            void Line(string line, string labels, double value) =>
                text.Append(line).Append(labels.Length == 0 ? "" : $"{{{labels}}}").Append(' ').Append(Number(value)).Append('\n');
        }

        private static string Number(double value) => value switch
        {
            double.PositiveInfinity => "+Inf",
            double.NegativeInfinity => "-Inf",
            _ => value.ToString("R", CultureInfo.InvariantCulture),
        };
    }

    private sealed class Series(long[] buckets)
    {
        public double Sum { get; private set; }

        public long Count { get; private set; }

        /// <summary>For each bound how many were at most that.</summary>
        public long[] Buckets { get; } = buckets;

        public void Add(double value, Family family)
        {
            if (family.Type == "histogram")
            {
                for (var i = 0; i < Buckets.Length; i++) { if (value <= family.Bounds[i]) { Buckets[i]++; } }
                Count++;
                Sum += value;
                return;
            }
            Sum = family.Adds ? Sum + value : value;
        }
    }
}

using System.Globalization;
using Serilog.Core;
using Serilog.Events;
using WatchParty.Tools.Redacting;

namespace WatchParty.Worker.Hosting;

/// <summary>The sinks that the configuration names, which write events in their own way: they get copies in which every value is safe to
/// print.</summary>
internal sealed class MaskedSinks(Logger sinks) : ILogEventSink, IDisposable
{
    public void Emit(LogEvent logEvent) => sinks.Write(new LogEvent(
        logEvent.Timestamp,
        logEvent.Level,
        logEvent.Exception is { } exception ? new Masked(exception) : null,
        logEvent.MessageTemplate,
        logEvent.Properties.Select(p => new LogEventProperty(p.Key, Mask(p.Value)))));

    public void Dispose() => sinks.Dispose();

    private static ScalarValue Mask(LogEventPropertyValue value) => value switch
    {
        ScalarValue { Value: string text } => new ScalarValue(EventText.OneLine(text)),
        ScalarValue { Value: null or bool or int or long or double or TimeSpan or DateTimeOffset } plain => plain,
        _ => new ScalarValue(EventText.OneLine(value.ToString("l", CultureInfo.InvariantCulture))),
    };

    private sealed class Masked(Exception exception) : Exception(EventText.Printable(exception.Message))
    {
        private readonly string _text = EventText.Printable(exception.ToString());

        public override string ToString() => _text;
    }
}

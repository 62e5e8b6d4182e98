using System.Globalization;
using Serilog.Events;
using Serilog.Formatting;
using WatchParty.Tools.Redacting;

namespace WatchParty.Worker.Hosting;

/// <summary>Log events for people: <c>[HH:mm:ss INF] message</c> on a console, with date, milliseconds and zone in a file, <c>Warning:
/// message</c> beside what a verb prints.</summary>
internal sealed class PlainFormatter(string? timeFormat) : ITextFormatter
{
    public static PlainFormatter ForConsole { get; } = new("HH:mm:ss");

    public static PlainFormatter ForFile { get; } = new("yyyy-MM-dd HH:mm:ss.fff zzz");

    public static PlainFormatter ForVerb { get; } = new(null);

    public void Format(LogEvent logEvent, TextWriter output)
    {
        var head = timeFormat is null
            ? $"{logEvent.Level}: "
            : $"[{logEvent.Timestamp.ToString(timeFormat, CultureInfo.InvariantCulture)} {Abbreviation(logEvent.Level)}] ";
        foreach (var line in EventText.Lines(logEvent))
        {
            output.Write($"{head}{line}\n");
            head = "";
        }
    }

    private static string Abbreviation(LogEventLevel level) => level switch
    {
        LogEventLevel.Fatal => "FTL",
        LogEventLevel.Error => "ERR",
        LogEventLevel.Warning => "WRN",
        LogEventLevel.Information => "INF",
        LogEventLevel.Debug => "DBG",
        _ => "VRB",
    };
}

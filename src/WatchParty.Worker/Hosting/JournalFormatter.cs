using Serilog.Events;
using Serilog.Formatting;
using WatchParty.Tools.Redacting;

namespace WatchParty.Worker.Hosting;

/// <summary>Log events for journald: each line begins with its priority, <c>&lt;2&gt;</c> to <c>&lt;7&gt;</c> (sd-daemon(3)); the journal
/// has the time.</summary>
internal sealed class JournalFormatter : ITextFormatter
{
    public void Format(LogEvent logEvent, TextWriter output)
    {
        foreach (var line in EventText.Lines(logEvent)) { output.Write($"<{Priority(logEvent.Level)}>{line}\n"); }
    }

    private static int Priority(LogEventLevel level) => level switch
    {
        LogEventLevel.Fatal => 2,
        LogEventLevel.Error => 3,
        LogEventLevel.Warning => 4,
        LogEventLevel.Information => 6,
        _ => 7,
    };
}

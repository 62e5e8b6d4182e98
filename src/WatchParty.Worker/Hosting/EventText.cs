using System.Globalization;
using System.Text;
using Serilog.Events;
using Serilog.Formatting.Display;
using WatchParty.Worker.Tools;

namespace WatchParty.Worker.Hosting;

/// <summary>The lines of one log event, safe to print: no value in it can pass for another event, move the cursor, or show a URL's password.</summary>
internal static class EventText
{
    private const int LineLimit = 16 * 1024;
    private const int LinesLimit = 200;

    // Without quotes around text: the messages read as sentences.
    private static readonly MessageTemplateTextFormatter Message = new("{Message:lj}", CultureInfo.InvariantCulture);

    /// <summary>The message, then the exception; every line but the first is indented, so that none of them looks like a first.</summary>
    public static IEnumerable<string> Lines(LogEvent logEvent)
    {
        using var text = new StringWriter(CultureInfo.InvariantCulture);
        Message.Format(logEvent, text);
        if (logEvent.Exception is not null) { text.Write($"\n{logEvent.Exception}"); }
        var lines = Redaction.Apply(text.ToString()).Replace("\r\n", "\n", StringComparison.Ordinal).TrimEnd('\n').Split('\n');
        for (var i = 0; i < lines.Length && i < LinesLimit; i++) { yield return (i == 0 ? "" : "  ") + Escape(lines[i]); }
        if (lines.Length > LinesLimit) { yield return $"  … and {lines.Length - LinesLimit} more lines"; }
    }

    private static string Escape(string line)
    {
        var cut = line.Length > LineLimit ? $"{line[..LineLimit]}… and {line.Length - LineLimit} more characters" : line;
        if (!cut.Any(MustBeEscaped)) { return cut; }
        var escaped = new StringBuilder(cut.Length + 16);
        foreach (var c in cut)
        {
            if (MustBeEscaped(c)) { escaped.Append(CultureInfo.InvariantCulture, $"\\u{(int)c:x4}"); } else { escaped.Append(c); }
        }
        return escaped.ToString();
    }

    // Control characters, the other line separators of Unicode, and the marks that turn the direction of text. Tabs align stack traces.
    private static bool MustBeEscaped(char c) =>
        (char.IsControl(c) && c != '\t') || c is '\u2028' or '\u2029' or '\u061c' or '\u200e' or '\u200f' or (>= '\u202a' and <= '\u202e') or (>= '\u2066' and <= '\u2069');
}

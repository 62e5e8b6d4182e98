using System.Globalization;
using System.Text;
using Serilog.Events;
using Serilog.Formatting.Display;

namespace WatchParty.Tools.Redacting;

/// <summary>Text that is safe to print: nothing in it can pass for another event, move the cursor, turn the direction of writing, or show a
/// secret.</summary>
internal static class EventText
{
    private const int LineLimit = 16 * 1024;
    private const int LinesLimit = 200;

    // Without quotes around text: the messages read as sentences.
    private static readonly MessageTemplateTextFormatter Message = new("{Message:lj}", CultureInfo.InvariantCulture);

    /// <summary>The message of a log event, then the exception; every line but the first is indented, so that none of them looks like a
    /// first.</summary>
    public static IEnumerable<string> Lines(LogEvent logEvent)
    {
        using var text = new StringWriter(CultureInfo.InvariantCulture);
        Message.Format(logEvent, text);
        if (logEvent.Exception is not null) { text.Write($"\n{logEvent.Exception}"); }
        var lines = Redaction.Apply(text.ToString()).Replace("\r\n", "\n", StringComparison.Ordinal).TrimEnd('\n').Split('\n');
        for (var i = 0; i < lines.Length && i < LinesLimit; i++) { yield return (i == 0 ? "" : "  ") + Escape(lines[i]); }
        if (lines.Length > LinesLimit) { yield return $"  … and {lines.Length - LinesLimit} more lines"; }
    }

    /// <summary>Words for a terminal or a document: lines and tabs stay.</summary>
    public static string Printable(string text) =>
        string.Join('\n', Redaction.Apply(text).Replace("\r\n", "\n", StringComparison.Ordinal).Split('\n').Select(EscapeWhole));

    /// <summary>Words of which a line break would make two messages.</summary>
    public static string OneLine(string text) => EscapeWhole(Redaction.Apply(text).ReplaceLineEndings(" "));

    private static string Escape(string line) =>
        EscapeWhole(line.Length > LineLimit ? $"{line[..LineLimit]}… and {line.Length - LineLimit} more characters" : line);

    internal static string EscapeWhole(string line)
    {
        if (!line.Any(MustBeEscaped)) { return line; }
        var escaped = new StringBuilder(line.Length + 16);
        foreach (var c in line)
        {
            if (MustBeEscaped(c)) { escaped.Append(CultureInfo.InvariantCulture, $"\\u{(int)c:x4}"); } else { escaped.Append(c); }
        }
        return escaped.ToString();
    }

    // Control characters, the other line separators of Unicode, and the marks that turn the direction of text. Tabs align stack traces.
    private static bool MustBeEscaped(char c) =>
        (char.IsControl(c) && c != '\t') || c is '\u2028' or '\u2029' or '\u061c' or '\u200e' or '\u200f' or (>= '\u202a' and <= '\u202e')
        or (>= '\u2066' and <= '\u2069');
}

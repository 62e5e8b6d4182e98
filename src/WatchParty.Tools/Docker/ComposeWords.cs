using System.Text.RegularExpressions;
using WatchParty.Tools.Redacting;

namespace WatchParty.Tools.Docker;

/// <summary>What compose says on its way, as people should read it.</summary>
internal static partial class ComposeWords
{
    private static readonly string[] Verdicts = ["Error", "dependency "];
    private static readonly string[] Troubles = ["rror", "unhealthy", "not healthy", "exited"];

    /// <summary>What it was not content with and went on all the same.</summary>
    public static IReadOnlyList<string> Warnings(string text) =>
    [
        .. Logged().Matches(text).Select(m => Unquoted(m.Groups[1].Value))
            // A line of the file that is without effect; and what is told in our own words.
            .Where(w => !w.Contains("is obsolete", StringComparison.Ordinal))
            .Where(w => !w.StartsWith("Found orphan containers", StringComparison.Ordinal))
            .Concat(Resources().Matches(text)
                .Select(m => $"{m.Groups[1].Value} exists with other options than the compose file has, and stays as it is"))
            .Select(w => Redaction.Apply($"compose: {w.Trim()}")).Distinct(),
    ];

    /// <summary>Why it ended with <paramref name="exitCode"/>.</summary>
    public static string Complaint(string errors, int exitCode)
    {
        var lines = errors.Split('\n', StringSplitOptions.RemoveEmptyEntries | StringSplitOptions.TrimEntries);
        // Progress lines repeat what the last line says.
        var told = lines.Where(l => Verdicts.Any(v => l.StartsWith(v, StringComparison.OrdinalIgnoreCase))).ToList();
        if (told.Count == 0) { told = [.. lines.Where(l => Troubles.Any(t => l.Contains(t, StringComparison.Ordinal)))]; }
        return told.Count > 0
            ? string.Join("; ", told.Distinct().TakeLast(3))
            : lines.LastOrDefault() ?? $"it ended with exit code {exitCode} and said nothing";
    }

    private static string Unquoted(string text) =>
        text.Replace("\\\"", "\"", StringComparison.Ordinal).Replace("\\n", " ", StringComparison.Ordinal);

    [GeneratedRegex("""level=warning msg="((?:[^"\\]|\\.)*)"$""", RegexOptions.Multiline, 1000)]
    private static partial Regex Logged();

    [GeneratedRegex("""((?:Volume|Network) "[^"\n]*") exists but doesn't match configuration""", RegexOptions.None, 1000)]
    private static partial Regex Resources();
}

using System.Text.RegularExpressions;

namespace WatchParty.Worker.Tools;

/// <summary>Takes secrets out of text that goes to a log, the record or a person.</summary>
internal static partial class Redaction
{
    /// <summary><paramref name="text"/> with the user part of every URL (<c>https://user:token@host</c>) masked, and what compose repeats of
    /// a line of an env file that it cannot read.</summary>
    public static string Apply(string text)
    {
        if (text.Contains("://", StringComparison.Ordinal)) { text = UserPart().Replace(text, "$1***@"); }
        return EnvironmentLine().Replace(text, "$1***");
    }

    // "ssh://git@host" names no secret, so a user part without a password stays for ssh.
    [GeneratedRegex(@"\b((?!ssh://[^:/@\s]+@)[a-z][a-z0-9+.-]*://)[^/\s]+@", RegexOptions.IgnoreCase, 1000)]
    private static partial Regex UserPart();

    // compose-go's dotenv/parser.go and template.go; the line number before it stays.
    [GeneratedRegex(@"(unterminated quoted value |unexpected character ""[^""]*"" in variable name |Invalid template: ).+", RegexOptions.None, 1000)]
    private static partial Regex EnvironmentLine();
}

using System.Text.RegularExpressions;

namespace WatchParty.Worker.Tools;

/// <summary>Takes secrets out of text that goes to a log, the record or a person.</summary>
internal static partial class Redaction
{
    /// <summary><paramref name="text"/> with the user part of every URL (<c>https://user:token@host</c>) masked.</summary>
    public static string Apply(string text) => text.Contains("://", StringComparison.Ordinal) ? UserPart().Replace(text, "$1***@") : text;

    // "ssh://git@host" names no secret, so a user part without a password stays for ssh.
    [GeneratedRegex(@"\b((?!ssh://[^:/@\s]+@)[a-z][a-z0-9+.-]*://)[^/\s]+@", RegexOptions.IgnoreCase, 1000)]
    private static partial Regex UserPart();
}

using System.Text.RegularExpressions;
using WatchParty.Tools.Failures;
using WatchParty.Tools.Redacting;

namespace WatchParty.Tools.Git;

/// <summary>Turns what git prints when it fails into one line for people, with what to do about it.</summary>
internal static partial class GitFailure
{
    private static readonly (string Words, string Fix)[] Fixes =
    [
        ("Host key verification failed",
            "Put the host's key into known_hosts of the service's user: ssh-keyscan HOST, compare the fingerprint with the one the host " +
            "publishes, then append it"),
        ("REMOTE HOST IDENTIFICATION HAS CHANGED", "The host's key has changed: ask its owner why before replacing it in known_hosts"),
        ("Permission denied (", "Add the service user's public key as a deploy key, or name another key in Repository:SshCommand"),
        ("could not read Username",
            "Store a name and a token for the service's user, for example with `git config --global credential.helper store`"),
        ("could not read Password", "Store a token for the service's user, for example with `git config --global credential.helper store`"),
        ("Authentication failed", "The stored name or token is refused: renew it"),
        ("dubious ownership", "Make the service's user the owner, or let it run `git config --global --add safe.directory FOLDER`"),
        ("unsafe repository", "Make the service's user the owner, or let it run `git config --global --add safe.directory FOLDER`"),
        ("Permission denied", "Let the service's user read and write the checkout"),
        ("insufficient permission", "Let the service's user read and write the checkout"),
        ("Read-only file system", "Let the service write to the checkout (ReadWritePaths= of its unit)"),
        ("index file", "Make the index again, in the checkout: rm .git/index && git reset"),
        ("transport '", "Use an https, ssh or path URL for the remote"),
    ];

    private static readonly string[] RetriedByItself =
        ["No space left on device", ".lock': File exists", "Another git process", "Connection ", "Could not resolve", "unable to access",
            "timed out"];

    /// <summary>The line of <paramref name="errors"/> that says most, secrets masked and at most 300 characters long.</summary>
    public static string Reason(string errors)
    {
        // git lists files in lines that begin with a tab.
        var lines = errors.Split('\n').Select(l => (Listed: l.StartsWith('\t'), Text: Unprintable().Replace(l, " ").Trim()))
            .Where(l => l.Text.Length > 0).ToList();
        // The first one is the cause; what follows is who gave up because of it.
        var at = lines.FindIndex(l => l.Text.StartsWith("fatal: ", StringComparison.Ordinal));
        if (at < 0) { at = lines.FindIndex(l => l.Text.StartsWith("error: ", StringComparison.Ordinal)); }
        if (at < 0) { at = lines.Count - 1; }
        if (at < 0) { return "git gave no reason"; }
        // Behind SSH git knows only that it read nothing; what SSH said stands above.
        if (at > 0 && lines[at].Text.Contains("Could not read from remote repository", StringComparison.Ordinal)) { at--; }
        // The server's own words ("remote: Repository not found.") beat git's ("repository '…' not found").
        var said = lines.Where(l => l.Text.StartsWith("remote: ", StringComparison.Ordinal)).Take(1).Select(l => $" ({l.Text[8..]})")
            .FirstOrDefault();
        var listed = string.Join(", ", lines.Skip(at + 1).TakeWhile(l => l.Listed).Select(l => l.Text));
        var line = Redaction.Apply($"{lines[at].Text}{(listed.Length > 0 ? " " : "")}{listed}{said}");
        line = Milliseconds().Replace(Prefix().Replace(line, ""), "").TrimEnd('.');
        return Redaction.Shorten(line, 300);
    }

    /// <summary>The reason, followed by what to do where that is known.</summary>
    public static string Describe(string errors)
    {
        var fix = Fixes.FirstOrDefault(f => errors.Contains(f.Words, StringComparison.Ordinal)).Fix;
        return fix is null ? Reason(errors) : $"{Reason(errors)}. {fix}";
    }

    public static Remedy RemedyOf(string errors) =>
        RetriedByItself.Any(w => errors.Contains(w, StringComparison.Ordinal)) ? Remedy.RetriedByItself : Remedy.NeedsPerson;

    [GeneratedRegex(@"\p{C}")]
    private static partial Regex Unprintable();

    [GeneratedRegex("^(fatal|error): ")]
    private static partial Regex Prefix();

    // curl's times would make every try look like another reason.
    [GeneratedRegex(@" after \d+ ms")]
    private static partial Regex Milliseconds();
}

using System.Text.RegularExpressions;

namespace WatchParty.Tools.Git;

/// <summary>One setting of git.</summary>
/// <param name="Scope"><c>system</c>, <c>global</c>, <c>local</c>, <c>worktree</c> or <c>command</c>.</param>
/// <param name="Origin">File it stands in; empty for the command line.</param>
/// <param name="Key">Section and variable in lower case, the part between as written.</param>
internal sealed record GitSetting(string Scope, string Origin, string Key, string Value)
{
    /// <summary>Whether it stands in the checkout, where more people than the operator may write.</summary>
    public bool IsLocal => Scope is "local" or "worktree";
}

/// <summary>Which settings of a checkout could start a program or lead git elsewhere, and so are refused there.</summary>
/// <remarks>Sources: git-config(1), and the runs of each key against a marker program in the tests. Not listed: what
/// <see cref="GitCommands"/> switches off (core.hooksPath, core.fsmonitor, core.askPass, protocol.*) and what only
/// commands that the worker never runs would use (alias, pager, editor, mergetool).</remarks>
internal static partial class GitConfigurationRules
{
    // What `git lfs install --local` writes, with and without --skip-smudge.
    private static readonly string[] Lfs =
    [
        "git-lfs clean -- %f", "git-lfs smudge -- %f", "git-lfs smudge --skip -- %f", "git-lfs filter-process",
        "git-lfs filter-process --skip",
    ];

    /// <summary>The settings of <paramref name="settings"/> that the checkout must not hold, each with what to do instead.</summary>
    public static IReadOnlyList<string> Refused(IEnumerable<GitSetting> settings) =>
        [.. settings.Where(s => s.IsLocal).Select(s => Fix(s) is { } fix ? $"{s.Key} ({fix})" : null).OfType<string>().Distinct()];

    /// <summary>Reads <c>git config --list -z --show-scope --show-origin</c>.</summary>
    public static IEnumerable<GitSetting> Parse(string output)
    {
        var fields = output.Split('\0');
        for (var i = 0; i + 2 < fields.Length; i += 3)
        {
            var origin = fields[i + 1].StartsWith("file:", StringComparison.Ordinal) ? fields[i + 1][5..] : "";
            yield return ParseOne(fields[i], origin, fields[i + 2]);
        }
    }

    /// <summary>Reads <c>git config --file F --list -z</c>.</summary>
    public static IEnumerable<GitSetting> ParseFile(string output, string file) =>
        output.Split('\0', StringSplitOptions.RemoveEmptyEntries).Select(f => ParseOne("local", file, f));

    private static GitSetting ParseOne(string scope, string origin, string field)
    {
        // A variable without "=" has no second line; git reads it as true.
        var end = field.IndexOf('\n', StringComparison.Ordinal);
        return end < 0 ? new(scope, origin, field, "true") : new(scope, origin, field[..end], field[(end + 1)..]);
    }

    private static string? Fix(GitSetting setting)
    {
        var section = setting.Key.Split('.')[0];
        var variable = setting.Key[(setting.Key.LastIndexOf('.') + 1)..];
        const string global = "move it to the global configuration of the service's user";
        const string remove = "remove it with `git config --local --unset-all`";
        return (section, variable) switch
        {
            ("core", "sshcommand") => "write it to Repository:SshCommand or " + global,
            ("core", "gitproxy" or "alternaterefscommand") => global,
            ("filter", "clean" or "smudge" or "process") when !Lfs.Contains(setting.Value) => global,
            // The included file may lie in the tree, where every committer can change it.
            ("include" or "includeif", "path") => "write the settings themselves, or " + global,
            ("remote", "uploadpack" or "receivepack" or "vcs") => remove,
            ("url", "insteadof" or "pushinsteadof") => "write the full URL of the remote, or " + global,
            ("credential", "helper") when !PlainHelper().IsMatch(setting.Value) => global,
            ("gpg", "program" or "defaultkeycommand") => global,
            ("diff", "command" or "textconv" or "external") => global,
            ("merge", "driver") => global,
            ("hook", "command") => remove,
            ("uploadpack", "packobjectshook") => remove,
            ("submodule", "update") when setting.Value.StartsWith('!') => remove,
            ("lfs", "path" or "clean" or "smudge" or "standalonetransferagent") => global,
            _ => null,
        };
    }

    // "store --file=/etc/x" runs git-credential-store. "!" and "/" run what follows; the rest goes through a shell.
    [GeneratedRegex(@"\A([A-Za-z0-9][A-Za-z0-9_-]*( [A-Za-z0-9_=/.,:@%+~-]+)*)?\z")]
    private static partial Regex PlainHelper();
}

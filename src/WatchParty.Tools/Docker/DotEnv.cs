using System.Text.RegularExpressions;

namespace WatchParty.Tools.Docker;

/// <summary>The variables of env files, read as compose reads them (compose-go, dotenv/parser.go): for the few that say which files
/// compose takes.</summary>
/// <remarks>Compose reads the same files for everything else, and complains of what cannot be read; here it is passed over.</remarks>
/// <param name="environment">Gives the variables of the process. They go before those of a file.</param>
internal sealed partial class DotEnv(Func<string, string?> environment)
{
    private readonly Dictionary<string, (string File, string? Value)> _values = [];

    /// <summary>The value of a variable, and what sets it; null when nothing does.</summary>
    /// <exception cref="FormatException">It is made of what cannot be filled in here.</exception>
    public (string Value, string Source)? Find(string name)
    {
        if (environment(name) is { } given) { return (given, "the environment"); }
        if (!_values.TryGetValue(name, out var found)) { return null; }
        return (found.Value ?? throw new FormatException($"{name} in {found.File} has a variable that cannot be filled in"), found.File);
    }

    /// <summary>Adds a file. What it sets goes before what files before it set.</summary>
    public void Add(string file, string text)
    {
        text = text.ReplaceLineEndings("\n").TrimStart('\uFEFF');
        for (var at = 0; at < text.Length;)
        {
            var end = text.IndexOf('\n', at) is >= 0 and var newLine ? newLine : text.Length;
            var line = text[at..end];
            at = end + 1;
            if (Assignment().Match(line) is not { Success: true } found) { continue; }
            var (name, value) = (found.Groups["name"].Value, line[found.Length..]);
            if (!found.Groups["is"].Success)
            {
                // A name alone takes over what is known of it.
                if (environment(name) is { } inherited) { _values[name] = (file, inherited); }
            }
            else if (value.StartsWith('"') || value.StartsWith('\''))
            {
                var open = end - value.Length;
                if (Closing(text, open) is not { } close) { continue; }
                var inner = text[(open + 1)..close].Replace($"\\{value[0]}", $"{value[0]}", StringComparison.Ordinal);
                _values[name] = (file, value[0] == '\'' ? inner : Expand(Escape().Replace(inner, Unescaped)));
                at = close + 1;
            }
            else
            {
                if (value.IndexOf(" #", StringComparison.Ordinal) is >= 0 and var comment) { value = value[..comment]; }
                _values[name] = (file, Expand(value.TrimEnd()));
            }
        }
    }

    private bool IsUnusable(string name) => environment(name) is null && _values.TryGetValue(name, out var known) && known.Value is null;

    private static int? Closing(string text, int open)
    {
        for (var i = open + 1; i < text.Length; i++)
        {
            if (text[i] == '\\') { i++; } else if (text[i] == text[open]) { return i; }
        }
        return null;
    }

    private string? Expand(string value)
    {
        var whole = true;
        var expanded = Variable().Replace(value, match =>
        {
            if (match.Value == "$$") { return "$"; }
            if (match.Groups["name"] is not { Success: true, Value: var name } || IsUnusable(name))
            {
                whole = false;
                return "";
            }
            var (known, other) = (Find(name)?.Value, match.Groups["other"].Value);
            return match.Groups["how"].Value switch
            {
                ":-" => string.IsNullOrEmpty(known) ? other : known,
                "-" => known ?? other,
                ":+" => string.IsNullOrEmpty(known) ? "" : other,
                "+" => known is null ? "" : other,
                _ => known ?? "",
            };
        });
        return whole ? expanded : null;
    }

    private static string Unescaped(Match escape) => escape.Value[1] switch
    {
        '$' => "$$",
        'n' => "\n",
        'r' => "\r",
        't' => "\t",
        var itself => $"{itself}",
    };

    [GeneratedRegex(@"^\s*(export\s+)?(?<name>[\p{L}\p{N}_.\-\[\]]+)\s*((?<is>[=:])\s*|$)")]
    private static partial Regex Assignment();

    [GeneratedRegex(@"\\[nrt$""\\]")]
    private static partial Regex Escape();

    [GeneratedRegex(
        @"\$\$|\$(?<name>[A-Za-z_][A-Za-z0-9_]*)"
        + @"|\$\{(?<name>[A-Za-z_][A-Za-z0-9_]*)((?<how>:?[-+])(?<other>[^{}$]*))?\}|\$\{[^}]*\}?|\$")]
    private static partial Regex Variable();
}

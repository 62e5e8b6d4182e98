using System.Buffers;
using System.Text;
using System.Text.RegularExpressions;

namespace WatchParty.Worker.Planning;

/// <summary>One pattern of a <c>.dockerignore</c>, compiled once; a match takes time linear in the path.</summary>
/// <remarks>Source: moby/patternmatcher. A pattern without wildcards must equal the path, <c>x**</c> is a prefix and <c>**x</c> a
/// suffix of the text (not of path elements), everything else becomes a regular expression, whose special characters
/// <c>^</c>, <c>\d</c>, <c>\w</c>, … keep their meaning there.</remarks>
internal sealed class IgnorePattern
{
    private static readonly SearchValues<char> Special = SearchValues.Create(@"*[]?^\");
    private const int Longest = 300;
    private readonly Func<string, bool> _matches;

    private IgnorePattern(string pattern, bool isException)
    {
        IsException = isException;
        // Thousands of wildcards would take seconds. Taken so, too much counts as an input rather than too little.
        _matches = pattern.Length > Longest ? _ => isException : Compile(pattern);
        var root = Without(Without(pattern, "/**"), "/*");
        LiteralRoot = root.AsSpan().ContainsAny(Special) ? null : root;
    }

    /// <summary>Whether it brings files back (<c>!</c>).</summary>
    public bool IsException { get; }

    /// <summary>The path at or below which everything lies that it matches; null when wildcards leave that open.</summary>
    public string? LiteralRoot { get; }

    public bool Matches(string path) => _matches(path);

    /// <summary>Whether it may bring back something below <paramref name="folder"/>.</summary>
    public bool MayReturnBelow(string folder) => IsException && $"{LiteralRoot}/".StartsWith($"{folder}/", StringComparison.Ordinal);

    /// <summary>The pattern of a trimmed line; null when it is empty or names nothing.</summary>
    public static IgnorePattern? Parse(string line)
    {
        var isException = line.StartsWith('!');
        var pattern = isException ? line[1..].Trim() : line;
        if (pattern.Length == 0) { return null; }
        pattern = Clean(pattern);
        if (pattern.Length > 1 && pattern[0] == '/') { pattern = pattern[1..]; }
        // The list is cleaned once more with the "!" in front, and a "!!" that was left is not read again.
        if (isException) { return pattern == "/" ? null : new(pattern, true); }
        return pattern[0] == '!' ? new(pattern[1..], true) : new(pattern, false);
    }

    /// <summary>The shortest path of the same meaning: Go's <c>path.Clean</c>.</summary>
    private static string Clean(string path)
    {
        var isRooted = path[0] == '/';
        List<string> kept = [];
        foreach (var element in path.Split('/'))
        {
            if (element is "" or ".") { continue; }
            if (element != ".." || (kept.Count == 0 || kept[^1] == "..") && !isRooted) { kept.Add(element); }
            else if (kept.Count > 0) { kept.RemoveAt(kept.Count - 1); }
        }
        var clean = (isRooted ? "/" : "") + string.Join('/', kept);
        return clean.Length == 0 ? "." : clean;
    }

    private static string Without(string text, string ending) =>
        text.EndsWith(ending, StringComparison.Ordinal) ? text[..^ending.Length] : text;

    private static Func<string, bool> Compile(string pattern)
    {
        var text = new StringBuilder("^");
        var form = Form.Exact;
        for (var i = 0; i < pattern.Length; i++)
        {
            var c = pattern[i];
            if (c == '*' && i + 1 < pattern.Length && pattern[i + 1] == '*')
            {
                var isFirst = i == 0;
                i += i + 2 < pattern.Length && pattern[i + 2] == '/' ? 2 : 1;
                var isLast = i == pattern.Length - 1;
                text.Append(isLast ? ".*" : "(?:.*/)?");
                form = isFirst ? Form.Suffix : isLast && form == Form.Exact ? Form.Prefix : Form.Expression;
                continue;
            }
            switch (c)
            {
                case '*': text.Append("[^/]*"); break;
                // One character beyond the 16-bit range is two units in .NET.
                case '?': text.Append(@"(?:[\uD800-\uDBFF][\uDC00-\uDFFF]|[^/])"); break;
                case '\\' when i + 1 < pattern.Length: text.Append(Escaped(pattern[++i])); break;
                case '[' or ']': text.Append(c); break;
                default: text.Append(".+()|{}$".Contains(c, StringComparison.Ordinal) ? $"\\{c}" : c); continue;
            }
            form = Form.Expression;
        }

        switch (form)
        {
            case Form.Exact: return path => path == pattern;
            case Form.Prefix: return path => path.AsSpan().StartsWith(pattern.AsSpan()[..^2], StringComparison.Ordinal);
            case Form.Suffix:
                var suffix = pattern[2..];
                return path => path.EndsWith(suffix, StringComparison.Ordinal) || suffix.Length > 1 && suffix[0] == '/' && path.AsSpan().SequenceEqual(suffix.AsSpan(1));
            default: return Expression(text.Append("\\z").ToString());
        }
    }

    private static Func<string, bool> Expression(string text)
    {
        try
        {
            return new Regex(text, RegexOptions.NonBacktracking | RegexOptions.CultureInvariant | RegexOptions.ExplicitCapture).IsMatch;
        }
        catch (Exception e) when (e is ArgumentException or NotSupportedException)
        {
            return _ => false; // BuildKit refuses it, too.
        }
    }

    // The letters that mean a class or a place in Go's expressions; those of .NET also hold letters of other scripts.
    private static string Escaped(char c) => c switch
    {
        'd' => "[0-9]",
        'D' => "[^0-9]",
        'w' => "[0-9A-Za-z_]",
        'W' => "[^0-9A-Za-z_]",
        's' => @"[\t\n\f\r ]",
        'S' => @"[^\t\n\f\r ]",
        'a' or 'f' or 'n' or 'r' or 't' or 'v' or 'A' or 'b' or 'B' or 'z' => $"\\{c}",
        _ => char.IsAsciiLetterOrDigit(c) || !char.IsAscii(c) ? c.ToString() : $"\\{c}",
    };

    private enum Form { Exact, Prefix, Suffix, Expression }
}

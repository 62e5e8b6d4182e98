using System.Text;
using System.Text.RegularExpressions;

namespace WatchParty.Releases.Planning;

/// <summary>The values of the ARGs before the first FROM, which is all that a FROM can refer to.</summary>
/// <remarks>Sources: frontend/dockerfile/shell/lex.go, dockerfile2llb/convert.go.</remarks>
internal sealed partial class DockerfileVariables
{
    private const int NestingLimit = 16;
    private readonly Dictionary<string, string> _values = new(StringComparer.Ordinal);
    private readonly char _escape;

    /// <param name="instructions">What stands before the first FROM.</param>
    /// <param name="arguments">Build arguments; one replaces the default of a declared ARG.</param>
    public DockerfileVariables(IEnumerable<DockerfileInstruction> instructions, IReadOnlyDictionary<string, string> arguments, char escape)
    {
        _escape = escape;
        foreach (var (name, value) in arguments)
        {
            if (IsOfPlatform(name)) { _values[name] = value; }
        }
        foreach (var word in instructions.Where(i => i.Keyword == "ARG").SelectMany(i => i.Words))
        {
            var parts = word.Split('=', 2);
            if (arguments.TryGetValue(parts[0], out var given)) { _values[parts[0]] = given; }
            else if (parts.Length > 1 && Expand(parts[1]) is { } value) { _values[parts[0]] = value; }
        }
    }

    /// <summary>The word with its variables replaced and its quotes removed; null when it cannot be known here.</summary>
    public string? Expand(string word) => Expand(word, 0);

    // These have a value that depends on the platform that is built, unless it is given as an argument.
    private static bool IsOfPlatform(string name) =>
        (name.StartsWith("TARGET", StringComparison.Ordinal) ? name[6..]
            : name.StartsWith("BUILD", StringComparison.Ordinal) ? name[5..] : "")
            is "PLATFORM" or "OS" or "OSVERSION" or "ARCH" or "VARIANT" or "STAGE";

    private string? Expand(string word, int depth)
    {
        if (depth > NestingLimit) { return null; }
        var text = new StringBuilder();
        var quote = '\0';
        for (var i = 0; i < word.Length; i++)
        {
            var c = word[i];
            if (c == quote) { quote = '\0'; }
            else if (quote == '\0' && c is '"' or '\'') { quote = c; }
            else if (quote == '\'') { text.Append(c); }
            else if (c == _escape && i + 1 < word.Length) { text.Append(word[++i]); }
            else if (c != '$') { text.Append(c); }
            else
            {
                var end = EndOfReference(word, i + 1);
                if (Value(word[(i + 1)..end], depth) is not { } value) { return null; }
                text.Append(value);
                i = end - 1;
            }
        }
        return text.ToString();
    }

    private static int EndOfReference(string word, int start)
    {
        if (start >= word.Length || word[start] != '{')
        {
            var name = Name().Match(word, start, word.Length - start);
            return start + name.Length;
        }
        var open = 0;
        for (var i = start; i < word.Length; i++)
        {
            open += word[i] switch { '{' => 1, '}' => -1, _ => 0 };
            if (open == 0) { return i + 1; }
        }
        return word.Length;
    }

    /// <param name="reference">What follows the dollar sign, with its braces.</param>
    private string? Value(string reference, int depth)
    {
        if (reference.Length == 0) { return "$"; }
        if (reference[0] == '{' && reference[^1] != '}') { return null; }
        var inner = reference[0] == '{' ? reference[1..^1] : reference;
        var name = Name().Match(inner).Value;
        var value = _values.GetValueOrDefault(name);
        if (name.Length == 0 || value is null && IsOfPlatform(name)) { return null; }
        var rest = inner[name.Length..];
        var countsEmpty = rest.StartsWith(':');
        var isSet = value is not null && !(countsEmpty && value.Length == 0);
        return rest.TrimStart(':') switch
        {
            "" => countsEmpty ? null : value ?? "",
            ['-', .. var other] => isSet ? value : Expand(other, depth + 1),
            ['+', .. var other] => isSet ? Expand(other, depth + 1) : "",
            ['?', ..] => isSet ? value : null,
            _ => null, // patterns (#, %, /), which only newer frontends know
        };
    }

    [GeneratedRegex(@"\G[A-Za-z_][A-Za-z0-9_]*", RegexOptions.None, 1000)]
    private static partial Regex Name();
}

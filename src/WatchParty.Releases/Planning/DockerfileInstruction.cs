using System.Text;
using System.Text.Json;
using System.Text.RegularExpressions;

namespace WatchParty.Releases.Planning;

/// <summary>One instruction of a Dockerfile.</summary>
/// <param name="Line">Number of its first line, from 1.</param>
/// <param name="Keyword">In upper case.</param>
/// <param name="Text">What follows the keyword, continuation lines joined; the body of a heredoc is not part of it.</param>
internal sealed partial record DockerfileInstruction(int Line, string Keyword, string Text)
{
    /// <summary>The words of <see cref="Text"/> that are not flags, with their quotes.</summary>
    public IReadOnlyList<string> Words { get; private init; } = [];

    /// <summary>The <c>--name=value</c> in front of the words; the value is empty when there is none.</summary>
    public IReadOnlyList<(string Name, string Value)> Flags { get; private init; } = [];

    public IReadOnlyList<(string End, bool TrimsTabs)> Heredocs { get; private init; } = [];

    private DockerfileInstruction? Postponed { get; init; }

    /// <summary>The instruction itself, or for ONBUILD the one that it postpones.</summary>
    public DockerfileInstruction Effective() => Postponed ?? this;

    public string? Flag(string name) => Flags.FirstOrDefault(f => f.Name == name) is { Name: not null } flag ? flag.Value : null;

    /// <summary>The arguments of COPY or ADD: from the JSON form, or the words without their quotes.</summary>
    public IReadOnlyList<string> Arguments()
    {
        var json = string.Join(' ', Words);
        if (json.StartsWith('['))
        {
            try
            {
                using var document = JsonDocument.Parse(json);
                return [.. document.RootElement.EnumerateArray().Select(e => e.GetString() ?? "")];
            }
            catch (Exception e) when (e is JsonException or InvalidOperationException)
            {
                // Then BuildKit, too, takes it as words.
            }
        }
        return [.. Words.Select(w => w.Trim('"', '\''))];
    }

    public static DockerfileInstruction Parse(int line, string text, char escape)
    {
        var length = text.AsSpan().IndexOfAny(" \t");
        var keyword = (length < 0 ? text : text[..length]).ToUpperInvariant();
        var rest = length < 0 ? "" : text[length..].Trim();
        var words = Split(rest, escape);
        var flags = words.TakeWhile(w => w.StartsWith("--", StringComparison.Ordinal)).ToArray();
        var instruction = new DockerfileInstruction(line, keyword, rest)
        {
            Words = words[flags.Length..],
            Flags = [.. flags.Select(f => f[2..].Split('=', 2)).Select(f => (f[0], f.Length > 1 ? f[1].Trim('"', '\'') : ""))],
            Heredocs = keyword is "RUN" or "COPY" or "ADD" ? [.. words.Select(Heredoc).OfType<(string, bool)>()] : [],
        };
        // ONBUILD ONBUILD is refused, so one step is enough.
        if (keyword != "ONBUILD" || rest.StartsWith("ONBUILD", StringComparison.OrdinalIgnoreCase)) { return instruction; }
        var postponed = Parse(line, rest, escape);
        return instruction with { Postponed = postponed, Heredocs = postponed.Heredocs };
    }

    private static (string, bool)? Heredoc(string word)
    {
        var match = HeredocWord().Match(word);
        var end = match.Groups["end"].Value.Replace("\"", "", StringComparison.Ordinal).Replace("'", "", StringComparison.Ordinal);
        return end.Length > 0 ? (end, match.Groups["tabs"].Length > 0) : null;
    }

    /// <summary>Words at white space outside of quotes; quotes and escapes stay in them.</summary>
    private static List<string> Split(string text, char escape)
    {
        List<string> words = [];
        var word = new StringBuilder();
        var quote = '\0';
        for (var i = 0; i < text.Length; i++)
        {
            var c = text[i];
            if (quote == '\0' && char.IsWhiteSpace(c))
            {
                if (word.Length > 0) { words.Add(word.ToString()); }
                word.Clear();
                continue;
            }
            word.Append(c);
            if (c == escape && quote != '\'' && i + 1 < text.Length) { word.Append(text[++i]); }
            else if (c == quote) { quote = '\0'; }
            else if (quote == '\0' && c is '"' or '\'') { quote = c; }
        }
        if (word.Length > 0) { words.Add(word.ToString()); }
        return words;
    }

    // frontend/dockerfile/parser/parser.go: only a word that begins so; `x<<EOF`, "<<EOF" in quotes and <<<here are the shell's.
    [GeneratedRegex(@"^[0-9]*<<(?<tabs>-?)(?<end>[^<]*)$", RegexOptions.ExplicitCapture | RegexOptions.NonBacktracking)]
    private static partial Regex HeredocWord();
}

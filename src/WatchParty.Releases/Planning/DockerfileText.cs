using System.Text.RegularExpressions;

namespace WatchParty.Releases.Planning;

/// <summary>The lines of a Dockerfile, put together to instructions.</summary>
/// <remarks>Source: frontend/dockerfile/parser/parser.go. Comments and empty lines within a continued instruction are left out,
/// bodies of heredocs are skipped.</remarks>
internal static partial class DockerfileText
{
    /// <param name="Escape">The escape character, <c>\</c> or <c>`</c>.</param>
    /// <param name="Syntax">The image of the frontend that <c># syntax=</c> names.</param>
    internal sealed record Reading(char Escape, string? Syntax, IReadOnlyList<DockerfileInstruction> Instructions);

    public static Reading Read(string text)
    {
        var lines = text.TrimStart('\uFEFF').Split('\n').Select(l => l.EndsWith('\r') ? l[..^1] : l).ToArray();
        var (escape, syntax) = Directives(lines);
        List<DockerfileInstruction> instructions = [];
        for (var i = 0; i < lines.Length; i++)
        {
            var line = lines[i].TrimStart();
            if (line.Length == 0 || line[0] == '#') { continue; }
            var number = i + 1;
            while (Continues(ref line, escape) && ++i < lines.Length)
            {
                while (i < lines.Length && lines[i].TrimStart() is "" or ['#', ..]) { i++; }
                if (i < lines.Length) { line += lines[i]; }
            }
            var instruction = DockerfileInstruction.Parse(number, line.Trim(), escape);
            foreach (var heredoc in instruction.Heredocs)
            {
                do { i++; }
                while (i < lines.Length && (heredoc.TrimsTabs ? lines[i].TrimStart('\t') : lines[i]) != heredoc.End);
            }
            if (instruction.Keyword.Length > 0) { instructions.Add(instruction); }
        }
        return new(escape, syntax, instructions);
    }

    private static (char Escape, string? Syntax) Directives(string[] lines)
    {
        var (escape, syntax) = ('\\', (string?)null);
        foreach (var line in lines)
        {
            var match = Directive().Match(line.Trim());
            switch (match.Groups["key"].Value.ToUpperInvariant())
            {
                case "ESCAPE": escape = match.Groups["value"].Value == "`" ? '`' : '\\'; break;
                case "SYNTAX": syntax ??= match.Groups["value"].Value; break;
                case "CHECK": break;
                default: return (escape, syntax);
            }
        }
        return (escape, syntax);
    }

    // A doubled escape character at the end is a character, not a continuation.
    private static bool Continues(ref string line, char escape)
    {
        var end = line.AsSpan().TrimEnd(" \t").Length - 1;
        if (end < 0 || line[end] != escape || end > 0 && line[end - 1] == escape) { return false; }
        line = line[..end];
        return true;
    }

    [GeneratedRegex(@"^#\s*(?<key>[a-zA-Z][a-zA-Z0-9]*)\s*=\s*(?<value>.+)$", RegexOptions.ExplicitCapture | RegexOptions.NonBacktracking)]
    private static partial Regex Directive();
}

using System.Text.RegularExpressions;

namespace WatchParty.Releases.Baking;

/// <summary>What the name of a vertex says: <c>[target? platform? stage? n/m] RUN …</c>.</summary>
/// <remarks>Sources: <c>prefixCommand</c> in BuildKit's dockerfile2llb/convert.go (a Dockerfile of one stage shows no stage name,
/// unnamed ones of several are <c>stage-0</c>, …), buildx's util/progress (the target in front, when a bake has several).</remarks>
/// <param name="Target">Name of the bake target as the trace has it; empty when the bake has only one.</param>
/// <param name="Number">Number of the step in its stage; 0 for what is no step of a Dockerfile.</param>
/// <param name="Text">What follows the bracket.</param>
internal sealed partial record StepName(string Target, string Platform, string Stage, int Number, int Of, string Text)
{
    /// <summary>First word after the bracket, without ONBUILD.</summary>
    public string Instruction => Bare(Text).Split(' ', 2)[0];

    /// <summary>Whether the vertex is counted as a step. This is the one place that names what is not:</summary>
    /// <remarks>FROM and WORKDIR may end as cached in a build that is provably fresh, since <c>--no-cache</c> reaches only RUN, COPY and
    /// ADD (dockerfile2llb/convert.go), and so may everything internal: loading the context, resolving names, LINK, exporting.</remarks>
    public bool IsCounted => Number > 0 && Instruction is "RUN" or "COPY" or "ADD";

    /// <param name="targets">Names of the bake targets; one alone is not part of the names.</param>
    public static StepName Parse(string name, IReadOnlyCollection<string> targets)
    {
        var match = Bracket().Match(name);
        if (!match.Success) { return new("", "", "", 0, 0, name); }
        var words = match.Groups["words"].Value.Split(' ', StringSplitOptions.RemoveEmptyEntries).ToList();
        var (number, of) = TakeCount(words);
        var platform = words.Find(w => Platforms().IsMatch(w)) ?? "";
        words.Remove(platform);

        // A linked target (contexts: target:x) brings the prefix even when one target was asked for.
        var hasTarget = words.Count > (number > 0 ? 1 : 2) || words.Count > 0 && targets.Count > 1 && targets.Contains(words[0]);
        var target = hasTarget ? words[0] : "";
        var stage = words.Skip(hasTarget ? 1 : 0).FirstOrDefault("");
        return new(target, platform, stage, number, of, name[match.Length..]);
    }

    private static (int Number, int Of) TakeCount(List<string> words)
    {
        if (words.Count == 0 || words[^1].Split('/') is not [var first, var second]) { return default; }
        if (!int.TryParse(first, out var number) || !int.TryParse(second, out var of) || number <= 0) { return default; }
        words.RemoveAt(words.Count - 1);
        return (number, of);
    }

    private static string Bare(string text) => text.StartsWith("ONBUILD ", StringComparison.Ordinal) ? text[8..] : text;

    // The number is padded: "[builder  4/12] RUN".
    [GeneratedRegex(@"^\[(?<words>[^\[\]]*)\] ", RegexOptions.ExplicitCapture | RegexOptions.NonBacktracking)]
    private static partial Regex Bracket();

    // "linux/amd64", "linux/arm/v7", "linux/amd64->arm64"; a stage name can hold no slash.
    [GeneratedRegex(@"^[a-z]+[^/]*/[a-z0-9_]+", RegexOptions.NonBacktracking)]
    private static partial Regex Platforms();
}

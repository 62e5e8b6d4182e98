using System.Text.RegularExpressions;

namespace WatchParty.Releases.Planning;

/// <summary>How far each stage of a Dockerfile is the same for every commit: up to its first step that an argument with the commit
/// reaches.</summary>
/// <remarks>A RUN is reached by every ARG in force, used or not (it is in its environment, and so in its cache key); any other instruction
/// by what its text refers to; a stage by what it begins with or copies from. Where that is uncertain, a step counts as not
/// reached.</remarks>
internal sealed class CommitReach
{
    private readonly string[] _lines;
    private readonly IReadOnlyList<DockerfileStage> _stages;
    private readonly int[] _ends; // number of the last line of each stage
    private readonly Reach[] _reach;

    /// <param name="text">Text of the Dockerfile.</param>
    /// <param name="arguments">Names of the build arguments that have the commit in their value.</param>
    public CommitReach(string text, IReadOnlyCollection<string> arguments)
    {
        _lines = text.Split('\n');
        _stages = Dockerfile.Parse(text).Stages;
        _ends = [.. DockerfileText.Read(text).Instructions.Where(i => i.Keyword == "FROM").Skip(1).Select(i => i.Line - 1), _lines.Length];
        _reach = new Reach[_stages.Count];
        for (var i = 0; i < _reach.Length; i++) { _reach[i] = ReachOf(_stages[i], arguments); }
    }

    /// <summary>Whether the stage has steps of its own that are the same for every commit.</summary>
    public bool LeavesSteps(DockerfileStage stage) =>
        stage.Instructions.Take(_reach[stage.Index].First ?? stage.Instructions.Count).Any(i => i.Keyword is "RUN" or "COPY" or "ADD");

    /// <summary>The Dockerfile with the stage as far as it is the same for every commit; null when all of it is.</summary>
    public string? TextUpTo(DockerfileStage stage)
    {
        if (_reach[stage.Index].First is not { } first) { return null; }
        // A stage that begins with what the commit reaches has nothing to leave out by itself.
        if (first >= stage.Instructions.Count) { return null; }
        return string.Join('\n', [.. _lines[..(stage.Instructions[first].Line - 1)], .. _lines[_ends[stage.Index]..]]);
    }

    private Reach ReachOf(DockerfileStage stage, IReadOnlyCollection<string> arguments)
    {
        var from = _stages.Take(stage.Index).LastOrDefault(s => stage.Base.Equals(s.Name, StringComparison.OrdinalIgnoreCase));
        // What is declared before the first FROM has its value there too.
        HashSet<string> names = from is null ? [] : [.. _reach[from.Index].Names];
        if (from is not null && _reach[from.Index].First is not null || Refers(stage.Base, arguments)) { return new Reach(0, names); }
        int? first = null;
        for (var i = 0; i < stage.Instructions.Count; i++)
        {
            var instruction = stage.Instructions[i];
            var reached = Refers(instruction.Text, names);
            switch (instruction.Keyword)
            {
                case "ARG":
                    names.UnionWith(NamesIn(instruction).Where(n => reached || arguments.Contains(n)));
                    break;
                case "ENV" when reached:
                    names.UnionWith(NamesIn(instruction));
                    break;
                case "RUN" when names.Count > 0 || CopiesReached(instruction, stage):
                case "COPY" or "ADD" when reached || CopiesReached(instruction, stage):
                case "WORKDIR" when reached:
                    first ??= i;
                    break;
            }
        }
        return new Reach(first, names);
    }

    private bool CopiesReached(DockerfileInstruction instruction, DockerfileStage stage) =>
        new DockerfileStage(stage.Index, null, "", [instruction]).From.Any(from =>
        _stages.Take(stage.Index)
        .LastOrDefault(s => from.Equals(s.Name, StringComparison.OrdinalIgnoreCase) || from == $"{s.Index}") is { } source
        && _reach[source.Index].First is not null);

    private static bool Refers(string text, IEnumerable<string> names) =>
        names.Any(n => Regex.IsMatch(text, $@"\$(\{{{Regex.Escape(n)}\b|{Regex.Escape(n)}\b)"));

    /// <summary>Names that an ARG or ENV declares.</summary>
    private static IEnumerable<string> NamesIn(DockerfileInstruction instruction) =>
        instruction.Words.Take(instruction.Keyword == "ENV" && !instruction.Words.FirstOrDefault("").Contains('=', StringComparison.Ordinal)
            ? 1
            : int.MaxValue).Select(w => w.Split('=', 2)[0]);

    /// <param name="First">Index of the first instruction that the commit reaches, 0 when it is the FROM; null when none is.</param>
    /// <param name="Names">Names in force at the end of the stage that have the commit in their value.</param>
    private sealed record Reach(int? First, HashSet<string> Names);
}

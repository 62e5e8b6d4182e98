using System.Text.RegularExpressions;
using WatchParty.Releases.Planning;
using WatchParty.Releases.Recording;

namespace WatchParty.Releases.Building;

/// <summary>A build argument that stands higher in a Dockerfile than it has to.</summary>
/// <param name="Line">Line of its ARG.</param>
/// <param name="Below">Line of the last step that ran again for nothing.</param>
/// <param name="Seconds">What these steps took in this build.</param>
internal sealed record ArgumentAdvice(string Argument, string Dockerfile, int Line, int Below, string BelowText, double Seconds)
{
    public override string ToString() => string.Create(System.Globalization.CultureInfo.InvariantCulture,
        $"move ARG {Argument} (line {Line}) below line {Below} ({(BelowText.Length > 50 ? BelowText[..50] + "…" : BelowText)}) in " +
        $"{Dockerfile}: saves {Seconds:0.0} s of every build");
}

/// <summary>Explains a build by what differs from the one before. Pure.</summary>
/// <remarks>The rules are BuildKit's (frontend/dockerfile/dockerfile2llb/convert.go): a RUN depends on the step before it, on its own text
/// and on every ARG and ENV declared above it in its stage, used or not; a COPY on the files it copies, or on the stage it copies
/// from.</remarks>
/// <param name="now">What the build was made with.</param>
/// <param name="before">What the build before was made with; null for the first.</param>
/// <param name="changedFiles">Files of the build context that differ, relative to it.</param>
/// <param name="dockerfileName">Name of the Dockerfile for people.</param>
internal sealed partial class MissReasons(BuildBasis now, BuildBasis? before, bool fresh, IReadOnlyCollection<string> changedFiles,
    IReadOnlyList<BuildStep> steps, string dockerfileName)
{
    private readonly Dockerfile _dockerfile = Dockerfile.Parse(now.Dockerfile);
    private readonly Dockerfile? _dockerfileBefore = before is null ? null : Dockerfile.Parse(before.Dockerfile);

    /// <summary>The reason of every step that ran.</summary>
    public IReadOnlyList<(BuildStep Step, MissReason Reason)> All() =>
        [.. steps.Where(s => s.State is StepState.Executed or StepState.Failed).Select(s => (s, ReasonOf(s, [])))];

    /// <summary>Arguments that cost seconds on every commit because they are declared above steps that do not use them.</summary>
    public IReadOnlyList<ArgumentAdvice> Advice()
    {
        if (fresh || before is null) { return []; }
        List<ArgumentAdvice> advice = [];
        foreach (var (stage, name) in from stage in _dockerfile.Stages from name in ChangedArguments(stage) select (stage, name))
        {
            var declared = stage.Instructions.First(i => Declares(i, name));
            var wasted =
                steps.Where(
                    s => s.State == StepState.Executed && Find(s) is var (own, index) && own == stage && IsWasted(s, own, index, name))
                        .Select(s => (Step: s, Instruction: stage.Instructions[Find(s)!.Value.Index])).ToList();
            if (wasted.Count == 0) { continue; }
            var last = wasted.MaxBy(w => w.Instruction.Line).Instruction;
            advice.Add(new ArgumentAdvice(name, dockerfileName, declared.Line,
                last.Line, $"{last.Keyword} {last.Text.ReplaceLineEndings(" ")}",
                Math.Round(wasted.Sum(w => w.Step.Elapsed.TotalSeconds), 1)));
        }
        return advice;
    }

    private MissReason ReasonOf(BuildStep step, HashSet<BuildStep> open)
    {
        if (fresh) { return new(MissCause.FreshBuild, "a fresh build was wanted"); }
        if (before is null) { return new(MissCause.FirstBuild, ReleasePlanner.FirstBuild); }
        if (!open.Add(step) || Find(step) is not var (stage, index)) { return new(MissCause.RecordEvicted, "its cache record is gone"); }

        // The first cause in the chain: what the stage begins with, then the steps above, then the step itself.
        if (FromBase(stage, open) is { } inherited) { return inherited; }
        var above = steps.Where(
            s => s.State is StepState.Executed or StepState.Failed && s != step && Find(s) is var (other, at) && other == stage
                && at < index).MinBy(s => Find(s)!.Value.Index);
        var reason = above is not null ? ReasonOf(above, open) : OwnReason(stage, index, open);
        return reason with
        {
            Avoidable = reason.Cause == MissCause.ArgumentChanged
            && ChangedArguments(stage).Any(name => IsWasted(step, stage, index, name))
        };
    }

    private MissReason? FromBase(DockerfileStage stage, HashSet<BuildStep> open)
    {
        if (_dockerfile.Stages.Take(stage.Index)
            .LastOrDefault(s => string.Equals(s.Name, stage.Base, StringComparison.OrdinalIgnoreCase)) is { } parent)
        {
            return FirstIn(parent, open);
        }
        return IsNew(stage.Base) ? new MissReason(MissCause.BaseImageChanged, $"base image {stage.Base} changed") : null;
    }

    /// <summary>Whether the image is another one than in the build before, here or by the digest that BuildKit resolved.</summary>
    private bool IsNew(string image)
    {
        return Differs(now.BaseImages, before!.BaseImages) || Differs(now.BaseDigests, before.BaseDigests);

        bool Differs(IReadOnlyDictionary<string, string> a, IReadOnlyDictionary<string, string> b) =>
            a.TryGetValue(image, out var id) && b.TryGetValue(image, out var was) && id != was;
    }

    private MissReason? FirstIn(DockerfileStage stage, HashSet<BuildStep> open) =>
        steps.Where(s => s.State is StepState.Executed or StepState.Failed && Find(s)?.Stage == stage)
            .MinBy(s => Find(s)!.Value.Index) is { } first ? ReasonOf(first, open) : null;

    private MissReason OwnReason(DockerfileStage stage, int index, HashSet<BuildStep> open) =>
        DockerfileChange(stage, index)
        ?? FromOtherStages(stage, index, open)
        ?? FilesChange(stage, index)
        ?? ArgumentChange(stage, index)
        ?? new MissReason(MissCause.RecordEvicted, "nothing of it changed; its record was no longer in the cache");

    /// <summary>A line of the stage, down to the step, that is not as it was. ARG and LABEL are left out: their values are looked at apart,
    /// and a label reaches no step.</summary>
    private MissReason? DockerfileChange(DockerfileStage stage, int index)
    {
        var old = _dockerfileBefore!.Stages.FirstOrDefault(
            s => s.Name is not null && string.Equals(s.Name, stage.Name, StringComparison.OrdinalIgnoreCase))
            ?? _dockerfileBefore.Stages.ElementAtOrDefault(stage.Index);
        var was = (old?.Instructions ?? []).Where(Counts).Select(i => $"{i.Keyword} {i.Text}").ToList();
        var position = 0;
        foreach (var instruction in stage.Instructions.Take(index + 1).Where(Counts))
        {
            if (was.ElementAtOrDefault(position++) != $"{instruction.Keyword} {instruction.Text}")
            {
                return new(MissCause.DockerfileChanged, $"line {instruction.Line} of {dockerfileName} changed");
            }
        }
        return old is null || old.Base != stage.Base
            ? new(MissCause.DockerfileChanged, $"the FROM of its stage in {dockerfileName} changed")
            : null;

        static bool Counts(DockerfileInstruction i) =>
            i.Keyword is not ("LABEL" or "ARG" or "EXPOSE" or "CMD" or "ENTRYPOINT" or "HEALTHCHECK" or "MAINTAINER" or "STOPSIGNAL"
            or "ONBUILD" or "VOLUME");
    }

    private MissReason? FromOtherStages(DockerfileStage stage, int index, HashSet<BuildStep> open)
    {
        foreach (var from in new DockerfileStage(0, null, "", [stage.Instructions[index]]).From)
        {
            var other = _dockerfile.Stages.LastOrDefault(s => string.Equals(s.Name, from, StringComparison.OrdinalIgnoreCase))
                ?? (int.TryParse(from, out var number) ? _dockerfile.Stages.ElementAtOrDefault(number) : null);
            if (other is not null && FirstIn(other, open) is { } reason) { return reason; }
            if (other is null && IsNew(from)) { return new(MissCause.BaseImageChanged, $"image {from} changed"); }
        }
        return null;
    }

    private MissReason? FilesChange(DockerfileStage stage, int index)
    {
        var sources = new DockerfileStage(0, null, "", [stage.Instructions[index]]).ContextSources.Select(Pattern).ToList();
        var files = changedFiles.Where(f => sources.Exists(s => s.IsMatch(f))).Order(StringComparer.Ordinal).ToList();
        return files.Count == 0 ? null
            : new(MissCause.FilesChanged, $"{string.Join(", ", files.Take(3))}{(files.Count > 3 ? $" and {files.Count - 3} more" : "")} " +
                $"changed");
    }

    private MissReason? ArgumentChange(DockerfileStage stage, int index)
    {
        var above = stage.Instructions.Take(index).ToList();
        if (ChangedArguments(stage).FirstOrDefault(name => above.Exists(i => Declares(i, name))) is not { } changed) { return null; }
        return new(MissCause.ArgumentChanged,
            Uses(stage.Instructions[index], changed)
                ? $"{changed} changed and the step uses it"
                : $"{changed} changed and is declared above it");
    }

    /// <summary>Whether the step ran only because <paramref name="name"/> is declared above it: nothing at or above it uses the argument,
    /// and nothing else of it changed.</summary>
    private bool IsWasted(BuildStep step, DockerfileStage stage, int index, string name)
    {
        if (step.Instruction is not ("RUN" or "COPY" or "ADD")) { return false; }
        var declared = stage.Instructions.ToList().FindIndex(i => Declares(i, name));
        var used = stage.Instructions.ToList().FindIndex(i => !Declares(i, name) && i.Keyword is not "LABEL" && Uses(i, name));
        if (declared < 0 || declared > index || (used >= 0 && used <= index)) { return false; }
        return FromBase(stage, []) is null && stage.Instructions.Take(index + 1).Select((_, i) => i)
            .All(i => DockerfileChange(stage, i) is null && FromOtherStages(stage, i, []) is null && FilesChange(stage, i) is null);
    }

    /// <summary>The arguments that the stage declares and whose value is another than before.</summary>
    private IEnumerable<string> ChangedArguments(DockerfileStage stage) => stage.Instructions.Where(i => i.Keyword == "ARG")
        .SelectMany(i => i.Words).Select(w => w.Split('=', 2)[0]).Distinct()
        .Where(name => now.Arguments.GetValueOrDefault(name) != before!.Arguments.GetValueOrDefault(name));

    private static bool Declares(DockerfileInstruction instruction, string name) =>
        instruction.Keyword == "ARG" && instruction.Words.Any(w => w.Split('=', 2)[0] == name);

    private static bool Uses(DockerfileInstruction instruction, string name) =>
        Regex.IsMatch(instruction.Text, $@"\$(?:{Regex.Escape(name)}\b|\{{{Regex.Escape(name)}\b)", RegexOptions.NonBacktracking)
        // In a script of its own the variable may be read by its bare name.
        || (instruction.Keyword == "RUN" && Regex.IsMatch(instruction.Text, $@"\b{Regex.Escape(name)}\b", RegexOptions.NonBacktracking));

    /// <summary>The stage and the place of a step. BuildKit numbers FROM and then every instruction that makes a layer or sets the
    /// folder.</summary>
    private (DockerfileStage Stage, int Index)? Find(BuildStep step)
    {
        var stage = step.Stage.Length == 0 ? _dockerfile.Stages is [var only] ? only : null
            : _dockerfile.Stages.LastOrDefault(s => string.Equals(s.Name, step.Stage, StringComparison.OrdinalIgnoreCase))
                ?? (UnnamedStage().Match(step.Stage) is { Success: true } match && int.TryParse(match.Groups[1].ValueSpan, out var number)
                    ? _dockerfile.Stages.ElementAtOrDefault(number)
                    : null);
        if (stage is null) { return null; }
        var numbered = stage.Instructions.Select((instruction, index) => (instruction, index))
            .Where(x => x.instruction.Keyword is "RUN" or "COPY" or "ADD" or "WORKDIR").ToList();
        return numbered.ElementAtOrDefault(step.Number - 2) is { instruction: { } found, index: var at }
            && found.Keyword == step.Instruction ? (stage, at) : null;
    }

    /// <summary>What a COPY source matches: the path itself, everything below it, and wildcards within a name. A variable matches
    /// anything.</summary>
    private static Regex Pattern(string source)
    {
        var path = source.Replace('\\', '/').Trim('/');
        if (path.StartsWith("./", StringComparison.Ordinal)) { path = path[2..]; }
        if (path is "" or "." || path.Contains('$', StringComparison.Ordinal)) { return Anything(); }
        var pattern = Regex.Escape(path).Replace(@"\*", "[^/]*", StringComparison.Ordinal).Replace(@"\?", "[^/]", StringComparison.Ordinal);
        return new Regex($"^{pattern}(/|$)", RegexOptions.NonBacktracking);
    }

    [GeneratedRegex("")]
    private static partial Regex Anything();

    [GeneratedRegex("^stage-([0-9]+)$")]
    private static partial Regex UnnamedStage();
}

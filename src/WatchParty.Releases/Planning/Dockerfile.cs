namespace WatchParty.Releases.Planning;

/// <summary>What a Dockerfile is built from: its stages, how they need each other, and the images they begin with.</summary>
/// <remarks>No validator: every text gives some result, and what BuildKit would refuse it refuses itself. Where the result is
/// uncertain it holds too much rather than too little.</remarks>
internal sealed class Dockerfile
{
    private const string Prefix = "watchparty-";
    private static readonly Dictionary<string, string> NoArguments = [];
    private readonly IReadOnlyList<DockerfileInstruction> _global;
    private readonly char _escape;

    private Dockerfile(DockerfileText.Reading reading)
    {
        _escape = reading.Escape;
        Syntax = reading.Syntax;
        _global = [.. reading.Instructions.TakeWhile(i => i.Keyword != "FROM")];
        List<DockerfileStage> stages = [];
        for (var i = _global.Count; i < reading.Instructions.Count;)
        {
            DockerfileInstruction[] body = [.. reading.Instructions.Skip(i + 1).TakeWhile(x => x.Keyword != "FROM")];
            var words = reading.Instructions[i].Words;
            var name = words is [_, var and, var third, ..] && and.Equals("AS", StringComparison.OrdinalIgnoreCase) ? third : null;
            stages.Add(new(stages.Count, name, words.FirstOrDefault(""), body));
            i += body.Length + 1;
        }
        Stages = stages;
    }

    public IReadOnlyList<DockerfileStage> Stages { get; }

    /// <summary>The image of the frontend (<c># syntax=</c>), which is resolved like a base image; null for the one built into the
    /// engine.</summary>
    public string? Syntax { get; }

    public static Dockerfile Parse(string text) => new(DockerfileText.Read(text));

    /// <summary>The name that <see cref="WithNamedStages"/> gives to a stage without one.</summary>
    public static string NameFor(int index) => $"{Prefix}stage-{index}";

    /// <summary>What BuildKit calls the stage in the Dockerfile as it is.</summary>
    public static string OwnName(string stage) =>
        stage.StartsWith($"{Prefix}stage-", StringComparison.Ordinal) ? stage[Prefix.Length..] : stage;

    /// <summary>The text with a name for every stage. The name of a stage is no part of what BuildKit caches.</summary>
    public static string WithNamedStages(string text)
    {
        var reading = DockerfileText.Read(text);
        var lines = text.Split('\n');
        foreach (var (stage, from) in Parse(text).Stages.Zip(reading.Instructions.Where(i => i.Keyword == "FROM")))
        {
            var line = lines[from.Line - 1].TrimEnd();
            if (stage.Name is null && !line.EndsWith(reading.Escape)) { lines[from.Line - 1] = $"{line} AS {NameFor(stage.Index)}"; }
        }
        return string.Join('\n', lines);
    }

    /// <summary>The stages that the target needs, itself included, in the order of the file.</summary>
    /// <param name="target">Name of a stage; the last one when null. Without such a stage: all of them.</param>
    /// <param name="arguments">Build arguments, for the stages that a FROM names by a variable.</param>
    public IReadOnlyList<DockerfileStage> NeededStages(string? target, IReadOnlyDictionary<string, string>? arguments = null)
    {
        var variables = new DockerfileVariables(_global, arguments ?? NoArguments, _escape);
        HashSet<int> needed = [];
        var open = new Stack<DockerfileStage>(target is null ? Stages.TakeLast(1) : Find(target, Stages) is { } stage ? [stage] : Stages);
        while (open.TryPop(out var next))
        {
            if (!needed.Add(next.Index)) { continue; }
            foreach (var other in Neighbours(next, variables)) { open.Push(other); }
        }
        return [.. needed.Order().Select(i => Stages[i])];
    }

    /// <summary>The images that the target needs, of <c>FROM</c>, <c>COPY --from</c> and <c>RUN --mount=from</c> of every stage it needs;
    /// neither stages nor <c>scratch</c>. A name that cannot be known here is given as it is written.</summary>
    /// <inheritdoc cref="NeededStages"/>
    public IReadOnlyList<string> BaseImages(IReadOnlyDictionary<string, string> arguments, string? target)
    {
        var variables = new DockerfileVariables(_global, arguments, _escape);
        return [.. NeededStages(target, arguments).SelectMany(ImagesOf).Where(image => image.Length > 0 && image != "scratch").Distinct()];

        IEnumerable<string> ImagesOf(DockerfileStage stage)
        {
            var image = Resolve(stage, variables) ?? stage.Base;
            return stage.From.Where(from => Find(from, Stages) is null)
                .Prepend(FindByName(image, Stages.Take(stage.Index)) is null ? image : "");
        }
    }

    private IEnumerable<DockerfileStage> Neighbours(DockerfileStage stage, DockerfileVariables variables)
    {
        // FROM sees only the stages above it, --from all of them; a FROM that is not known may be any above it.
        var earlier = Stages.Take(stage.Index);
        var bases = Resolve(stage, variables) is not { } image ? earlier : FindByName(image, earlier) is { } found ? [found] : [];
        return bases.Concat(stage.From.Select(from => Find(from, Stages)).OfType<DockerfileStage>());
    }

    private static string? Resolve(DockerfileStage stage, DockerfileVariables variables) =>
        variables.Expand(stage.Base) is { Length: > 0 } image ? image : null;

    private static DockerfileStage? Find(string nameOrIndex, IReadOnlyList<DockerfileStage> stages) => FindByName(nameOrIndex, stages)
        ?? (int.TryParse(nameOrIndex, out var index) && index >= 0 && index < stages.Count ? stages[index] : null);

    private static DockerfileStage? FindByName(string name, IEnumerable<DockerfileStage> stages) =>
        stages.LastOrDefault(s => name.Equals(s.Name, StringComparison.OrdinalIgnoreCase));
}

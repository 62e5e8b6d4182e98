using WatchParty.Releases.Baking;
using WatchParty.Releases.Planning;
using WatchParty.Releases.Recording;
using WatchParty.Tools.Configuration;
using WatchParty.Tools.Docker;
using WatchParty.Tools.Processes;

namespace WatchParty.Releases.Caching;

/// <summary>A step that ran to its end in a bake that must not run anything. The next build finds it in the cache, but nobody was saved
/// it.</summary>
internal sealed record EndedStep(StepName Name, TimeSpan Elapsed);

/// <summary>What came of a bake that must not run anything.</summary>
/// <param name="WouldRun">The first step that is not in the cache; the bake was stopped there. Null when everything was cached.</param>
/// <param name="Error">Why the bake failed, or null.</param>
internal sealed record GuardedBakeResult(string? WouldRun, string? Error)
{
    /// <summary>What began to run before the stop reached BuildKit.</summary>
    public IReadOnlyCollection<StepName> Begun { get; init; } = [];

    /// <summary>Those of <see cref="Begun"/> that the stop did not break off: what is quick, such as a COPY, ends and is in the cache
    /// now.</summary>
    public IReadOnlyCollection<EndedStep> Ran { get; init; } = [];

    /// <summary>All that the trace has told.</summary>
    public required StepReport Report { get; init; }

    /// <summary>Targets into whose images BuildKit wrote their cache.</summary>
    public IReadOnlyCollection<string> WithCache { get; init; } = [];

    public bool AllCached => WouldRun is null && Error is null;
}

/// <summary>Bakes what should all be cached, and stops at the first step that is not.</summary>
internal sealed class GuardedBake(BuildOptions options, ComposeProject project, BuildDefinitions definitions, StateFolder state,
    IToolRunner runner)
{
    private static readonly TimeSpan Limit = TimeSpan.FromMinutes(15);
    /// <summary>It may be stopped for a commit that waits, and what it was about is worth nothing by itself.</summary>
    private static readonly TimeSpan Grace = TimeSpan.FromSeconds(2);

    /// <summary>The options of the build, without BuildKit's linter: it is the commit's file that it judges, not ours, and its findings are
    /// no part of what is cached.</summary>
    private readonly BuildOptions _options = new()
    {
        CommitArgument = options.CommitArgument,
        Builder = options.Builder,
        Timeout = Limit,
        SilenceTimeout = options.SilenceTimeout,
        Arguments = new(options.Arguments) { ["BUILDKIT_DOCKERFILE_CHECK"] = "skip=all" },
    };

    /// <param name="makesImages">Whether the targets' images are made; otherwise nothing is exported but the cache.</param>
    public async Task<GuardedBakeResult> RunAsync(ComposeModel model, IReadOnlyList<BakeTarget> targets, bool makesImages,
        CancellationToken cancellationToken)
    {
        var folder = Path.Combine(state.Work, $"bake-{Guid.NewGuid():N}");
        try
        {
            return await RunAsync(model, [.. targets.Select(t => WithIgnoreFile(t, folder))], makesImages, new Trace(targets),
                cancellationToken);
        }
        finally
        {
            if (Directory.Exists(folder)) { Directory.Delete(folder, recursive: true); }
        }
    }

    private async Task<GuardedBakeResult> RunAsync(ComposeModel model, IReadOnlyList<BakeTarget> targets, bool makesImages, Trace trace,
        CancellationToken cancellationToken)
    {
        var file = Bake.File(model, await definitions.OfAsync(model, cancellationToken), targets, _options);
        var command = (makesImages
            ? DockerCommands.Bake(project, _options, file, trace.Targets, withoutCache: false, pull: false)
            : DockerCommands.BakeNothing(project, _options, file, trace.Targets)) with
        { Grace = Grace };
        using var stop = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        void Look(TraceEvent e)
        {
            if (trace.ShowsRun(e)) { stop.Cancel(); }
        }
        try
        {
            var result = await runner.RunAsync(command, (stream, token) => BuildTrace.ReadAsync(stream, Look, token), stop.Token);
            return trace.Result(result.ExitCode == 0 || trace.WouldRun is not null ? null : trace.Error ?? $"exit code {result.ExitCode}");
        }
        catch (OperationCanceledException) when (!cancellationToken.IsCancellationRequested)
        {
            return trace.Result(null);
        }
        catch (ToolFailedException e)
        {
            return trace.Result(e.Message);
        }
    }

    /// <summary>BuildKit looks for the ignore file of a Dockerfile beside it, under its name, so a text that stands for it is given the
    /// same neighbour.</summary>
    private static BakeTarget WithIgnoreFile(BakeTarget target, string folder)
    {
        var build = target.Service.Build!;
        if (target.Dockerfile is not { } text || build.DockerfileInline is not null) { return target; }
        var file = Path.GetFullPath(build.Dockerfile, Directory.Exists(build.Context) ? build.Context : folder);
        if (!File.Exists($"{file}.dockerignore")) { return target; }
        var path = Path.Combine(Directory.CreateDirectory(Path.Combine(folder, target.Name)).FullName, Path.GetFileName(file));
        File.WriteAllText(path, text);
        File.Copy($"{file}.dockerignore", $"{path}.dockerignore");
        return target with { Dockerfile = null, DockerfilePath = path };
    }

    /// <summary>What the bake's trace has told so far.</summary>
    private sealed class Trace(IReadOnlyList<BakeTarget> targets)
    {
        private static readonly TimeSpan LookedUp = TimeSpan.FromMilliseconds(5);
        private readonly Dictionary<string, string> _owners = []; // target by digest of a vertex
        private readonly HashSet<string> _caches = []; // digests of vertices that wrote a cache
        private readonly Dictionary<string, StepName> _begun = []; // by digest of the vertex
        private readonly HashSet<string> _failed = []; // digests of vertices
        private readonly Dictionary<string, TimeSpan> _elapsed = []; // by digest of the vertex
        private readonly StepReport _report = new([.. targets.Select(t => t.Name)]);

        public IReadOnlyList<string> Targets { get; } = [.. targets.Select(t => t.Name)];

        public string? WouldRun { get; private set; }

        public string? Error { get; private set; }

        /// <returns>Whether this is the first step that is not in the cache.</returns>
        public bool ShowsRun(TraceEvent e)
        {
            _report.Add(e);
            if (e is TextEvent { Line.Length: > 0 } line) { Error = line.Line; }
            if (e is StatusEvent { IsInlineCache: true } status) { _caches.Add(status.VertexDigest); }
            if (e is not VertexEvent vertex) { return false; }
            Error = vertex.Error ?? Error;
            var name = StepName.Parse(vertex.Name, Targets);
            _owners[vertex.Digest] = name.Target.Length == 0 ? Targets[0] : name.Target;
            if (vertex.Completed - vertex.Started is { } elapsed) { _elapsed[vertex.Digest] = elapsed; }
            if (vertex.Error is not null)
            {
                _failed.Add(vertex.Digest);
                // Of a step that was only being looked up BuildKit tells a start and an error in one moment (CalcSlowCache in
                // solver/jobs.go).
                if (vertex.Completed - vertex.Started < LookedUp && name.Text != WouldRun) { _begun.Remove(vertex.Digest); }
            }
            // A step from the cache is cached from its first event on; one that starts without that would run.
            if (vertex is not { Started: not null, Cached: false, Error: null } || !name.IsCounted) { return false; }
            _begun[vertex.Digest] = name;
            if (WouldRun is not null) { return false; }
            WouldRun = name.Text;
            return true;
        }

        public GuardedBakeResult Result(string? error) => new(WouldRun, error)
        {
            Report = _report,
            Begun = _begun.Values,
            Ran = [.. _begun.Where(b => !_failed.Contains(b.Key)).Select(b => new EndedStep(b.Value, _elapsed.GetValueOrDefault(b.Key)))],
            WithCache = [.. _caches.Select(c => _owners.GetValueOrDefault(c)).OfType<string>().Distinct()],
        };
    }
}

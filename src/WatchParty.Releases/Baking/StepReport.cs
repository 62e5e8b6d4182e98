using WatchParty.Releases.Recording;

namespace WatchParty.Releases.Baking;

/// <summary>Folds the trace of one <c>buildx bake</c> into the steps of its targets.</summary>
/// <remarks>BuildKit merges equal steps of several targets. What is merged shows in one of three ways, and each is given the state of
/// the step that stands for it: the same digest ends under another target; a foreign digest, even with the foreign stage name, turns up
/// under this target; or the step just stays pending. Not for several threads.</remarks>
internal sealed class StepReport
{
    private const int TextLimit = 100;
    private const string LookUp = "load metadata for ";
    private readonly IReadOnlyCollection<string> _targets;
    private readonly Dictionary<(string Target, string Digest), Vertex> _vertices = [];
    private readonly List<Vertex> _inOrder = [];
    private readonly Dictionary<string, StepLog> _logs = [];
    private readonly Queue<string> _text = new();
    private readonly List<Vertex> _failed = [];
    private readonly HashSet<string> _inlineCaches = []; // digests of vertices

    /// <param name="targets">Bake targets of the build.</param>
    public StepReport(IReadOnlyCollection<string> targets) => _targets = [.. targets.Distinct()];

    /// <summary>What BuildKit could not import, as "name: error"; the build then went on without that source.</summary>
    public IReadOnlyList<string> CacheImportErrors =>
        [.. _inOrder.Where(v => v.Error is not null && v.ImportedFrom is not null).Select(v => $"{v.ImportedFrom}: {v.Error}").Distinct()];

    /// <summary>Digest of each base image by its full name, for those that were resolved to one (an image that exists only locally has
    /// none).</summary>
    public IReadOnlyDictionary<string, string> BaseDigests => _inOrder
        .Select(v => v.Name.Text.StartsWith("FROM ", StringComparison.Ordinal) ? v.Name.Text[5..].Split('@') : [])
        .Where(parts => parts is [_, ['s', 'h', 'a', ..]])
        .DistinctBy(parts => parts[0])
        .ToDictionary(parts => parts[0], parts => parts[1]);

    /// <summary>Full names of all images that were looked up for <c>FROM</c>, <c>COPY --from</c> and contexts, of any target.</summary>
    public IReadOnlyList<string> BaseNames =>
        [.. _inOrder.Where(v => v.Name.Text.StartsWith(LookUp, StringComparison.Ordinal)).Select(v => v.Name.Text[LookUp.Length..])
            .Distinct()];

    /// <summary>The first step that took something from an address by itself; null when none did.</summary>
    public string? Outside => _inOrder.Select(v => v.Name.Text).FirstOrDefault(t =>
        t.StartsWith("ADD ", StringComparison.Ordinal)
        && (t.Contains("://", StringComparison.Ordinal) || t.Contains("git@", StringComparison.Ordinal)));

    /// <summary>The last lines that were not of the trace, at most 100: the words of buildx after a failure.</summary>
    public IReadOnlyList<string> Text => [.. _text];

    /// <summary>The step that failed first, not one that was stopped because of it; null when none did. A failure without any
    /// step, such as a fault in the Dockerfile, is only in <see cref="Text"/>.</summary>
    public BuildStep? FirstFailure => _failed
        .Select(f => f.Name.IsCounted ? StepsOf(Target(f)).FirstOrDefault(s => s.Digest == f.Digest && s.State == StepState.Failed)
            : Step(f, f))
        .FirstOrDefault(s => s is not null);

    public void Add(TraceEvent traceEvent)
    {
        switch (traceEvent)
        {
            case VertexEvent vertex:
                Add(vertex);
                break;
            case StatusEvent { IsInlineCache: true } status:
                _inlineCaches.Add(status.VertexDigest);
                break;
            case LogEvent log:
                if (!_logs.TryGetValue(log.VertexDigest, out var lines)) { _logs[log.VertexDigest] = lines = new StepLog(); }
                lines.Add(log);
                break;
            case TextEvent text:
                _text.Enqueue(text.Line);
                if (_text.Count > TextLimit) { _text.Dequeue(); }
                break;
        }
    }

    /// <summary>Whether BuildKit wrote the cache into the image of the target. Such an image brings old results back after a
    /// clear.</summary>
    public bool HasInlineCache(string target) => _inOrder.Exists(v => Target(v) == target && _inlineCaches.Contains(v.Digest));

    /// <summary>The counted steps (<see cref="StepName.IsCounted"/>) of a target, stage by stage in the order the stages began.</summary>
    public IReadOnlyList<BuildStep> StepsOf(string target)
    {
        var own = OwnOf(target);
        var mine = own.Where(v => v.Name.IsCounted).Select(v => (Own: v, Shown: v)).ToList();

        // A foreign vertex stands for one of ours that did no work of its own. If all did, it only tells of the merging.
        foreach (var foreign in _inOrder.Where(v => v.Name.IsCounted && Target(v) == target && !own.Contains(v)))
        {
            var merged = Nearest(foreign, mine.Where(s => s.Shown.State < foreign.State).Select(s => s.Own));
            if (merged is not null) { mine[mine.FindIndex(s => s.Own == merged)] = (merged, foreign); }
        }

        // What stayed pending was merged; but in a build that was stopped it may as well not have had its turn.
        var twins = _inOrder.Where(v => v.Name.IsCounted && v.HasEnded && Target(v) != target).ToLookup(v => v.Name.Text);
        var isExact = _inOrder.Exists(v => v.State is StepState.Canceled || v.State is StepState.Failed && v.ImportedFrom is null);
        var begun = new Dictionary<string, int>();
        return [.. mine
            .Select(s => s.Shown.HasEnded || Nearest(s.Own, twins[s.Own.Name.Text], isExact) is not { } twin ? s : s with { Shown = twin })
            .OrderBy(s => s.Shown.FirstStarted ?? DateTimeOffset.MaxValue)
            .Select(s => (s.Own, s.Shown, Stage: begun.TryAdd(s.Own.Name.Stage, begun.Count) ? begun.Count - 1 : begun[s.Own.Name.Stage]))
            .OrderBy(s => s.Stage).ThenBy(s => s.Own.Name.Number)
            .Select(s => Step(s.Own, s.Shown))];
    }

    private void Add(VertexEvent e)
    {
        var name = StepName.Parse(e.Name, _targets);
        if (!_vertices.TryGetValue((name.Target, e.Digest), out var vertex))
        {
            vertex = new(e.Digest, name, isAnnounced: e.Started is null);
            _vertices.Add((name.Target, e.Digest), vertex);
            _inOrder.Add(vertex);
        }
        vertex.Add(e);
        if (vertex.State == StepState.Failed && vertex.ImportedFrom is null) { _failed.Add(vertex); }
    }

    /// <summary>The vertices of the target's own graph: those that were seen waiting, and all that they are made from. With none of the
    /// former another target had begun all of it, and everything is ours.</summary>
    private HashSet<Vertex> OwnOf(string target)
    {
        var all = _inOrder.Where(v => Target(v) == target).ToList();
        var open = new Stack<Vertex>(all.Exists(v => v.IsAnnounced && v.Name.IsCounted) ? all.Where(v => v.IsAnnounced) : all);
        HashSet<Vertex> own = [];
        while (open.TryPop(out var vertex))
        {
            if (!own.Add(vertex)) { continue; }
            foreach (var input in vertex.Inputs)
            {
                if (_vertices.TryGetValue((vertex.Name.Target, input), out var made)) { open.Push(made); }
            }
        }
        return own;
    }

    private static Vertex? Nearest(Vertex wanted, IEnumerable<Vertex> candidates, bool isExact = false)
    {
        return candidates.Where(c => c.Digest == wanted.Digest || (isExact ? Distance(c) == 0 : c.Name.Text == wanted.Name.Text))
            .MinBy(c => c.Digest == wanted.Digest ? -1 : Distance(c));

        int Distance(Vertex c) => (c.Name.Text == wanted.Name.Text ? 0 : 4) + (c.Name.Stage == wanted.Name.Stage ? 0 : 2)
            + ((c.Name.Number, c.Name.Of) == (wanted.Name.Number, wanted.Name.Of) ? 0 : 1);
    }

    // Once a digest has run here, who came after it and found it done has not been served an old result.
    private StepState StateOf(Vertex vertex) =>
        vertex.State == StepState.Cached && _inOrder.Exists(v => v.Digest == vertex.Digest && v.State == StepState.Executed)
        ? StepState.Executed
        : vertex.State;

    private BuildStep Step(Vertex own, Vertex shown) => new(
        Target(own), own.Name.Stage, own.Name.Number, own.Name.Of, own.Name.Instruction, own.Name.Text, StateOf(shown),
        shown.Elapsed, shown.Digest, shown.Error, _logs.TryGetValue(shown.Digest, out var log) ? log.Tail() : [])
    { StartedAt = shown.FirstStarted };

    // With one target the names have no prefix.
    private string Target(Vertex vertex) => vertex.Name.Target.Length == 0 && _targets.Count == 1 ? _targets.First() : vertex.Name.Target;

    private sealed class Vertex(string digest, StepName name, bool isAnnounced)
    {
        private const string Import = "importing cache manifest from ";
        private readonly Dictionary<DateTimeOffset, DateTimeOffset> _runs = [];
        private bool _completed;
        private bool _cached;

        public string Digest { get; } = digest;

        public StepName Name { get; } = name;

        public IReadOnlyList<string> Inputs { get; private set; } = [];

        /// <summary>Whether it was seen waiting first. BuildKit tells the whole graph of a target so when it loads it, save what another
        /// target has begun; a vertex of another target that took the place of one of ours is first seen when it has started.</summary>
        public bool IsAnnounced { get; } = isAnnounced;

        public string? Error { get; private set; }

        public DateTimeOffset? FirstStarted { get; private set; }

        public TimeSpan Elapsed => _runs.Aggregate(TimeSpan.Zero, (sum, run) => sum + (run.Value - run.Key));

        public string? ImportedFrom => Name.Text.StartsWith(Import, StringComparison.Ordinal) ? Name.Text[Import.Length..] : null;

        public bool HasEnded => State is StepState.Cached or StepState.Executed or StepState.Failed;

        public StepState State => Error is not null ? IsCancellation(Error) ? StepState.Canceled : StepState.Failed
            : _cached ? StepState.Cached
            : _completed ? StepState.Executed : StepState.Pending;

        public void Add(VertexEvent e)
        {
            if (e.Started is { } started)
            {
                FirstStarted ??= started;
                if (e.Completed is { } completed && completed >= started) { _runs[started] = completed; }
            }
            if (e.Inputs.Count > 0) { Inputs = e.Inputs; }
            _completed |= e.Completed is not null;
            _cached |= e.Cached;
            Error = e.Error ?? Error;
        }

        // "process … did not complete successfully: exit code: 137: context canceled"; a command can contain the words, too.
        private static bool IsCancellation(string error) =>
            error.EndsWith("context canceled", StringComparison.Ordinal) || error.StartsWith("Canceled", StringComparison.Ordinal);
    }
}

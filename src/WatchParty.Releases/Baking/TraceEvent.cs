namespace WatchParty.Releases.Baking;

/// <summary>One thing that a build said. Source: <c>SolveStatus</c> in BuildKit's client/graph.go.</summary>
internal abstract record TraceEvent;

/// <summary>The state of one vertex of the build graph. It comes again with every change, and under several names when targets share
/// it.</summary>
/// <param name="Inputs">Digests of the vertices it is made from.</param>
/// <param name="Started">Null while it waits. A vertex can start more than once.</param>
internal sealed record VertexEvent(
    string Digest, string Name, IReadOnlyList<string> Inputs, DateTimeOffset? Started, DateTimeOffset? Completed, bool Cached,
    string? Error) : TraceEvent;

/// <summary>Output of a step; a chunk ends anywhere, also within a line or a character.</summary>
/// <param name="Stream">1 for standard output, 2 for standard error.</param>
internal sealed record LogEvent(string VertexDigest, int Stream, byte[] Data) : TraceEvent;

/// <summary>A part of the work of a vertex: a transfer, or one act of an export.</summary>
/// <param name="Id">What is done, in words.</param>
internal sealed record StatusEvent(string VertexDigest, string Id) : TraceEvent
{
    /// <summary>Whether the cache is written into the image itself: BuildKit's own word for it (solver/llbsolver/solver.go).</summary>
    public bool IsInlineCache => Id == "preparing layers for inline cache";
}

/// <summary>A remark of the frontend about the Dockerfile.</summary>
internal sealed record WarningEvent(string VertexDigest, string Message) : TraceEvent;

/// <summary>A line that is not of the trace: what buildx itself says, above all after a failure.</summary>
internal sealed record TextEvent(string Line) : TraceEvent;

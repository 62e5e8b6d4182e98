namespace WatchParty.Releases.Recording;

/// <remarks>In the order of what says more: of two vertices that stand for one step the greater counts.</remarks>
internal enum StepState
{
    /// <summary>Neither found in the cache nor run: the build ended before, or goes on.</summary>
    Pending,

    /// <summary>It was stopped because something else failed, or because the build was stopped.</summary>
    Canceled,

    Failed,

    /// <summary>Its result came from the cache.</summary>
    Cached,

    /// <summary>It has run in this build.</summary>
    Executed,
}

/// <summary>One step of a Dockerfile in one build.</summary>
/// <param name="Target">Bake target, as the caller named it.</param>
/// <param name="Stage">Stage; <c>stage-0</c> if unnamed, empty in a Dockerfile of one stage, named or not.</param>
/// <param name="Number">Number in its stage, counting FROM as 1. Zero for what failed without being a step, such as a name that cannot be
/// resolved.</param>
/// <param name="Of">Number of steps in its stage.</param>
/// <param name="Instruction">RUN, COPY or ADD.</param>
/// <param name="Text">The whole instruction, its first line if it has several.</param>
/// <param name="Elapsed">Time it took; of all its runs if it started more than once.</param>
/// <param name="LogTail">The last lines it printed, a few.</param>
internal sealed record BuildStep(
    string Target, string Stage, int Number, int Of, string Instruction, string Text, StepState State, TimeSpan Elapsed, string Digest,
    string? Error, IReadOnlyList<string> LogTail)
{
    /// <summary>When it first started, by the builder's clock; null when it never did.</summary>
    public DateTimeOffset? StartedAt { get; init; }
}

using System.Text.Encodings.Web;
using System.Text.Json;
using System.Text.Json.Serialization;
using WatchParty.Releases.Planning;
using WatchParty.Tools.Configuration;

namespace WatchParty.Releases.Recording;

/// <summary>How a release ended. The names are part of the JSON contract.</summary>
internal enum ReleaseOutcome
{
    NothingToDo,
    Succeeded,

    /// <summary>An image could not be built; no container was touched.</summary>
    BuildFailed,

    /// <summary>The release was not healthy and the previous one serves again.</summary>
    RolledBack,

    /// <summary>The release was not healthy, and the previous one could not be or was not to be brought back.</summary>
    DeployFailed,
    Interrupted,

    /// <summary>The commit failed before; it is not tried again without a new commit or a person.</summary>
    Quarantined,

    /// <summary>Something other than building or deploying stood in the way. It is tried again, save for a commit that was refused for its
    /// signature.</summary>
    Failed,

    /// <summary>A newer commit came before it was released. No container was touched.</summary>
    Superseded,
}

/// <summary>Where a release is. Written before each outside effect, so that a killed worker knows where it was.</summary>
internal enum ReleaseState { Planning, Building, Deploying, Verifying, RollingBack, Done }

/// <summary>Seconds by phase.</summary>
internal sealed record PhaseSeconds(double Detect, double Plan, double Build, double Deploy, double Verify, double Total)
{
    public static PhaseSeconds Zero { get; } = new(0, 0, 0, 0, 0, 0);
}

/// <summary>Counted build steps (RUN, COPY and ADD of the stages that were needed).</summary>
internal sealed record StepCounts(int Total, int Cached, int Executed)
{
    public static StepCounts None { get; } = new(0, 0, 0);

    public static StepCounts operator +(StepCounts a, StepCounts b) => new(a.Total + b.Total, a.Cached + b.Cached, a.Executed + b.Executed);
}

/// <summary>A step that ran instead of coming from the cache.</summary>
/// <param name="Reason">The first cause in its chain, in words.</param>
/// <param name="Cause">Name of that cause.</param>
/// <param name="Avoidable">Whether it ran only because a build argument is declared above it without being used by it.</param>
internal sealed record MissedStep(string Step, double Seconds, string? Reason, MissCause? Cause = null, bool Avoidable = false);

/// <summary>One step of one build.</summary>
/// <param name="StartedAt">Null when it never began, or when an earlier version of the worker recorded it.</param>
internal sealed record StepRecord(string Service, string Stage, string Text, string State, double Seconds, string? Error,
    DateTimeOffset? StartedAt);

internal sealed record ServiceReport(
    string Name, ServiceAction Action, string Reason, bool Fresh, StepCounts Steps, double Seconds, string? Image,
    IReadOnlyList<MissedStep> Missed)
{
    /// <summary>What the cached steps took when they last ran.</summary>
    public double SecondsSaved { get; init; }

    /// <summary>What would make every build of it faster.</summary>
    public IReadOnlyList<string> Advice { get; init; } = [];
}

/// <summary>One release, as <c>once --json</c> and <c>show --json</c> print it.</summary>
internal sealed record ReleaseReport(
    string? Release, string Commit, string? PreviousCommit, string Trigger, ReleaseOutcome Outcome,
    IReadOnlyList<ServiceReport> Services, PhaseSeconds Seconds, string? Error,
    ReleaseState State = ReleaseState.Done, DateTimeOffset? StartedAt = null, DateTimeOffset? EndedAt = null, bool Forced = false,
    IReadOnlyList<string>? Notes = null, string? Log = null)
{
    public static string SupersededBy(string newer) => $"commit {newer[..7]} came before it was released";

    /// <summary>By address of <c>Deploy:Probes</c>: for how long it gave no good answer while this was deployed. Null when nothing was
    /// deployed; without an address that did not answer before either.</summary>
    public IReadOnlyDictionary<string, double>? SecondsWithoutAnswer { get; init; }

    /// <summary>The longest of these times in one piece.</summary>
    public IReadOnlyDictionary<string, double>? LongestWithoutAnswer { get; init; }

    public ReleaseReport WithUnanswered(IReadOnlyDictionary<string, Unanswered>? seen) => this with
    {
        SecondsWithoutAnswer = seen?.ToDictionary(s => s.Key, s => s.Value.Total),
        LongestWithoutAnswer = seen?.ToDictionary(s => s.Key, s => s.Value.Longest),
    };

    public StepCounts Steps => Services.Aggregate(StepCounts.None, (sum, s) => sum + s.Steps);
}

[JsonSourceGenerationOptions(PropertyNamingPolicy = JsonKnownNamingPolicy.CamelCase, UseStringEnumConverter = true)]
[JsonSerializable(typeof(ReleaseReport))]
[JsonSerializable(typeof(IReadOnlyList<ReleaseReport>))]
[JsonSerializable(typeof(IReadOnlyList<MissedStep>))]
[JsonSerializable(typeof(IReadOnlyList<string>))]
[JsonSerializable(typeof(BuildInputs))]
[JsonSerializable(typeof(BuildBasis))]
[JsonSerializable(typeof(PhaseSeconds))]
[JsonSerializable(typeof(Served))]
[JsonSerializable(typeof(ModelSource))]
[JsonSerializable(typeof(IReadOnlyDictionary<string, Unanswered>))]
[JsonSerializable(typeof(HousekeepingReport))]
[JsonSerializable(typeof(IReadOnlyList<StepRecord>))]
[JsonSerializable(typeof(IReadOnlyList<HousekeepingReport>))]
internal sealed partial class RecordJson : JsonSerializerContext
{
    /// <summary>For people and scripts: text is printed as it is, so that a commit's subject stays readable.</summary>
    public static RecordJson Readable =>
        field ??= new(new JsonSerializerOptions(Default.Options) { Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping });
}

/// <summary>One prune or clear.</summary>
/// <param name="Kind"><c>prune</c> or <c>clear</c>.</param>
internal sealed record HousekeepingReport(
    string Kind, string Trigger, string Outcome, IReadOnlyList<string> Targets, int RecordsBefore, int RecordsAfter, long FreedBytes,
    double MarkSeconds, double SweepSeconds, string? Error, DateTimeOffset StartedAt, DateTimeOffset EndedAt)
{
    /// <summary>What a person should know about it.</summary>
    public IReadOnlyList<string> Notes { get; init; } = [];

    /// <summary>Size of the builder cache before; null when it was not recorded.</summary>
    public long? BytesBefore { get; init; }

    /// <summary>Its size afterwards: after a prune that of the live set.</summary>
    public long? BytesAfter { get; init; }
}

using System.Text.Json.Serialization;
using WatchParty.Tools.Redacting;

namespace WatchParty.Worker.Control;

/// <summary>What a verb asks of the running service: one line of JSON.</summary>
internal sealed record ControlRequest([property: JsonRequired] string Verb, string AskedBy, bool ForceRebuild = false, bool DryRun = false,
    IReadOnlyList<string>? Targets = null, long? Release = null);

/// <summary>One line of the answer: progress, or at the end the document that the verb prints and its exit code.</summary>
internal sealed record ControlAnswer(string? Progress = null, string? Document = null, int? ExitCode = null, string? Error = null)
{
    public ControlAnswer Masked() => this with
    {
        Progress = Progress is null ? null : Redaction.Apply(Progress),
        Document = Document is null ? null : Redaction.ApplyToDocument(Document),
        Error = Error is null ? null : Redaction.Apply(Error),
    };
}

/// <summary>What the running service says of itself.</summary>
/// <param name="NextCommit">The commit that is released after the release under way.</param>
/// <param name="ReleaseError">Why the newest commit could not be released, when the record does not say it.</param>
/// <param name="ConfigurationChanged">A file of the configuration that is not any more what the service has read.</param>
internal sealed record ServiceStatus(
    int Pid, DateTimeOffset StartedAt, string? Work, DateTimeOffset? WorkSince, string? Progress, int Waiting,
    DateTimeOffset? LastPoll, string? PollError, DateTimeOffset? NextPrune, string? NextCommit = null, string? ReleaseError = null,
    string? ConfigurationChanged = null);

[JsonSourceGenerationOptions(PropertyNamingPolicy = JsonKnownNamingPolicy.CamelCase, RespectNullableAnnotations = true,
    DefaultIgnoreCondition = JsonIgnoreCondition.WhenWritingNull)]
[JsonSerializable(typeof(ControlRequest))]
[JsonSerializable(typeof(ControlAnswer))]
[JsonSerializable(typeof(ServiceStatus))]
internal sealed partial class ControlJson : JsonSerializerContext;

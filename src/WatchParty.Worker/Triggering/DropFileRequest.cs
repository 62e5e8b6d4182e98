using System.Text;
using System.Text.Json.Serialization;
using System.Text.RegularExpressions;

namespace WatchParty.Worker.Triggering;

/// <summary>What a drop file asks for.</summary>
internal enum DropFileKind
{
    ClearCache,
    ForceRebuild,
}

/// <summary>What one flag asks for, right in form; whether the targets exist is for the handler to say.</summary>
/// <param name="Targets">Names as written, without repetition; <c>all</c> alone when the flag names none.</param>
internal sealed partial record DropFileRequest(DropFileKind Kind, IReadOnlyList<string> Targets)
{
    private static readonly UTF8Encoding StrictUtf8 = new(encoderShouldEmitUTF8Identifier: false, throwOnInvalidBytes: true);

    public static IReadOnlyList<string> AllTargets { get; } = ["all"];

    /// <summary>Reads the first line of a flag; null, with the reason in <paramref name="fault"/>, when it has not the form of one.</summary>
    public static DropFileRequest? Read(DropFileKind kind, ReadOnlySpan<byte> content, out string fault)
    {
        fault = "";
        string line;
        try
        {
            var end = content.IndexOf((byte)'\n');
            line = StrictUtf8.GetString(end < 0 ? content : content[..end]).TrimStart('\uFEFF').Trim();
        }
        catch (DecoderFallbackException)
        {
            fault = "its first line is not text";
            return null;
        }
        if (line.Length == 0) { return new DropFileRequest(kind, AllTargets); }

        string[] targets = [.. line.Split(',', StringSplitOptions.TrimEntries | StringSplitOptions.RemoveEmptyEntries).Distinct()];
        if (targets.Length > 0 && targets.All(t => TargetName().IsMatch(t))) { return new DropFileRequest(kind, targets); }
        // What it says instead is not repeated: it may be anything, and the result is read by programs and terminals.
        fault = "its first line is not a list of service names; write all, or names like frontend,backend, or leave it empty";
        return null;
    }

    [GeneratedRegex(@"^[a-zA-Z0-9][a-zA-Z0-9._-]{0,62}\z")]
    private static partial Regex TargetName();
}

/// <summary>How the work that a flag asked for ended.</summary>
/// <param name="Outcome">One word for programs, for example <c>Cleared</c> or <c>Refused</c>.</param>
/// <param name="Error">Null when all went well.</param>
internal sealed record DropFileResult(string Outcome, IReadOnlyList<string> Targets, long FreedBytes, string? Error);

/// <summary>The document that appears beside a flag.</summary>
internal sealed record DropFileResultDocument(
    string Outcome, IReadOnlyList<string> Targets, long FreedBytes, string? Error, DateTimeOffset StartedAt, DateTimeOffset EndedAt)
{
    public DropFileResultDocument(DropFileResult result, DateTimeOffset startedAt, DateTimeOffset endedAt)
        : this(result.Outcome, result.Targets, result.FreedBytes, result.Error, startedAt, endedAt)
    {
    }
}

[JsonSourceGenerationOptions(PropertyNamingPolicy = JsonKnownNamingPolicy.CamelCase, WriteIndented = true)]
[JsonSerializable(typeof(DropFileResultDocument))]
internal sealed partial class DropFileJson : JsonSerializerContext;

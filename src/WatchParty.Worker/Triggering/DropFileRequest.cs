using System.Text;
using System.Text.Json.Serialization;
using WatchParty.Releases.Planning;
using WatchParty.Tools.Configuration;

namespace WatchParty.Worker.Triggering;

/// <summary>What one flag asks for, right in form; whether the targets exist is for the handler to say.</summary>
/// <param name="Targets">Names as written, without repetition; <c>all</c> alone when the flag names none.</param>
internal sealed record DropFileRequest(DropFileKind Kind, IReadOnlyList<string> Targets)
{
    private static readonly UTF8Encoding Utf8 = new(encoderShouldEmitUTF8Identifier: false, throwOnInvalidBytes: true);
    private static readonly UnicodeEncoding LittleEndian = new(bigEndian: false, byteOrderMark: false, throwOnInvalidBytes: true);
    private static readonly UnicodeEncoding BigEndian = new(bigEndian: true, byteOrderMark: false, throwOnInvalidBytes: true);

    public static IReadOnlyList<string> AllTargets { get; } = ["all"];

    /// <summary>Reads the first line of a flag; null, with the reason in <paramref name="fault"/>, when it has not the form of
    /// one.</summary>
    public static DropFileRequest? Read(DropFileKind kind, ReadOnlySpan<byte> content, out string fault)
    {
        fault = "";
        string line;
        try
        {
            line = FirstLine(content).Trim();
        }
        catch (DecoderFallbackException)
        {
            fault = "its first line is not text";
            return null;
        }
        if (line.Length == 0) { return new DropFileRequest(kind, AllTargets); }

        string[] targets = [.. line.Split(',', StringSplitOptions.TrimEntries | StringSplitOptions.RemoveEmptyEntries).Distinct()];
        if (targets.Length > 0 && targets.All(Names.IsService)) { return new DropFileRequest(kind, targets); }
        // What it says instead is not repeated: it may be anything, and the result is read by programs and terminals.
        fault = "its first line is not a list of service names; write all, or names like frontend,backend, or leave it empty";
        return null;
    }

    /// <summary>The text up to the first end of a line of any kind, in the encoding that its beginning tells: the shells of Windows write
    /// UTF-16, some of their editors a mark in front.</summary>
    private static string FirstLine(ReadOnlySpan<byte> content)
    {
        var (encoding, mark) = content switch
        {
            [0xef, 0xbb, 0xbf, ..] => (Utf8, 3),
            [0xff, 0xfe, ..] => (LittleEndian, 2),
            [0xfe, 0xff, ..] => (BigEndian, 2),
            // Names are ASCII, of which UTF-16 makes every second byte 0.
            [not 0, 0, ..] => (LittleEndian, 0),
            [0, not 0, ..] => ((Encoding)BigEndian, 0),
            _ => (Utf8, 0),
        };
        content = content[mark..];
        var width = encoding == Utf8 ? 1 : 2;
        for (var end = 0; end + width <= content.Length; end += width)
        {
            var unit = width == 1 ? content[end]
                : encoding == LittleEndian ? content[end] | (content[end + 1] << 8) : (content[end] << 8) | content[end + 1];
            if (unit is '\n' or '\r') { return encoding.GetString(content[..end]); }
        }
        return encoding.GetString(content);
    }
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

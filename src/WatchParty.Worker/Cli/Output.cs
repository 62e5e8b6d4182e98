using System.Text.Json;
using System.Text.Json.Nodes;
using Spectre.Console;
using WatchParty.Tools.Files;
using WatchParty.Tools.Redacting;
using WatchParty.Worker.Control;

namespace WatchParty.Worker.Cli;

/// <summary>How a verb prints what it came to. Whatever stands in it, it is safe for a terminal and shows no secret
/// (<see cref="EventText"/>).</summary>
internal static class Output
{
    /// <summary>The document as it is with <c>--json</c>, in words otherwise; then the exit code.</summary>
    /// <param name="words">Makes words of the document.</param>
    public static async Task<int> PrintAsync(VerbResult result, bool json, Func<string, string> words)
    {
        if (result.Error is { } error) { await ErrorAsync(error); }
        if (result.Document is { } document) { await (json ? DocumentAsync(document) : LineAsync(words(document))); }
        else if (json)
        {
            await DocumentAsync(
                new JsonObject
                {
                    ["outcome"] = result.ExitCode == ExitCode.Busy ? "Busy"
                    : "Failed",
                    ["error"] = result.Error
                }.ToJsonString());
        }
        return result.ExitCode;
    }

    public static Task LineAsync(string words) => Console.Out.WriteLineAsync(EventText.Printable(words));

    /// <summary>Every line but the first is indented, so that none can pass for a message of its own.</summary>
    public static Task ErrorAsync(string words) =>
        Console.Error.WriteLineAsync(EventText.Printable(words).Replace("\n", "\n  ", StringComparison.Ordinal));

    /// <summary>Prints JSON, indented.</summary>
    public static Task DocumentAsync(string document) =>
        Console.Out.WriteLineAsync(
            string.Join('\n', Indented(Redaction.ApplyToDocument(document)).Split('\n').Select(EventText.EscapeWhole)));

    /// <summary>Whether what is printed goes nowhere any more. Always false on Windows.</summary>
    public static bool ReaderIsGone => OperatingSystem.IsLinux() && UnixFile.IsReaderOfOutputGone();

    /// <summary>Prints JSON as one line of a stream.</summary>
    public static void DocumentLine(string document) => Console.Out.WriteLine(EventText.EscapeWhole(Redaction.ApplyToDocument(document)));

    public static void Print(Table table)
    {
        var console = AnsiConsole.Create(new AnsiConsoleSettings { Out = new AnsiConsoleOutput(Console.Out) });
        // A pipe has no width; a row cut in two would be of no use to grep.
        if (Console.IsOutputRedirected) { console.Profile.Width = 400; }
        console.Write(table);
    }

    internal static string Indented(string document)
    {
        using var parsed = JsonDocument.Parse(document);
        using var buffer = new MemoryStream();
        using (var writer = new Utf8JsonWriter(buffer,
            new JsonWriterOptions { Indented = true, Encoder = System.Text.Encodings.Web.JavaScriptEncoder.UnsafeRelaxedJsonEscaping }))
        {
            parsed.WriteTo(writer);
        }
        return System.Text.Encoding.UTF8.GetString(buffer.ToArray());
    }
}

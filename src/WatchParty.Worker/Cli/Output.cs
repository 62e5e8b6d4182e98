using System.Text.Json;
using System.Text.Json.Nodes;
using Spectre.Console;
using WatchParty.Worker.Hosting;

namespace WatchParty.Worker.Cli;

/// <summary>How a verb prints what it came to.</summary>
internal static class Output
{
    /// <summary>The document as it is with <c>--json</c>, in words otherwise; then the exit code.</summary>
    /// <param name="words">Makes words of the document.</param>
    public static async Task<int> PrintAsync(VerbResult result, bool json, Func<string, string> words)
    {
        if (result.Error is { } error) { await Console.Error.WriteLineAsync(error); }
        if (result.Document is { } document) { await Console.Out.WriteLineAsync(json ? Indented(document) : words(document)); }
        else if (json) { await Console.Out.WriteLineAsync(new JsonObject { ["outcome"] = result.ExitCode == ExitCode.Busy ? "Busy" : "Failed", ["error"] = result.Error }.ToJsonString()); }
        return result.ExitCode;
    }

    public static void Print(Table table)
    {
        var console = AnsiConsole.Create(new AnsiConsoleSettings { Out = new AnsiConsoleOutput(Console.Out) });
        // A pipe has no width; a row cut in two would be of no use to grep.
        if (Console.IsOutputRedirected) { console.Profile.Width = 400; }
        console.Write(table);
    }

    public static string Indented(string document)
    {
        using var parsed = JsonDocument.Parse(document);
        using var buffer = new MemoryStream();
        using (var writer = new Utf8JsonWriter(buffer, new JsonWriterOptions { Indented = true, Encoder = System.Text.Encodings.Web.JavaScriptEncoder.UnsafeRelaxedJsonEscaping })) { parsed.WriteTo(writer); }
        return System.Text.Encoding.UTF8.GetString(buffer.ToArray());
    }

    public static string Bytes(long bytes) => bytes switch
    {
        >= 1_000_000_000 => string.Create(System.Globalization.CultureInfo.InvariantCulture, $"{bytes / 1e9:0.0} GB"),
        >= 1_000_000 => string.Create(System.Globalization.CultureInfo.InvariantCulture, $"{bytes / 1e6:0.0} MB"),
        _ => string.Create(System.Globalization.CultureInfo.InvariantCulture, $"{bytes / 1e3:0.0} kB"),
    };
}

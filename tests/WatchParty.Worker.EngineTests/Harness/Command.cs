using System.Diagnostics;
using System.Text;

namespace WatchParty.Worker.EngineTests.Harness;

internal sealed record CommandResult(int ExitCode, string Output, string Errors);

/// <summary>Programs that tests run themselves. Not the worker's own runner, which is among what is tested.</summary>
internal static class Command
{
    private static readonly TimeSpan Limit = TimeSpan.FromMinutes(5);

    public static async Task<CommandResult> RunAsync(string program, IEnumerable<string> arguments, string? folder = null, IEnumerable<KeyValuePair<string, string?>>? environment = null)
    {
        using var process = Start(program, arguments, folder, environment);
        process.StandardInput.Close();
        var output = process.StandardOutput.ReadToEndAsync();
        var errors = process.StandardError.ReadToEndAsync();
        using var limit = new CancellationTokenSource(Limit, TimeProvider.System);
        try
        {
            await process.WaitForExitAsync(limit.Token);
        }
        catch (OperationCanceledException)
        {
            process.Kill(entireProcessTree: true);
            throw new TimeoutException($"{program} {string.Join(' ', arguments)} did not end: {await output}{await errors}");
        }
        return new CommandResult(process.ExitCode, await output, await errors);
    }

    /// <summary>Standard output, trimmed, of a program that must end well.</summary>
    public static async Task<string> OutputAsync(string program, IEnumerable<string> arguments, string? folder = null, IEnumerable<KeyValuePair<string, string?>>? environment = null)
    {
        var result = await RunAsync(program, arguments, folder, environment);
        Assert.True(result.ExitCode == 0, $"{program} {string.Join(' ', arguments)} ended with {result.ExitCode}: {result.Output}{result.Errors}");
        return result.Output.Trim();
    }

    public static Task<string> ShellAsync(string script, string? folder = null) => OutputAsync("sh", ["-euc", script], folder);

    public static Process Start(string program, IEnumerable<string> arguments, string? folder, IEnumerable<KeyValuePair<string, string?>>? environment)
    {
        var info = new ProcessStartInfo(program, arguments)
        {
            WorkingDirectory = folder ?? "",
            RedirectStandardInput = true,
            RedirectStandardOutput = true,
            RedirectStandardError = true,
            StandardOutputEncoding = Encoding.UTF8,
            StandardErrorEncoding = Encoding.UTF8,
        };
        foreach (var (name, value) in environment ?? []) { info.Environment[name] = value; }
        return Process.Start(info)!;
    }
}

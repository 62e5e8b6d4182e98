using System.CommandLine;
using WatchParty.Worker.Control;

namespace WatchParty.Worker.Cli;

/// <summary>Scripts that make a shell complete verbs and options.</summary>
internal static class CompletionsVerb
{
    public static Command Create()
    {
        var shell = new Argument<string>("SHELL") { Description = "bash, zsh or fish" };
        shell.AcceptOnlyFromAmong("bash", "zsh", "fish");
        var command = new Command("completions", "Print the script that makes a shell complete verbs and options.") { shell };
        command.SetAction(async (arguments, cancellationToken) =>
        {
            await using var script =
                typeof(CompletionsVerb).Assembly.GetManifestResourceStream($"completions.{arguments.GetValue(shell)}")!;
            await using var output = Console.OpenStandardOutput();
            await script.CopyToAsync(output, cancellationToken);
            return ExitCode.Done;
        });
        return command;
    }
}

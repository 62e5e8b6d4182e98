using System.CommandLine;
using System.Globalization;
using WatchParty.Releases.Recording;
using WatchParty.Tools.Redacting;
using WatchParty.Worker.Control;

namespace WatchParty.Worker.Cli;

/// <summary>The log of a release's build.</summary>
internal static class LogsVerb
{
    private static readonly TimeSpan LookEvery = TimeSpan.FromMilliseconds(300);

    public static Command Create(CommonOptions common)
    {
        var release = ReleaseArgument.Create(needed: false);
        var follow = new Option<bool>("--follow", "-f") { Description = "Go on as the build does, until the release is over" };
        var command = new Command("logs", "Print the build log of a release.") { release, follow };
        command.SetAction(async (arguments, _) =>
        {
            await using var session = VerbSession.Open(common, arguments);
            var history = session.Get<History>();
            if (await ReleaseArgument.FindAsync(history, arguments.GetValue(release)) is not { } report) { return ExitCode.Failed; }
            if (report.Log is not { } log || !File.Exists(log))
            {
                await Output.ErrorAsync($"Release {report.Release} has no build " +
                    $"log{(report.Log is null ? ": it was superseded before it began" : " any more; those of the newest 200 releases are kept")}.");
                return ExitCode.Failed;
            }
            var id = long.Parse(report.Release!, CultureInfo.InvariantCulture);
            await using var file = new FileStream(log, FileMode.Open, FileAccess.Read, FileShare.ReadWrite | FileShare.Delete);
            using var reader = new StreamReader(file);
            var text = new char[8192];
            while (true)
            {
                // Asked before the file is read: what is written until the end is printed, too.
                var over = !arguments.GetValue(follow) || history.Find(id) is not { State: not ReleaseState.Done };
                while (await reader.ReadAsync(text, session.Stop) is > 0 and var read)
                {
                    // What a step prints could move the cursor of a terminal, or worse; a file or a pipe gets it as it is.
                    await Console.Out.WriteAsync(Console.IsOutputRedirected ? new string(text, 0, read)
                        : EventText.Printable(new string(text, 0, read)));
                }
                if (over || Output.ReaderIsGone) { return ExitCode.Done; }
                await Task.Delay(LookEvery, TimeProvider.System, session.Stop);
            }
        });
        return command;
    }
}

using System.CommandLine;
using System.Text.Json;
using WatchParty.Releases.Recording;
using WatchParty.Worker.Control;

namespace WatchParty.Worker.Cli;

/// <summary>One poll and release.</summary>
internal static class OnceVerb
{
    public static Command Create(CommonOptions common)
    {
        var force = new Option<bool>(
            "--force-rebuild")
        { Description = "Build every service without cache and look up base images again, also when nothing is new" };
        var command = new Command("once", "Poll the remote once, release what is new, and exit.") { force };
        command.SetAction(async (arguments, _) =>
        {
            await using var session = VerbSession.Open(common, arguments);
            var result = await session.DoAsync(new ControlRequest("once", VerbSession.Caller, ForceRebuild: arguments.GetValue(force)));
            return await Output.PrintAsync(result, arguments.GetValue(common.Json),
                document => ReleaseText.Of(JsonSerializer.Deserialize(document, RecordJson.Default.ReleaseReport)!));
        });
        return command;
    }
}

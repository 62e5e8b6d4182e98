using System.CommandLine;
using System.Text.Json;
using WatchParty.Releases.Recording;
using WatchParty.Worker.Control;

namespace WatchParty.Worker.Cli;

/// <summary>Goes back to an earlier healthy release.</summary>
internal static class RollbackVerb
{
    public static Command Create(CommonOptions common)
    {
        var release = new Argument<long?>(
            "RELEASE")
        { Description = "A healthy release (default: the one before the deployed one)", Arity = ArgumentArity.ZeroOrOne };
        var command = new Command("rollback",
            "Bring an earlier release back; the commit that is left behind waits for a new one.") { release };
        command.SetAction(async (arguments, _) =>
        {
            await using var session = VerbSession.Open(common, arguments);
            var result = await session.DoAsync(new ControlRequest("rollback", VerbSession.Caller, Release: arguments.GetValue(release)));
            return await Output.PrintAsync(result, arguments.GetValue(common.Json),
                document => ReleaseText.Of(JsonSerializer.Deserialize(document, RecordJson.Default.ReleaseReport)!));
        });
        return command;
    }
}

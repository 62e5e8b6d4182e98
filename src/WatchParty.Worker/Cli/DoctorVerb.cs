using System.CommandLine;
using System.Text.Json.Nodes;
using WatchParty.Worker.Checking;
using WatchParty.Worker.Control;

namespace WatchParty.Worker.Cli;

/// <summary>Whether everything the worker needs is there, and what to do about what is not.</summary>
internal static class DoctorVerb
{
    public static Command Create(CommonOptions common)
    {
        var command = new Command("doctor", "Check git, the engine, the application and the folders, and say what to do.");
        command.SetAction(async (arguments, _) =>
        {
            await using var session = VerbSession.Open(common, arguments);
            var checks = await session.Get<Doctor>().RunAsync(session.Stop);
            if (arguments.GetValue(common.Json))
            {
                var document = new JsonObject
                {
                    ["checks"] = new JsonArray(
                    [.. checks.Select(
                        c => new JsonObject { ["name"] = c.Name, ["status"] = c.Status.ToString(), ["message"] = c.Message, ["fix"] = c.Fix })])
                };
                await Output.DocumentAsync(document.ToJsonString());
            }
            else
            {
                foreach (var check in checks)
                {
                    await Output.LineAsync($"{check.Status,-7}  {check.Name}: {check.Message}");
                    if (check.Fix is { } fix)
                    {
                        await Output.LineAsync($"         fix: {fix.Replace("\n", "\n              ", StringComparison.Ordinal)}");
                    }
                }
            }
            return checks.Any(c => c.Status == CheckStatus.Error) ? ExitCode.Failed : ExitCode.Done;
        });
        return command;
    }
}

using System.CommandLine;
using System.Text.Json.Nodes;
using WatchParty.Tools.Configuration;
using WatchParty.Worker.Control;
using WatchParty.Worker.Notifying;

namespace WatchParty.Worker.Cli;

/// <summary>Whether messages get through.</summary>
internal static class NotifyVerb
{
    public static Command Create(CommonOptions common)
    {
        var test = new Option<bool>(
            "--test")
        { Description = "Send a message that says it is a test, now and without a second try", Required = true };
        var channel = new Argument<string?>(
            "CHANNEL")
        { Description = "Name of a channel (default: all of Notifications)", Arity = ArgumentArity.ZeroOrOne };
        var command = new Command("notify",
            "Send a test message over the channels of Notifications, and say what came of it.") { test, channel };
        command.SetAction(async (arguments, _) =>
        {
            await using var session = VerbSession.Open(common, arguments);
            var all = session.Options.Notifications;
            var wanted = arguments.GetValue(channel);
            var channels = all.Where(c => wanted is null || c.CalledBy().Equals(wanted, StringComparison.OrdinalIgnoreCase)).ToList();
            if (channels.Count == 0)
            {
                await Output.ErrorAsync(all.Length == 0
                    ? "Nobody is told of anything: the configuration has no Notifications. docs/notifications.md has an example for each " +
                        "kind."
                    : $"There is no channel {wanted}. Channels: {string.Join(", ", all.Select(c => c.CalledBy()))}.");
                return ExitCode.BadUsage;
            }
            var results = new JsonArray();
            foreach (var one in channels)
            {
                var error = await TryAsync(session, one);
                results.Add(new JsonObject { ["channel"] = one.CalledBy(), ["sent"] = error is null, ["error"] = error });
                if (!arguments.GetValue(common.Json))
                {
                    await Output.LineAsync($"{one.CalledBy()}: {(error is null ? "sent" : $"not sent, because {error}")}");
                }
            }
            if (arguments.GetValue(common.Json)) { await Output.DocumentAsync(new JsonObject { ["channels"] = results }.ToJsonString()); }
            return results.All(r => r!["sent"]!.GetValue<bool>()) ? ExitCode.Done : ExitCode.Failed;
        });
        return command;
    }

    private static async Task<string?> TryAsync(VerbSession session, NotificationOptions channel)
    {
        try
        {
            await Notifier.SendAsync(session.Get<Notifier>().Messages.Test(channel.CalledBy()), channel, session.Get<Courier>(),
                session.Stop);
            return null;
        }
        catch (OperationCanceledException) when (!session.Stop.IsCancellationRequested)
        {
            return "there was no answer in time";
        }
        catch (Exception e) when (e is NotDeliveredException or HttpRequestException or IOException or UnauthorizedAccessException
            or System.Net.Sockets.SocketException)
        {
            return e.Message;
        }
    }
}

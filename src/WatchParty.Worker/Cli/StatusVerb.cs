using System.CommandLine;
using System.Text.Json;
using WatchParty.Releases.Caching;
using WatchParty.Releases.Recording;
using WatchParty.Tools.Redacting;
using WatchParty.Worker.Control;
using WatchParty.Worker.Operating;

namespace WatchParty.Worker.Cli;

/// <summary>What is deployed and what is going on.</summary>
internal static class StatusVerb
{
    public static Command Create(CommonOptions common)
    {
        var watch = new Option<bool>("--watch", "-w") { Description = "Show what goes on as it changes, until Ctrl-C" };
        var command = new Command("status", "Say what is deployed, what is going on, and what waits.") { watch };
        command.SetAction(async (arguments, _) =>
        {
            await using var session = VerbSession.Open(common, arguments);
            var (json, history) = (arguments.GetValue(common.Json), session.Get<History>());
            List<string> Fresh() => [.. session.Get<FreshMarks>().All().Order(StringComparer.Ordinal)];
            string Document(ServiceStatus? service) =>
                StatusDocument.Of(history, Fresh(), service, WorkerLock.Holder(session.State), session.State);
            if (arguments.GetValue(watch))
            {
                return await StatusWatch.RunAsync(session.State, json ? Document : null, session.Get<TimeProvider>(), session.Stop);
            }
            var asked = await ControlClient.AskAsync(session.State, new ControlRequest("status", VerbSession.Caller), _ => { },
                session.Stop);
            var service = asked?.Document is { } document ? JsonSerializer.Deserialize(document, ControlJson.Default.ServiceStatus) : null;
            if (json)
            {
                await Output.DocumentAsync(Document(service));
                return ExitCode.Done;
            }
            var deployed = history.Deployed();
            var last = history.Last(1) is [var newest, ..] ? newest : null;
            var holder = WorkerLock.Holder(session.State);
            var fresh = Fresh();
            var lines = new List<string>
            {
                service is null ? "service:  not running"
                : $"service:  process {service.Pid}, since {service.StartedAt.ToLocalTime():yyyy-MM-dd HH:mm:ss}",
                deployed is null ? "deployed: nothing yet"
                : $"deployed: release {deployed.Id}, commit {ReleaseText.Short(deployed.Commit)}",
            };
            if (session.State.BrokenHistories is [.., var broken]) { lines.Add($"history:  a damaged one was set aside as {broken}"); }
            if (service is null && holder is not null) { lines.Add($"lock:     held by {holder}"); }
            if (service?.Work is { } work)
            {
                lines.Add($"now:      {work}: {service.Progress}{(service.Waiting > 0 ? $" ({service.Waiting} waiting)" : "")}");
            }
            if (service?.NextCommit is { } next) { lines.Add($"next:     commit {ReleaseText.Short(next)}"); }
            if (service?.ReleaseError is { } trouble) { lines.Add($"trouble:  {EventText.OneLine(trouble)}"); }
            if (service?.ConfigurationChanged is { } changed)
            {
                lines.Add($"config:   {changed} was changed after the service had read it; a restart of the service applies it, `doctor` " +
                    $"checks it");
            }
            if (service?.PollError is { } error) { lines.Add($"remote:   {EventText.OneLine(error)}"); }
            if (service?.NextPrune is { } prune) { lines.Add($"prune:    next {prune.ToLocalTime():yyyy-MM-dd HH:mm}"); }
            if (fresh.Count > 0) { lines.Add($"fresh:    the next build of {string.Join(", ", fresh)} uses no cache"); }
            if (last is { State: ReleaseState.Done, Outcome: not ReleaseOutcome.Succeeded })
            {
                lines.Add($"last:     {ReleaseText.Of(last)}");
            }
            await Output.LineAsync(string.Join(Environment.NewLine, lines));
            return ExitCode.Done;
        });
        return command;
    }
}

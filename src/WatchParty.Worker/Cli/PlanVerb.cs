using System.CommandLine;
using System.Text.Json.Nodes;
using WatchParty.Releases.Planning;
using WatchParty.Releases.Recording;
using WatchParty.Releases.Releasing;
using WatchParty.Tools.Git;
using WatchParty.Tools.Redacting;
using WatchParty.Worker.Control;

namespace WatchParty.Worker.Cli;

/// <summary>What <c>once</c> would do.</summary>
internal static class PlanVerb
{
    public static Command Create(CommonOptions common)
    {
        var command = new Command("plan", "Say what `once` would do and why. Fetches, but changes no file, image or container.");
        command.SetAction(async (arguments, _) =>
        {
            await using var session = VerbSession.Open(common, arguments);
            var repository = session.Get<GitRepository>();
            var found = await session.Get<CommitDetection>().DetectAsync(new ReleaseRequest("plan"), session.Stop);
            ReleasePlan? plan = null;
            string? note = null;
            if (found.IsNew)
            {
                await repository.FetchAsync(found.Commit, session.Stop);
                await repository.RefuseUnsignedAsync(found.Commit, session.Stop);
                var head = await repository.HeadAsync(session.Stop);
                // The model comes from the files that are checked out; of the new commit's own only git is asked.
                var changed = await repository.ChangedPathsAsync(head, found.Commit, session.Stop);
                if (changed.FirstOrDefault(ShapesThePlan) is { } file)
                {
                    note = $"{file} differs in the new commit; the plan is made with the one that is checked out now";
                }
                plan = await session.Get<ReleasePlanning>()
                    .PlanAsync(found.Commit, found.Deployed, new ReleaseRequest("plan"), session.Stop);
            }
            var outcome = found.Quarantine is not null ? "Quarantined" : plan is null ? "NothingToDo" : "Release";
            if (arguments.GetValue(common.Json))
            {
                var json = new JsonObject
                {
                    ["outcome"] = outcome,
                    ["commit"] = found.Commit,
                    ["previousCommit"] = found.Deployed?.Commit,
                    ["services"] = new JsonArray(
                        [.. (plan?.Services
                            ?? []).Select(
                                s => new JsonObject { ["name"] = s.Name, ["action"] = ActionOf(s)
                                    .ToString(), ["reason"] = s.Reason, ["asksFirst"] = s.AsksFirst, ["fresh"] = s.Fresh })]),
                    ["note"] = note,
                    ["notes"] = new JsonArray([.. (plan?.Notes ?? []).Select(n => JsonValue.Create(n))]),
                    ["error"] = found.Quarantine?.Reason,
                };
                await Output.DocumentAsync(json.ToJsonString());
                return ExitCode.Done;
            }
            await Output.LineAsync(outcome switch
            {
                "NothingToDo" => $"Nothing to do: commit {ReleaseText.Short(found.Commit)} is deployed.",
                "Quarantined" => $"Nothing: commit {ReleaseText.Short(found.Commit)} is quarantined: {found.Quarantine!.Value.Reason}",
                _ => $"Release of commit " +
                    $"{ReleaseText.Short(found.Commit)}{(found.Deployed is null ? "" : $" after {ReleaseText.Short(found.Deployed.Commit)}")}:",
            });
            if (plan is not null) { foreach (var line in Lines(plan)) { await Output.LineAsync(line); } }
            foreach (var line in (plan?.Notes ?? []).Concat(note is null ? [] : [note])) { await Output.ErrorAsync($"note: {line}"); }
            return ExitCode.Done;
        });
        return command;
    }

    /// <summary>In the manner of a diff: + is built, ~ is restarted, - is removed; what stays as it is has no sign.</summary>
    internal static IEnumerable<string> Lines(ReleasePlan plan)
    {
        var width = plan.Services.Select(s => s.Name.Length).DefaultIfEmpty(0).Max();
        foreach (var service in plan.Services)
        {
            var (sign, does) = ActionOf(service) switch
            {
                ServiceAction.Built => ('+', service.Fresh ? "build without cache" : "build"),
                ServiceAction.Restarted => ('~', "restart"),
                ServiceAction.Removed => ('-', "remove"),
                _ => (' ', "stays"),
            };
            var reason = service.AsksFirst ? $"{service.Reason}, unless BuildKit finds that its build does not read that" : service.Reason;
            yield return $"  {sign} {service.Name.PadRight(width)}  {does}: {EventText.OneLine(reason)}";
        }
        int Count(ServiceAction action) => plan.Services.Count(s => ActionOf(s) == action);
        yield return $"{Count(ServiceAction.Built)} to build, {Count(ServiceAction.Restarted)} to restart, " +
            $"{Count(ServiceAction.Removed)} to remove, {Count(ServiceAction.Unchanged)} as they are.";
    }

    private static ServiceAction ActionOf(ServicePlan service) =>
        service is { Action: ServiceAction.Unchanged, Reaction.Handling: MountHandling.Restart or MountHandling.Recreate }
        ? ServiceAction.Restarted
        : service.Action;

    private static bool ShapesThePlan(string path) => Path.GetFileName(path) is var name
        && (name.EndsWith(".dockerignore", StringComparison.Ordinal) || name.EndsWith(".yaml", StringComparison.Ordinal)
            || name.EndsWith(".yml", StringComparison.Ordinal) || name == ".env"
            || name.StartsWith("Dockerfile", StringComparison.Ordinal));
}

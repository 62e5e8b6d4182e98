using System.CommandLine;
using System.Text.Json;
using WatchParty.Releases.Recording;
using WatchParty.Tools.Configuration;
using WatchParty.Tools.Redacting;
using WatchParty.Worker.Control;

namespace WatchParty.Worker.Cli;

/// <summary>Removes cache that is of no use any more.</summary>
internal static class PruneVerb
{
    public static Command Create(CommonOptions common)
    {
        var dryRun = new Option<bool>("--dry-run") { Description = "Say what would be removed, and remove nothing" };
        var command = new Command("prune", "Prune the builder cache, old rollback images and images without a name now.") { dryRun };
        command.SetAction(async (arguments, _) =>
        {
            await using var session = VerbSession.Open(common, arguments);
            var result = await session.DoAsync(new ControlRequest("prune", VerbSession.Caller, DryRun: arguments.GetValue(dryRun)));
            return await Output.PrintAsync(result, arguments.GetValue(common.Json), document =>
            {
                var report = JsonSerializer.Deserialize(document, RecordJson.Default.HousekeepingReport)!;
                return report.Outcome == "DryRun"
                    ? $"Would remove: {report.RecordsBefore - report.RecordsAfter} of {report.RecordsBefore} cache records, " +
                        $"{report.Targets.Count} old image names; {ByteSize.Words(report.FreedBytes)}.{Notes(report)}"
                    : $"Pruned: {report.RecordsBefore} cache records before, {report.RecordsAfter} after; {report.Targets.Count} old " +
                        $"image names removed; {ByteSize.Words(report.FreedBytes)} freed.{Notes(report)}";
            });
        });
        return command;
    }

    internal static string Notes(HousekeepingReport report) =>
        string.Concat(report.Notes.Prepend(report.Error).Where(n => n is not null)
            .Select(n => $"{Environment.NewLine}  note: {EventText.OneLine(n!)}"));
}

/// <summary>Clears the build cache.</summary>
internal static class ClearCacheVerb
{
    public static Command Create(CommonOptions common)
    {
        var targets = new Argument<string[]>(
            "TARGETS")
        { Description = "Services, or all (default: all)", Arity = ArgumentArity.ZeroOrMore };
        var command = new Command("clear-cache", "Clear the build cache; the next build of the targets uses none.") { targets };
        command.SetAction(async (arguments, _) =>
        {
            await using var session = VerbSession.Open(common, arguments);
            var names = (arguments.GetValue(targets)
                ?? []).SelectMany(t => t.Split(',', StringSplitOptions.RemoveEmptyEntries | StringSplitOptions.TrimEntries)).ToArray();
            var result =
                await session.DoAsync(new ControlRequest("clear-cache", VerbSession.Caller, Targets: names.Length == 0 ? ["all"] : names));
            return await Output.PrintAsync(result, arguments.GetValue(common.Json), document =>
            {
                var report = JsonSerializer.Deserialize(document, RecordJson.Default.HousekeepingReport)!;
                return report.Error is { } error ? $"Nothing was cleared: {error}"
                    : $"Cleared {string.Join(", ", report.Targets)}: {report.RecordsBefore} cache records fell to {report.RecordsAfter}, " +
                        $"{ByteSize.Words(report.FreedBytes)} freed. The next build uses no cache.{PruneVerb.Notes(report)}";
            });
        });
        return command;
    }
}

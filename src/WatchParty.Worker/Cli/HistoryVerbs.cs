using System.CommandLine;
using System.Globalization;
using System.Text.Json;
using WatchParty.Worker.Hosting;
using WatchParty.Worker.Recording;

namespace WatchParty.Worker.Cli;

/// <summary>The latest releases.</summary>
internal static class HistoryVerb
{
    public static Command Create(CommonOptions common)
    {
        var last = new Option<int>("--last") { Description = "How many, newest first", DefaultValueFactory = _ => 20, HelpName = "N" };
        last.Validators.Add(r => { if (r.Tokens is [var token] && int.TryParse(token.Value, CultureInfo.InvariantCulture, out var number) && number < 1) { r.AddError("--last needs a number from 1 on"); } });
        var command = new Command("history", "List the latest releases.") { last };
        command.SetAction(async (arguments, _) =>
        {
            await using var session = VerbSession.Open(common, arguments);
            var reports = session.Get<History>().Last(arguments.GetValue(last));
            if (arguments.GetValue(common.Json)) { await Output.DocumentAsync(JsonSerializer.Serialize(reports, RecordJson.Readable.IReadOnlyListReleaseReport)); }
            else if (reports.Count == 0) { await Output.LineAsync("Nothing was released yet."); }
            else { Output.Print(ReleaseText.Table(reports)); }
            return ExitCode.Done;
        });
        return command;
    }
}

/// <summary>One release with its steps.</summary>
internal static class ShowVerb
{
    public static Command Create(CommonOptions common)
    {
        var release = new Argument<string>("RELEASE") { Description = "Number of a release, or the beginning of a commit" };
        var command = new Command("show", "Show one release: services with reasons, every step, notes, error.") { release };
        command.SetAction(async (arguments, _) =>
        {
            await using var session = VerbSession.Open(common, arguments);
            var history = session.Get<History>();
            var wanted = arguments.GetValue(release)!;
            var report = (long.TryParse(wanted, NumberStyles.None, CultureInfo.InvariantCulture, out var id) ? history.Find(id) : null)
                ?? (wanted.Length >= 4 && wanted.All(char.IsAsciiHexDigit) ? history.FindByCommit(wanted.ToLowerInvariant()) : null);
            if (report is null)
            {
                await Output.ErrorAsync($"There is no release {wanted}. `history` lists them.");
                return ExitCode.Failed;
            }
            if (arguments.GetValue(common.Json))
            {
                await Output.DocumentAsync(JsonSerializer.Serialize(report, RecordJson.Readable.ReleaseReport));
                return ExitCode.Done;
            }
            await Output.LineAsync(ReleaseText.Of(report));
            foreach (var service in report.Services)
            {
                foreach (var advice in service.Advice) { await Output.LineAsync($"  advice for {service.Name}: {EventText.OneLine(advice)}"); }
            }
            var reasons = report.Services.SelectMany(s => s.Missed.Select(m => (s.Name, m.Step, m.Reason))).ToLookup(m => (m.Name, m.Step), m => m.Reason);
            foreach (var service in history.Steps(long.Parse(report.Release!, CultureInfo.InvariantCulture)).GroupBy(s => s.Service))
            {
                await Output.LineAsync($"  {service.Key}:");
                foreach (var step in service)
                {
                    await Output.LineAsync($"    {(step.State == "Cached" ? "cached" : ReleaseText.Seconds(step.Seconds)),8}  [{step.Stage}] {step.Text.ReplaceLineEndings(" ")}{(step.Error is null ? "" : "  FAILED")}");
                    if (reasons[(step.Service, step.Text)].FirstOrDefault() is { } reason) { await Output.LineAsync($"              because {EventText.OneLine(reason)}"); }
                }
            }
            return ExitCode.Done;
        });
        return command;
    }
}

using System.CommandLine;
using System.Globalization;
using System.Text.Json;
using WatchParty.Releases.Recording;
using WatchParty.Tools.Redacting;
using WatchParty.Worker.Control;

namespace WatchParty.Worker.Cli;

/// <summary>The latest releases.</summary>
internal static class HistoryVerb
{
    public static Command Create(CommonOptions common)
    {
        var last = new Option<int>("--last") { Description = "How many, newest first", DefaultValueFactory = _ => 20, HelpName = "N" };
        last.Validators.Add(
            r =>
            {
                if (r.Tokens is [var token] && int.TryParse(token.Value, CultureInfo.InvariantCulture, out var number) && number < 1)
                {
                    r.AddError("--last needs a number from 1 on");
                }
            });
        var command = new Command("history", "List the latest releases.") { last };
        command.SetAction(async (arguments, _) =>
        {
            await using var session = VerbSession.Open(common, arguments);
            var reports = session.Get<History>().Last(arguments.GetValue(last));
            if (arguments.GetValue(common.Json))
            {
                await Output.DocumentAsync(JsonSerializer.Serialize(reports, RecordJson.Readable.IReadOnlyListReleaseReport));
            }
            else if (reports.Count == 0) { await Output.LineAsync("Nothing was released yet."); }
            else { Output.Print(ReleaseTable.Of(reports)); }
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
        var release = ReleaseArgument.Create(needed: true);
        var command = new Command("show", "Show one release: services with reasons, every step, notes, error.") { release };
        command.SetAction(async (arguments, _) =>
        {
            await using var session = VerbSession.Open(common, arguments);
            var history = session.Get<History>();
            if (await ReleaseArgument.FindAsync(history, arguments.GetValue(release)) is not { } report) { return ExitCode.Failed; }
            if (arguments.GetValue(common.Json))
            {
                await Output.DocumentAsync(JsonSerializer.Serialize(report, RecordJson.Readable.ReleaseReport));
                return ExitCode.Done;
            }
            await Output.LineAsync(ReleaseText.Of(report));
            foreach (var service in report.Services)
            {
                foreach (var advice in service.Advice)
                {
                    await Output.LineAsync($"  advice for {service.Name}: {EventText.OneLine(advice)}");
                }
            }
            var reasons = report.Services.SelectMany(s => s.Missed.Select(m => (s.Name, m.Step, m.Reason)))
                .ToLookup(m => (m.Name, m.Step), m => m.Reason);
            foreach (var service in history.Steps(long.Parse(report.Release!, CultureInfo.InvariantCulture)).GroupBy(s => s.Service))
            {
                var cached = service.Count(s => s.State == "Cached");
                await Output.LineAsync($"  {service.Key}: {Bar.Of(cached, service.Count())} {cached} of {service.Count()} cached");
                foreach (var step in service)
                {
                    await Output.LineAsync($"    {(step.State == "Cached" ? "cached" : ReleaseText.Seconds(step.Seconds)),8}  " +
                        $"[{step.Stage}] {step.Text.ReplaceLineEndings(" ")}{(step.Error is null ? "" : "  FAILED")}");
                    if (reasons[(step.Service, step.Text)].FirstOrDefault() is { } reason)
                    {
                        await Output.LineAsync($"              because {EventText.OneLine(reason)}");
                    }
                }
            }
            return ExitCode.Done;
        });
        return command;
    }
}

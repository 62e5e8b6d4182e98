using System.Text.Json;
using Spectre.Console;
using WatchParty.Releases.Recording;
using WatchParty.Tools.Redacting;
using WatchParty.Worker.Control;

namespace WatchParty.Worker.Cli;

/// <summary><c>status --watch</c>: bars that move on a terminal, a line for each thing that happens otherwise; with <c>--json</c> the
/// document of
/// <c>status --json</c> in a line whenever something in it changes. Until Ctrl-C, or until nobody reads it any more.</summary>
internal static class StatusWatch
{
    /// <param name="document">Makes the document for <c>--json</c>; null without.</param>
    public static async Task<int> RunAsync(StateFolder state, Func<ServiceStatus, string>? document, TimeProvider time,
        CancellationToken stop)
    {
        try
        {
            if (document is not null) { return await StreamAsync(state, document, stop); }
            if (Console.IsOutputRedirected)
            {
                return await FollowAsync(state, new LiveStatus(),
                    line => Console.Out.WriteLine($"{time.GetLocalNow():HH:mm:ss} {EventText.OneLine(line)}"), () => { }, stop);
            }
            var live = new LiveStatus();
            Text View() => new(string.Join('\n', live.Lines(time.GetUtcNow(), AnsiConsole.Profile.Width)));
            return await AnsiConsole.Live(View()).AutoClear(false)
                .StartAsync(
                    display => FollowAsync(state, live, _ => display.UpdateTarget(View()), () => display.UpdateTarget(View()), stop));
        }
        catch (OperationCanceledException) when (stop.IsCancellationRequested)
        {
            return ExitCode.Done;
        }
    }

    private static Task<int> StreamAsync(StateFolder state, Func<ServiceStatus, string> document, CancellationToken stop)
    {
        var (live, said) = (new LiveStatus(), "");
        void Say()
        {
            if (live.Status is { } status && document(status) is var newest && newest != said) { Output.DocumentLine(said = newest); }
        }
        return FollowAsync(state, live, _ => Say(), Say, stop);
    }

    /// <param name="happened">Gets each line of progress that is new.</param>
    /// <param name="updated">Called about once a second.</param>
    private static async Task<int> FollowAsync(StateFolder state, LiveStatus live, Action<string> happened, Action updated,
        CancellationToken stop)
    {
        var known = "";
        while (true)
        {
            var answer = await ControlClient.AskAsync(state, new ControlRequest("watch", VerbSession.Caller), line =>
            {
                if (live.See(line))
                {
                    happened(line);
                }
            }, stop);
            if (answer?.Document is not { } document)
            {
                await Output.ErrorAsync(answer?.Error
                    ?? "The service is not running, so there is nothing to watch. `systemctl status watchparty-worker` says why.");
                return ExitCode.Failed;
            }
            live.Update(JsonSerializer.Deserialize(document, ControlJson.Default.ServiceStatus)!);
            var work = live.Status!.Work ?? "idle";
            if (work != known) { happened(known = work); }
            updated();
            if (Output.ReaderIsGone) { return ExitCode.Done; }
        }
    }
}

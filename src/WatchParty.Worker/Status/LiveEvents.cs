using System.Text.Json;
using System.Text.Json.Serialization;
using System.Threading.Channels;
using Microsoft.AspNetCore.Http;
using WatchParty.Releases.Recording;
using WatchParty.Releases.Signals;

namespace WatchParty.Worker.Status;

/// <summary>What goes on, as server-sent events: <c>changed</c> when the page has something new to show, <c>progress</c> a line, <c>log</c>
/// new text of the build under way.</summary>
internal sealed class LiveEvents(StatusSources sources, RequestedWork work, ProgressFeed progress)
{
    public const string Path = "/api/events";
    private const int MostListeners = 16;
    private const int LogAtOnce = 64 * 1024;
    private static readonly TimeSpan Beat = TimeSpan.FromMilliseconds(500);
    // Proxies close a connection on which nothing comes for a minute.
    private const int BeatsOfSilence = 30;
    private int _listeners;

    public async Task SendAsync(HttpContext context, CancellationToken stopping)
    {
        if (Interlocked.Increment(ref _listeners) > MostListeners)
        {
            Interlocked.Decrement(ref _listeners);
            context.Response.StatusCode = StatusCodes.Status503ServiceUnavailable;
            return;
        }
        using var stop = CancellationTokenSource.CreateLinkedTokenSource(context.RequestAborted, stopping);
        var lines = Channel.CreateBounded<string>(new BoundedChannelOptions(256) { FullMode = BoundedChannelFullMode.DropOldest });
        void Keep(string line) => lines.Writer.TryWrite(line);
        progress.Reported += Keep;
        try
        {
            context.Response.ContentType = "text/event-stream";
            context.Response.Headers["X-Accel-Buffering"] = "no"; // nginx
            await SendAsync(context.Response, lines.Reader, stop.Token);
        }
        catch (OperationCanceledException)
        {
            // The listener went away, or the service stops.
        }
        finally
        {
            progress.Reported -= Keep;
            Interlocked.Decrement(ref _listeners);
        }
    }

    private async Task SendAsync(HttpResponse response, ChannelReader<string> lines, CancellationToken stop)
    {
        string? told = null;
        (string? Release, long Next) log = (null, 0);
        for (var silent = 0; ; silent++)
        {
            var newest = Newest();
            if (Now(newest) is var now && now != told) { await WriteAsync("changed", told = now); }
            while (lines.TryRead(out var line)) { await WriteAsync("progress", JsonSerializer.Serialize(line, EventJson.Default.String)); }
            if (newest is { State: not ReleaseState.Done } running && ReleaseLogFile.Open(sources.State, running) is { } file)
            {
                await using (file)
                {
                    if (log.Release != running.Release) { log = (running.Release, await ReleaseLogFile.TailAsync(file, LogAtOnce, stop)); }
                    var (text, next) = await ReleaseLogFile.ReadAsync(file, log.Next, LogAtOnce, stop);
                    if (text.Length > 0)
                    {
                        await WriteAsync("log",
                            JsonSerializer.Serialize(new LogPart(running.Release!, log.Next, text), EventJson.Default.LogPart));
                    }
                    log = (log.Release, next);
                }
            }
            if (silent >= BeatsOfSilence)
            {
                silent = 0;
                await response.WriteAsync(":\n\n", stop);
            }
            await response.Body.FlushAsync(stop);
            await Task.Delay(Beat, sources.Time, stop);

            async Task WriteAsync(string name, string data)
            {
                silent = 0;
                await response.WriteAsync($"event: {name}\ndata: {data}\n\n", stop);
            }
        }
    }

    /// <summary>What <c>changed</c> would say now; a page has it in it, so that its script sees what changed while it was on its
    /// way.</summary>
    public string Now() => Now(Newest());

    private string Now(ReleaseReport? newest)
    {
        var service = sources.Service.Now();
        return JsonSerializer.Serialize(
            new Change(service.Work, service.WorkSince, service.Waiting, service.NextCommit, service.PollError, newest?.Release,
                newest?.State.ToString(), newest is { State: ReleaseState.Done } ? newest.Outcome.ToString() : null, work.Last?.At),
            EventJson.Default.Change);
    }

    private ReleaseReport? Newest() => sources.History.Last(1) is [var last, ..] ? last : null;
}

/// <param name="State">Where the newest release is.</param>
/// <param name="Outcome">How it ended; null as long as it goes on.</param>
/// <param name="Answered">When the last work that was asked for over HTTP ended.</param>
internal sealed record Change(
    string? Work, DateTimeOffset? WorkSince, int Waiting, string? NextCommit, string? PollError, string? Release, string? State,
    string? Outcome, DateTimeOffset? Answered);

/// <param name="From">Where in the log the text begins.</param>
internal sealed record LogPart(string Release, long From, string Text);

[JsonSourceGenerationOptions(PropertyNamingPolicy = JsonKnownNamingPolicy.CamelCase)]
[JsonSerializable(typeof(Change))]
[JsonSerializable(typeof(LogPart))]
[JsonSerializable(typeof(string))]
internal sealed partial class EventJson : JsonSerializerContext;

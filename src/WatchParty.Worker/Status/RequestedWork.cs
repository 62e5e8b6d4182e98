using System.Globalization;
using System.Text.Json;
using Microsoft.Extensions.Logging;
using WatchParty.Releases.Recording;
using WatchParty.Tools.Configuration;
using WatchParty.Worker.Control;

namespace WatchParty.Worker.Status;

/// <summary>What the last work that was asked for here came to.</summary>
internal sealed record WorkAnswer(string Words, bool Good, DateTimeOffset At);

/// <summary>Work that callers of the page ask for. It is done exactly as for the verbs, also when the caller goes away meanwhile.</summary>
internal sealed class RequestedWork(Func<ControlRequest, CancellationToken, Task<VerbResult>> work, TimeProvider time,
    ILogger<RequestedWork> logger) : IDisposable
{
    /// <summary>Of what was asked for and is not done; more than that is somebody's mistake.</summary>
    private const int Most = 8;

    private readonly CancellationTokenSource _stop = new();
    private readonly Lock _lock = new();
    private readonly HashSet<Task> _open = [];

    /// <summary>Null before the first.</summary>
    public WorkAnswer? Last { get; private set; }

    /// <returns>The work under way; null when too much waits already.</returns>
    public Task<VerbResult>? BeginAsync(ControlRequest request)
    {
        lock (_lock)
        {
            _open.RemoveWhere(t => t.IsCompleted);
            if (_open.Count >= Most || _stop.IsCancellationRequested) { return null; }
            var doing = Task.Run(() => DoAsync(request), CancellationToken.None);
            _open.Add(doing);
            return doing;
        }
    }

    public async Task StopAsync()
    {
        await _stop.CancelAsync();
        Task[] open;
        lock (_lock) { open = [.. _open]; }
        await Task.WhenAll(open);
    }

    public void Dispose() => _stop.Dispose();

    private async Task<VerbResult> DoAsync(ControlRequest request)
    {
        VerbResult result;
        try
        {
            result = await work(request, _stop.Token);
        }
        catch (Exception e)
        {
            logger.RequestFailed(request.Verb, e);
            result = new VerbResult(ExitCode.Failed, null, $"An unexpected fault of the service, its log has more: {e.Message}");
        }
        Last = new WorkAnswer($"{request.Verb}: {Words(request, result)}", result.ExitCode == ExitCode.Done, time.GetUtcNow());
        return result;
    }

    private static string Words(ControlRequest request, VerbResult result)
    {
        if (result.Document is not { } document) { return result.Error ?? "done"; }
        if (request.Verb is not ("prune" or "clear-cache"))
        {
            return ReleaseText.Of(JsonSerializer.Deserialize(document, RecordJson.Default.ReleaseReport)!).Split('\n')[0].Trim();
        }
        var report = JsonSerializer.Deserialize(document, RecordJson.Default.HousekeepingReport)!;
        return report.Error
            ?? string.Create(
                CultureInfo.InvariantCulture, $"{report.Outcome}, {report.RecordsBefore} cache records → {report.RecordsAfter}, " +
                    $"{ByteSize.Words(report.FreedBytes)} {(request.DryRun ? "would be freed" : "freed")}");
    }
}

internal static partial class RequestedWorkLog
{
    [LoggerMessage(Level = LogLevel.Error, Message = "{Verb}, asked for over HTTP, ended with an unexpected fault of the worker")]
    public static partial void RequestFailed(this ILogger logger, string verb, Exception exception);
}

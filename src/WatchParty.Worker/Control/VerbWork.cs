using System.Text.Json;
using WatchParty.Releases.Housekeeping;
using WatchParty.Releases.Recording;
using WatchParty.Releases.Releasing;
using WatchParty.Tools.Failures;
using WatchParty.Tools.Processes;
using WatchParty.Worker.Operating;

namespace WatchParty.Worker.Control;

/// <summary>What a verb ends with.</summary>
/// <param name="Document">The JSON document of the verb, when it came to one.</param>
/// <param name="Error">What stood in the way, when it did not.</param>
internal sealed record VerbResult(int ExitCode, string? Document, string? Error = null);

/// <summary>Runs the verbs that change something; in the service for callers of its socket, or in the verb's own process.</summary>
internal sealed class VerbWork(Operations operations, ServiceStatusSource status, TimeProvider time)
{
    public async Task<VerbResult> RunAsync(ControlRequest request, CancellationToken cancellationToken)
    {
        try
        {
            return request.Verb switch
            {
                "once" => Of(
                    await operations.ReleaseAsync(new ReleaseRequest($"once by {request.AskedBy}", request.ForceRebuild),
                        cancellationToken)),
                "rollback" => Of(await operations.RollBackAsync(request.Release, request.AskedBy, cancellationToken)),
                "clear-cache" =>
                    Of(await operations.ClearAsync(request.Targets ?? [], $"clear-cache by {request.AskedBy}", cancellationToken)),
                "prune" => Of(await operations.PruneAsync(request.DryRun, $"prune by {request.AskedBy}", cancellationToken)),
                "status" => Status(),
                "watch" => await WatchAsync(cancellationToken),
                _ => new VerbResult(ExitCode.BadUsage,
                    null, $"The service does not know the verb {request.Verb}; it may be of another version."),
            };
        }
        catch (Exception e) when (e is WorkerException or ToolFailedException)
        {
            return new VerbResult(ExitCode.Failed, null, e.Message);
        }
        catch (OperationCanceledException)
        {
            return new VerbResult(ExitCode.Interrupted, null, "Stopped before the work was done.");
        }
    }

    /// <summary>The status after a moment in which the caller gets every line of progress. A caller who went away is so noticed
    /// soon.</summary>
    private async Task<VerbResult> WatchAsync(CancellationToken cancellationToken)
    {
        await Task.Delay(TimeSpan.FromSeconds(1), time, cancellationToken);
        return Status();
    }

    private VerbResult Status() => new(ExitCode.Done, JsonSerializer.Serialize(status.Now(), ControlJson.Default.ServiceStatus));

    private static VerbResult Of(ReleaseReport report) => new(
        report.Outcome switch
        {
            ReleaseOutcome.Succeeded or ReleaseOutcome.NothingToDo => ExitCode.Done,
            ReleaseOutcome.Interrupted => ExitCode.Interrupted,
            _ => ExitCode.Failed,
        },
        JsonSerializer.Serialize(report, RecordJson.Readable.ReleaseReport));

    private static VerbResult Of(HousekeepingReport report) => new(
        report.Error is null ? ExitCode.Done : report.Outcome == CacheClearer.Refused ? ExitCode.BadUsage : ExitCode.Failed,
        JsonSerializer.Serialize(report, RecordJson.Readable.HousekeepingReport));
}

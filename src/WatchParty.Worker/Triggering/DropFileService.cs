using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;
using WatchParty.Releases.Recording;
using WatchParty.Releases.Releasing;
using WatchParty.Tools.Configuration;
using WatchParty.Tools.Processes;
using WatchParty.Worker.Operating;

namespace WatchParty.Worker.Triggering;

/// <summary>Does what the drop files ask for.</summary>
internal sealed class DropFileService(
    Operations operations, FlagTries tries, WorkerOptions options, Heartbeat heartbeat, TimeProvider time, ILogger<DropFileWatcher> logger,
    Failpoints? failpoints = null) : BackgroundService
{
    private const string Loop = "drop files";
    private const string ClearFlag = "clear-cache.flag";
    private const string RebuildFlag = "force-rebuild.flag";

    /// <summary>As in <see cref="DropFileWatcher"/>.</summary>
    internal TimeSpan LookEvery { get; set; } = TimeSpan.FromSeconds(2);

    /// <inheritdoc cref="LookEvery"/>
    internal bool WithEvents { get; set; } = true;

    protected override async Task ExecuteAsync(CancellationToken stoppingToken)
    {
        var folder = options.DropFiles.Folder ?? options.Repository.Path;
        var watcher = new DropFileWatcher(folder, time, logger, failpoints) { LookEvery = LookEvery, WithEvents = WithEvents };
        await watcher.RunAsync(HandleAsync, within => heartbeat.Expect(Loop, within), stoppingToken);
        heartbeat.Done(Loop);
    }

    private Task<DropFileResult> HandleAsync(DropFileRequest request, CancellationToken stop)
    {
        heartbeat.Expect(Loop, Operations.Limit(options));
        return request.Kind == DropFileKind.ClearCache
            ? tries.RunAsync(ClearFlag, request, begins => ClearAsync(request, begins, stop))
            : tries.RunAsync(RebuildFlag, request, begins => RebuildAsync(request, begins, stop));
    }

    private async Task<DropFileResult> ClearAsync(DropFileRequest request, Action begins, CancellationToken stop)
    {
        var cleared = await operations.ClearAsync(request.Targets, ClearFlag, stop, begins);
        return new DropFileResult(cleared.Outcome, cleared.Targets, cleared.FreedBytes, cleared.Error);
    }

    private async Task<DropFileResult> RebuildAsync(DropFileRequest request, Action begins, CancellationToken stop)
    {
        var release = await operations.ReleaseAsync(new ReleaseRequest(RebuildFlag, ForceRebuild: true), stop, begins);
        // An interrupted one is done again after the next start, so its flag has to stay.
        if (release.Outcome == ReleaseOutcome.Interrupted) { throw new OperationCanceledException(stop); }
        return new DropFileResult(release.Outcome.ToString(), request.Targets, 0, release.Error);
    }
}

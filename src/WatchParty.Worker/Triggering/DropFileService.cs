using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;
using WatchParty.Worker.Configuration;
using WatchParty.Worker.Hosting;
using WatchParty.Worker.Recording;
using WatchParty.Worker.Releasing;

namespace WatchParty.Worker.Triggering;

/// <summary>Does what the drop files ask for.</summary>
internal sealed class DropFileService(Operations operations, WorkerOptions options, Heartbeat heartbeat, TimeProvider time, ILogger<DropFileWatcher> logger) : BackgroundService
{
    private const string Loop = "drop files";

    protected override async Task ExecuteAsync(CancellationToken stoppingToken)
    {
        var watcher = new DropFileWatcher(options.DropFiles.Folder ?? options.Repository.Path, time, logger);
        await watcher.RunAsync(HandleAsync, within => heartbeat.Expect(Loop, within), stoppingToken);
        heartbeat.Done(Loop);
    }

    private async Task<DropFileResult> HandleAsync(DropFileRequest request, CancellationToken stop)
    {
        heartbeat.Expect(Loop, Operations.Limit(options));
        if (request.Kind == DropFileKind.ClearCache)
        {
            var cleared = await operations.ClearAsync(request.Targets, "clear-cache.flag", stop);
            return new DropFileResult(cleared.Outcome, cleared.Targets, cleared.FreedBytes, cleared.Error);
        }
        var release = await operations.ReleaseAsync(new ReleaseRequest("force-rebuild.flag", ForceRebuild: true), stop);
        // An interrupted one is done again after the next start, so its flag has to stay.
        if (release.Outcome == ReleaseOutcome.Interrupted) { throw new OperationCanceledException(stop); }
        return new DropFileResult(release.Outcome.ToString(), request.Targets, 0, release.Error);
    }
}

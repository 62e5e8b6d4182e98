using Microsoft.Data.Sqlite;
using WatchParty.Releases.Building;
using WatchParty.Releases.Recording;
using WatchParty.Releases.Verifying;
using WatchParty.Tools.Failures;
using WatchParty.Tools.Processes;

namespace WatchParty.Releases.Releasing;

/// <summary>Why a release did not come about, and what follows.</summary>
/// <param name="CommitAtFault">Whether the commit is quarantined.</param>
internal sealed record ReleaseFailure(ReleaseOutcome Outcome, string Error, bool CommitAtFault)
{
    /// <param name="deploying">Whether containers were touched already.</param>
    /// <param name="supersededBy">The newer commit for which the build was cancelled, or null.</param>
    public static ReleaseFailure Of(Exception exception, bool deploying, CancellationToken stop, string? supersededBy = null) =>
        exception switch
        {
            OperationCanceledException when stop.IsCancellationRequested => new(ReleaseOutcome.Interrupted, "the worker was stopped", false),
            OperationCanceledException when !deploying
                && supersededBy is not null => new(ReleaseOutcome.Superseded, ReleaseReport.SupersededBy(supersededBy), false),
            BuildFailedException { Remedy: Remedy.NeedsNewCommit } e => new(ReleaseOutcome.BuildFailed, e.Message, true),
            UnhealthyException e => new(ReleaseOutcome.DeployFailed, e.Message, true),
            ToolFailedException e when deploying => new(ReleaseOutcome.DeployFailed, e.Message, !e.BySignal),
            // What cannot be recorded counts as not done: after a restart the record would have the release before serve.
            WorkerException { InnerException: SqliteException } e when deploying => new(ReleaseOutcome.DeployFailed, e.Message, false),
            WorkerException e => new(ReleaseOutcome.Failed, e.Message, e.Remedy == Remedy.NeedsNewCommit),
            BuildFailedException or ToolFailedException or IOException
                or UnauthorizedAccessException => new(ReleaseOutcome.Failed, exception.Message, false),
            _ => new(ReleaseOutcome.Failed, $"an unexpected fault of the worker: {exception}", false),
        };
}

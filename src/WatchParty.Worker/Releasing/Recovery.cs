using Microsoft.Extensions.Logging;
using WatchParty.Worker.Recording;

namespace WatchParty.Worker.Releasing;

/// <summary>The first act after a start: what a killed worker left is closed, and the deployed release is brought up again.</summary>
/// <remarks>A <c>compose up</c> that was killed leaves services down in two of three cases; the same command again heals every one.</remarks>
internal sealed class Recovery(History history, Rollback rollback, ProgressFeed progress, ILogger<Recovery> logger)
{
    /// <param name="always">Whether the deployed release is brought up even when nothing was interrupted.</param>
    public async Task RunAsync(bool always, CancellationToken stop)
    {
        var unfinished = history.Unfinished();
        var deployed = history.Deployed();
        if (deployed is not null && (always || unfinished.Count > 0))
        {
            progress.Report($"bringing release {deployed.Id} up again");
            try
            {
                await rollback.BringBackAsync(new ReleaseBefore(deployed.Id, deployed.Commit, deployed.Images), whole: true, stop);
                logger.BroughtUp(deployed.Id, deployed.Commit);
            }
            catch (Exception e) when (e is not OperationCanceledException)
            {
                // The next release goes on from what is there; the site may even be well without us.
                logger.NotBroughtUp(deployed.Id, e.Message);
            }
        }
        foreach (var (id, state) in unfinished)
        {
            history.Finish(id, ReleaseOutcome.Interrupted, $"the worker ended during {state}", PhaseSeconds.Zero);
            logger.Interrupted(id, state.ToString());
        }
    }
}

internal static partial class RecoveryLog
{
    [LoggerMessage(Level = LogLevel.Information, Message = "The deployed release {Release} ({Commit}) is up")]
    public static partial void BroughtUp(this ILogger logger, long release, string commit);

    [LoggerMessage(Level = LogLevel.Error, Message = "The deployed release {Release} could not be brought up again: {Reason}")]
    public static partial void NotBroughtUp(this ILogger logger, long release, string reason);

    [LoggerMessage(Level = LogLevel.Warning, Message = "Release {Release} was interrupted during {State}; its commit will be tried again")]
    public static partial void Interrupted(this ILogger logger, long release, string state);
}

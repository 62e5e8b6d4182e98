using Microsoft.Extensions.Logging;
using WatchParty.Releases.Recording;
using WatchParty.Tools.Failures;
using WatchParty.Tools.Git;

namespace WatchParty.Releases.Releasing;

/// <summary>What a look at the remote says.</summary>
/// <param name="Commit">The commit to release, or the one that stays.</param>
/// <param name="Deployed">The release that serves now; null before the first.</param>
/// <param name="Quarantine">The release that failed with this commit, and why, when it is not tried again.</param>
internal sealed record Detection(string Commit, DeployedRelease? Deployed, bool IsNew, (long Release, string Reason)? Quarantine);

/// <summary>Finds out which commit is to be released, with one <c>git ls-remote</c>, or none when a poll has found it, and no docker
/// process.</summary>
internal sealed class CommitDetection(GitRepository repository, History history, ILogger<CommitDetection> logger)
{
    public async Task<Detection> DetectAsync(ReleaseRequest request, CancellationToken cancellationToken)
    {
        var deployed = history.Deployed();
        if (deployed is not null && request.NewBaseDigests.Count > 0) { return new Detection(deployed.Commit, deployed, true, null); }
        var commit = request.Newest?.Take() ?? await NewestAsync(mayStay: deployed is null || request.ForceRebuild, cancellationToken);
        // A person who asks for a forced rebuild has looked at it.
        if (request.ForceRebuild) { return new Detection(commit, deployed, true, null); }
        if (commit == deployed?.Commit) { return new Detection(commit, deployed, false, null); }
        return history.Quarantined(commit) is { } quarantine
            ? new Detection(commit, deployed, false, quarantine)
            : new Detection(commit, deployed, true, null);
    }

    /// <param name="mayStay">Whether the checked-out commit will do when the remote does not answer.</param>
    private async Task<string> NewestAsync(bool mayStay, CancellationToken cancellationToken)
    {
        try
        {
            return await repository.RemoteHeadAsync(cancellationToken)
                ?? throw new WorkerException($"The branch {await repository.BranchAsync(cancellationToken)} does not exist at the " +
                    $"remote. Set Repository:Branch, or push it again.", Remedy.NeedsPerson);
        }
        catch (WorkerException e) when (mayStay && e.Remedy == Remedy.RetriedByItself)
        {
            logger.ReleasingWhatIsCheckedOut(e.Message);
            return await repository.HeadAsync(cancellationToken);
        }
    }
}

internal static partial class CommitDetectionLog
{
    [LoggerMessage(Level = LogLevel.Warning,
        Message = "Releasing the commit that is checked out, because the remote does not answer: {Reason}")]
    public static partial void ReleasingWhatIsCheckedOut(this ILogger logger, string reason);
}

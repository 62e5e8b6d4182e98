using WatchParty.Worker.Configuration;
using WatchParty.Worker.Deploying;
using WatchParty.Worker.Recording;
using WatchParty.Worker.Tools;
using WatchParty.Worker.Verifying;

namespace WatchParty.Worker.Releasing;

/// <summary>What was there before a release began.</summary>
/// <param name="Release">Its number, 0 for what somebody deployed before the worker came.</param>
/// <param name="Images">Id by image name.</param>
/// <param name="Deployment">How the new release has begun to replace it; null as long as it has not.</param>
internal sealed record ReleaseBefore(long Release, string Commit, IReadOnlyDictionary<string, string> Images, Deployment? Deployment = null)
{
    public bool Deploying => Deployment is not null;
}

/// <summary>Brings an earlier release back: its commit, its images, its containers.</summary>
internal sealed class Rollback(
    WorkerOptions options, GitRepository repository, ReleasePlanning planning, RollbackImages rollbackImages, Deployer deployer, HealthVerifier verifier, TimeProvider time)
{
    // A stop does not keep the working tree and the image names from being put right, which takes a second.
    private static readonly TimeSpan QuickLimit = TimeSpan.FromSeconds(20);

    public async Task<ReleaseBefore> RememberAsync(DeployedRelease? deployed, CancellationToken cancellationToken) =>
        new(deployed?.Id ?? 0, deployed?.Commit ?? await repository.HeadAsync(cancellationToken), deployed?.Images ?? new Dictionary<string, string>());

    /// <summary>Undoes what a failed release did so far. It never throws: what could not be undone is part of the answer's error.</summary>
    public async Task<ReleaseFailure> GoBackAsync(ReleaseBefore before, ReleaseFailure failure, RunningRelease release)
    {
        try
        {
            if (failure.Outcome == ReleaseOutcome.DeployFailed && before.Deployment is { } deployment)
            {
                if (WhyItStays(before) is { } why)
                {
                    release.Deployed(deployment, await deployer.LookAsync(deployment.Model, CancellationToken.None));
                    return failure with { Error = $"{failure.Error}. {why}" };
                }
                release.Enter(ReleaseState.RollingBack, "verify");
                // What concerns the whole application on the way there does so on the way back.
                await BringBackAsync(before, whole: deployment.Services is null, CancellationToken.None);
                release.Undone(deployment, await deployer.LookAsync(deployment.Model, CancellationToken.None));
                return failure with { Outcome = ReleaseOutcome.RolledBack };
            }
            using var limit = new CancellationTokenSource(QuickLimit, time);
            await PutBackAsync(before, limit.Token);
            return failure;
        }
        catch (Exception e)
        {
            return failure with { Error = $"{failure.Error}. Going back to {before.Commit[..7]} failed as well: {e.Message}" };
        }
    }

    /// <summary>Makes the release of <paramref name="before"/> serve again, and checks that it does.</summary>
    /// <param name="whole">Whether compose has to look at the whole application, and not only at what differs.</param>
    public async Task<Deployment> BringBackAsync(ReleaseBefore before, bool whole, CancellationToken cancellationToken)
    {
        var left = await repository.HeadAsync(cancellationToken);
        await PutBackAsync(before, cancellationToken);
        var model = await planning.ModelAsync(before.Commit, cancellationToken);
        var deployment = await deployer.DecideAsync(model, await planning.RestartsAsync(model, left, before.Commit, cancellationToken), whole, cancellationToken);
        var complaint = await deployer.UpAsync(before.Commit, deployment, cancellationToken);
        await verifier.VerifyAsync(model, complaint, cancellationToken);
        return deployment;
    }

    private string? WhyItStays(ReleaseBefore before) =>
        !options.Deploy.Rollback ? "It was left as it is, because Deploy:Rollback is false"
        : before.Images.Count == 0 ? "There is no earlier release to go back to"
        : null;

    /// <summary>Puts the working tree and the image names back, so that whoever starts the application by hand gets the release that serves.</summary>
    private async Task PutBackAsync(ReleaseBefore before, CancellationToken cancellationToken)
    {
        await repository.CheckOutAsync(before.Commit, "going back", cancellationToken);
        if (await rollbackImages.RestoreAsync(before.Images, before.Release, cancellationToken) is { Count: > 0 } gone)
        {
            throw new WorkerException($"the image of {string.Join(", ", gone)} for release {before.Release} is gone from this engine", Remedy.NeedsPerson);
        }
    }
}

using System.Globalization;
using Microsoft.Extensions.Logging;
using Polly;
using Polly.Retry;
using WatchParty.Worker.Building;
using WatchParty.Worker.Configuration;
using WatchParty.Worker.Deploying;
using WatchParty.Worker.Hosting;
using WatchParty.Worker.Planning;
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
    WorkerOptions options, StateFolder state, GitRepository repository, ReleasePlanning planning, RollbackImages rollbackImages, ImageBuilder builder, Deployer deployer,
    HealthVerifier verifier, TimeProvider time, ILogger<Rollback> logger)
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
                release.GoesBack(failure);
                // What concerns the whole application on the way there does so on the way back.
                await Retrying().ExecuteAsync(async token => await BringBackAsync(before, whole: deployment.Services is null, token), CancellationToken.None);
                release.Undone(deployment, await deployer.LookAsync(deployment.Model, CancellationToken.None));
                return failure with { Outcome = ReleaseOutcome.RolledBack };
            }
            using var limit = new CancellationTokenSource(QuickLimit, time);
            return await PutBackAsync(before, limit.Token) is { Count: > 0 } gone ? failure with { Error = $"{failure.Error}. {Gone(before, gone)}" } : failure;
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
        var gone = await PutBackAsync(before, cancellationToken);
        var model = await planning.ModelAsync(before.Commit, cancellationToken);
        if (gone.Count > 0) { await BuildAgainAsync(before, gone, cancellationToken); }
        var deployment = await deployer.DecideAsync(model, await planning.RestartsAsync(model, left, before.Commit, cancellationToken), whole, cancellationToken);
        var up = await deployer.UpAsync(before.Commit, deployment, cancellationToken);
        await verifier.VerifyAsync(deployment, up, cancellationToken);
        return deployment;
    }

    /// <summary>Nobody else brings the site back, so a tool that was killed on the way is started again.</summary>
    private ResiliencePipeline Retrying() => new ResiliencePipelineBuilder { TimeProvider = time }
        .AddRetry(new RetryStrategyOptions
        {
            ShouldHandle = new PredicateBuilder().Handle<ToolFailedException>(e => e.BySignal),
            MaxRetryAttempts = 2,
            Delay = TimeSpan.FromSeconds(1),
        }).Build();

    private string? WhyItStays(ReleaseBefore before) =>
        !options.Deploy.Rollback ? "It was left as it is, because Deploy:Rollback is false"
        : before.Images.Count == 0 ? "There is no earlier release to go back to"
        : null;

    /// <summary>Puts the working tree and the image names back, so that whoever starts the application by hand gets the release that serves.</summary>
    /// <returns>The image names whose image is gone from the engine.</returns>
    private async Task<IReadOnlyList<string>> PutBackAsync(ReleaseBefore before, CancellationToken cancellationToken)
    {
        await repository.CheckOutAsync(before.Commit, "going back", cancellationToken);
        return await rollbackImages.RestoreAsync(before.Images, before.Release, cancellationToken);
    }

    /// <summary>Builds the images of an earlier release that somebody removed from its commit, which is checked out. No container is touched.</summary>
    private async Task BuildAgainAsync(ReleaseBefore before, IReadOnlyList<string> gone, CancellationToken cancellationToken)
    {
        logger.BuildsAgain(before.Release, string.Join(", ", gone));
        var plan = await planning.PlanAsync(before.Commit, null, new ReleaseRequest("going back"), cancellationToken);
        plan = plan with { Services = [.. plan.Services.Select(s => gone.Contains(s.Service.Image) ? s : s with { Action = ServiceAction.Unchanged })] };
        using var log = new BuildLog(Path.Combine(state.Logs, string.Create(CultureInfo.InvariantCulture, $"release-{before.Release}-again.log")));
        try
        {
            await builder.BuildAsync(plan, log, note => logger.Noted(before.Release, note), cancellationToken);
        }
        catch (BuildFailedException e)
        {
            throw new WorkerException($"{Gone(before, gone)}, and cannot be built again: {e.Message}", Remedy.NeedsPerson, e);
        }
        await rollbackImages.KeepAsync(plan.Model, before.Release, cancellationToken);
    }

    private static string Gone(ReleaseBefore before, IReadOnlyList<string> gone) =>
        $"the image of {string.Join(", ", gone)} for release {before.Release} is gone from this engine";
}

internal static partial class RollbackLog
{
    [LoggerMessage(Level = LogLevel.Warning, Message = "The images of release {Release} are gone from this engine ({Images}); they are built again from its commit")]
    public static partial void BuildsAgain(this ILogger logger, long release, string images);
}

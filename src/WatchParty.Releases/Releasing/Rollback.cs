using System.Collections.Immutable;
using System.Globalization;
using Microsoft.Extensions.Logging;
using Polly;
using Polly.Retry;
using WatchParty.Releases.Building;
using WatchParty.Releases.Deploying;
using WatchParty.Releases.Planning;
using WatchParty.Releases.Recording;
using WatchParty.Releases.Verifying;
using WatchParty.Tools.Configuration;
using WatchParty.Tools.Failures;
using WatchParty.Tools.Git;
using WatchParty.Tools.Processes;

namespace WatchParty.Releases.Releasing;

/// <summary>What was there before a release began.</summary>
/// <param name="Deployment">How the new release has begun to replace it; null as long as it has not.</param>
internal sealed record ReleaseBefore(Served Served, Deployment? Deployment = null)
{
    /// <summary>Image names that the new release gives to other images.</summary>
    public ImmutableHashSet<string> Rebuilt { get; init; } = [];

    public bool Deploying => Deployment is not null;
}

/// <summary>Brings an earlier release back: its commit, its images, its containers.</summary>
internal sealed class Rollback(
    WorkerOptions options, StateFolder state, GitRepository repository, ReleasePlanning planning, KeptImages kept, ImageBuilder builder,
    Ownership ownership, Deployer deployer,
    HealthVerifier verifier, History history, TimeProvider time, ILogger<Rollback> logger)
{
    // A stop does not keep the working tree and the image names from being put right, which takes a second.
    private static readonly TimeSpan QuickLimit = TimeSpan.FromSeconds(20);

    public async Task<ReleaseBefore> RememberAsync(DeployedRelease? deployed, CancellationToken cancellationToken) =>
        new(deployed?.Served
            ?? new Served(0, await repository.HeadAsync(cancellationToken), null, null, new Dictionary<string, ServedService>()));

    /// <summary>Records and keeps what serves, before anything of it is built anew or touched.</summary>
    /// <param name="rebuilt">Services whose image names stand for others from now on.</param>
    public async Task<ReleaseBefore> KeepAsync(
        ReleaseBefore before, ComposeModel model, IEnumerable<ComposeService> rebuilt, RunningRelease release,
        CancellationToken cancellationToken)
    {
        var served = await kept.ServingAsync(before.Served, model, cancellationToken);
        await kept.KeepBeforeAsync(release.Id, served, cancellationToken);
        history.SaveBefore(release.Id, served);
        return before with { Served = served, Rebuilt = [.. rebuilt.Select(s => s.Image)] };
    }

    /// <summary>Words for services whose image is gone while their containers run.</summary>
    public static string NotReturnable(IEnumerable<string> services) =>
        $"{string.Join(", ", services)} cannot go back to exactly what runs now: the image of its container is gone from this engine, so " +
        $"it would be built again";

    /// <summary>Undoes what a failed release did so far. It never throws: what could not be undone is part of the answer's error.</summary>
    public async Task<ReleaseFailure> GoBackAsync(ReleaseBefore before, ReleaseFailure failure, RunningRelease release)
    {
        try
        {
            if (before.Deployment is { } deployment
                && (failure.Outcome == ReleaseOutcome.DeployFailed || await HasLeftContainersAsync(failure, deployment)))
            {
                failure = failure with { Outcome = ReleaseOutcome.DeployFailed };
                if (WhyItStays(before) is { } why)
                {
                    release.Deployed(deployment, await deployer.LookAsync(deployment.Model, CancellationToken.None));
                    return failure with { Error = $"{failure.Error}. {why}" };
                }
                release.GoesBack(failure);
                // What concerns the whole application on the way there does so on the way back.
                await Retrying()
                    .ExecuteAsync(
                        async token =>
                            await BringBackAsync(before.Served, deployment.Model, whole: deployment.Services is null, release.Note, token),
                            CancellationToken.None);
                release.Undone(deployment, await deployer.LookAsync(deployment.Model, CancellationToken.None));
                return failure with { Outcome = ReleaseOutcome.RolledBack };
            }
            using var limit = new CancellationTokenSource(QuickLimit, time);
            await repository.CheckOutAsync(before.Served.Commit, "going back", limit.Token);
            return await kept.GiveNamesBackAsync(before.Served, before.Rebuilt, limit.Token) is { Count: > 0 } gone
                ? failure with { Error = $"{failure.Error}. {Gone(before.Served, gone)}" }
                : failure;
        }
        catch (Exception e)
        {
            return failure with { Error = $"{failure.Error}. Going back to {before.Served.Commit[..7]} failed as well: {e.Message}" };
        }
    }

    /// <summary>Whether containers were touched before something else than the deployment stood in the way, such as an engine that was away
    /// for a moment. A stop leaves them to the next start.</summary>
    private async Task<bool> HasLeftContainersAsync(ReleaseFailure failure, Deployment deployment) =>
        failure.Outcome == ReleaseOutcome.Failed
        && !(await deployer.LookAsync(deployment.Model, CancellationToken.None)).IsUntouchedSince(deployment.Before);

    /// <summary>Makes <paramref name="goal"/> serve again, and checks that exactly it does: its images, its networks, its ports.</summary>
    /// <param name="left">The model of the release that is left; null when none is. What it runs under another project's name goes.</param>
    /// <param name="whole">Whether compose has to look at the whole application, and not only at what differs.</param>
    /// <param name="note">Receives what a person should know about it.</param>
    public async Task<Deployment> BringBackAsync(Served goal, ComposeModel? left, bool whole, Action<string> note,
        CancellationToken cancellationToken)
    {
        await repository.CheckOutAsync(goal.Commit, "going back", cancellationToken);
        var model = await planning.ModelAsync(goal.Commit, cancellationToken, goal.Source);
        var given = await kept.GiveBackAsync(model, goal, cancellationToken);
        if (given.Gone.Count > 0)
        {
            goal = await BuildAgainAsync(goal, model, given.Gone, cancellationToken);
            given = await kept.GiveBackAsync(model, goal, cancellationToken);
        }
        foreach (var words in given.Notes) { note(words); }
        model = given.Model;
        if (left is not null && left.Project != model.Project)
        {
            await ownership.RemoveAsync(left.Project, [.. left.Services.Select(s => s.Name)], cancellationToken);
        }
        var images = goal.Services.Where(s => model.Services.Any(m => m.Name == s.Key)).ToDictionary(s => s.Key, s => s.Value.ImageId);
        var deployment = await deployer.DecideAsync(model, whole, cancellationToken, images);
        var up = await deployer.UpAsync(goal.Commit, deployment, cancellationToken, pull: false);
        foreach (var words in up.Notes.Concat(await verifier.VerifyAsync(deployment, up, cancellationToken))) { note(words); }
        await deployer.RememberAsync(deployment, up, cancellationToken);
        return deployment;
    }

    /// <summary>Nobody else brings the site back, so a tool that was killed on the way is started again, and an engine that is away for a
    /// moment waited for.</summary>
    private ResiliencePipeline Retrying() => new ResiliencePipelineBuilder { TimeProvider = time }
        .AddRetry(new RetryStrategyOptions
        {
            ShouldHandle = new PredicateBuilder().Handle<ToolFailedException>(e => e.BySignal)
                .Handle<WorkerException>(e => e.Remedy == Remedy.RetriedByItself),
            MaxRetryAttempts = 3,
            Delay = TimeSpan.FromSeconds(2),
            BackoffType = DelayBackoffType.Exponential,
        }).Build();

    private string? WhyItStays(ReleaseBefore before) =>
        !options.Deploy.Rollback ? "It was left as it is, because Deploy:Rollback is false"
        : before.Served is { Release: 0, Services.Count: 0 } ? "There is no earlier release to go back to"
        : null;

    /// <summary>Builds the images of an earlier release that somebody removed from its commit, which is checked out. No container is
    /// touched.</summary>
    /// <returns>The release with the images that were built.</returns>
    private async Task<Served> BuildAgainAsync(Served goal, ComposeModel model, IReadOnlyList<string> gone,
        CancellationToken cancellationToken)
    {
        if (gone.Where(name => model.Built.All(s => s.Name != name)).ToList() is { Count: > 0 } pulled)
        {
            throw new WorkerException($"{Gone(goal, pulled)}, and it is not built here. Pull it by hand", Remedy.NeedsPerson);
        }
        logger.BuildsAgain(goal.Release, string.Join(", ", gone));
        var plan = await planning.PlanBackAsync(goal, null, cancellationToken);
        plan = plan with
        {
            Services = [.. plan.Services.Select(
            s => gone.Contains(s.Name) ? s : s with { Action = ServiceAction.Unchanged })]
        };
        using var log = new BuildLog(
            Path.Combine(state.Logs, string.Create(CultureInfo.InvariantCulture, $"release-{goal.Release}-again.log")));
        try
        {
            var built = await builder.BuildAsync(plan, log, note => logger.Noted(goal.Release, note), cancellationToken);
            var images = built.ToDictionary(b => b.Plan.Service.Image, b => b.ImageId);
            return goal with
            {
                Services = goal.Services.ToDictionary(
                    s => s.Key, s =>
                        gone.Contains(s.Key) && images.TryGetValue(model.Services.First(m => m.Name == s.Key).Image, out var id)
                            ? s.Value with { ImageId = id }
                            : s.Value),
            };
        }
        catch (BuildFailedException e)
        {
            throw new WorkerException($"{Gone(goal, gone)}, and cannot be built again: {e.Message}", Remedy.NeedsPerson, e);
        }
    }

    private static string Gone(Served goal, IReadOnlyList<string> services) =>
        $"the image of {string.Join(", ", services)} " +
        $"{(goal.Release > 0 ? $"for release {goal.Release}" : "that ran before the worker came")} is gone from this engine";
}

internal static partial class RollbackLog
{
    [LoggerMessage(Level = LogLevel.Warning,
        Message = "The images of release {Release} are gone from this engine ({Services}); they are built again from its commit")]
    public static partial void BuildsAgain(this ILogger logger, long release, string services);
}

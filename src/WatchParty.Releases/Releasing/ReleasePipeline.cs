using WatchParty.Releases.Building;
using WatchParty.Releases.Deploying;
using WatchParty.Releases.Recording;
using WatchParty.Releases.Verifying;
using WatchParty.Tools.Git;

namespace WatchParty.Releases.Releasing;

/// <summary>From a commit to healthy containers: detect, plan, build, deploy, verify, record. Start reading here.</summary>
/// <remarks>What fails before the deployment changes no container; what fails after it brings the last good release back.</remarks>
internal sealed class ReleasePipeline(
    CommitDetection detection, GitRepository repository, ReleasePlanning planning, KeptImages kept, ImageBuilder builder,
    Deployer deployer, HealthVerifier verifier, ReleaseRecorder recorder, Rollback rollback, TimeProvider time)
{
    /// <param name="stop">Ends planning and building at once; a deployment that has begun is given some time to end well.
    /// A newer commit can end only the former; see <see cref="NewestCommit.Superseded"/>.</param>
    public async Task<ReleaseReport> RunAsync(ReleaseRequest request, CancellationToken stop)
    {
        var clock = new PhaseClock(time);
        clock.Enter("detect");
        var found = await detection.DetectAsync(request, stop);
        if (!found.IsNew) { return ReleaseRecorder.NotReleased(found, request, clock.Stop()); }

        var before = await rollback.RememberAsync(found.Deployed, stop);
        using var release = recorder.Begin(found, request, clock);
        using var building = CancellationTokenSource.CreateLinkedTokenSource(stop, request.Newest?.Superseded ?? CancellationToken.None);
        try
        {
            release.Enter(ReleaseState.Planning, "plan");
            await repository.FetchAsync(found.Commit, building.Token);
            // What serves already was released by a person or under an earlier rule, and may be built again.
            if (found.Commit != found.Deployed?.Commit) { await repository.RefuseUnsignedAsync(found.Commit, building.Token); }
            release.Note((await repository.CheckOutAsync(found.Commit, request.Trigger, building.Token)).InWords());
            var plan = await planning.PlanAsync(found.Commit, found.Deployed, request, building.Token);
            plan = await planning.AskAsync(plan, found.Deployed, building.Token);
            release.Planned(plan);

            release.Enter(ReleaseState.Building, "build");
            before = await rollback.KeepAsync(before, plan.Model, plan.Named, release, building.Token);
            await deployer.AskAheadAsync(plan, building.Token);
            var images = await builder.BuildAsync(plan, release.Log, release.Note, building.Token);
            release.Built(images, plan);

            release.Enter(ReleaseState.Deploying, "deploy");
            if (await deployer.IsNeededAsync(plan, building.Token))
            {
                using var late = new LateStop(time, stop);
                release.WatchSite();
                var deployment = await deployer.DecideAsync(plan.Model, whole: plan.ResourcesChanged, building.Token);
                before = before with { Deployment = deployment };
                var up = await deployer.UpAsync(found.Commit, deployment, late.Token);
                foreach (var note in up.Notes) { release.Note(note); }

                release.Enter(ReleaseState.Verifying, "verify");
                foreach (var note in await verifier.VerifyAsync(deployment, up, late.Token)) { release.Note(note); }
                await deployer.RememberAsync(deployment, up, late.Token);
                release.Deployed(deployment, await deployer.LookAsync(plan.Model, late.Token));
            }

            await kept.KeepAsync(plan.Model, release.Id, CancellationToken.None);
            await repository.KeepAsync(found.Commit, release.Id, CancellationToken.None);
            return release.Succeeded();
        }
        catch (Exception e)
        {
            return release.Failed(
                await rollback.GoBackAsync(before, ReleaseFailure.Of(e, before.Deploying, stop, request.Newest?.SupersededBy), release));
        }
    }
}

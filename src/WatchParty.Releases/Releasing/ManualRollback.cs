using System.Globalization;
using WatchParty.Releases.Deploying;
using WatchParty.Releases.Planning;
using WatchParty.Releases.Recording;
using WatchParty.Tools.Failures;
using WatchParty.Tools.Git;

namespace WatchParty.Releases.Releasing;

/// <summary>A rollback that a person asks for. It is a release of its own in the record.</summary>
internal sealed class ManualRollback(History history, ReleaseRecorder recorder, Rollback rollback, ReleasePlanning planning,
    KeptImages kept, Ownership ownership, GitRepository repository, Deployer deployer, TimeProvider time)
{
    /// <param name="target">A healthy release; the one before the deployed one when null.</param>
    /// <exception cref="WorkerException">There is no such release to go back to.</exception>
    public async Task<ReleaseReport> RunAsync(long? target, string trigger, CancellationToken stop)
    {
        var deployed = history.Deployed()
            ?? throw new WorkerException("Nothing was released yet, so there is nothing to go back from.", Remedy.NeedsPerson);
        var goal = (target is { } id ? history.FindHealthy(id) : history.Healthy(100).FirstOrDefault(r => r.Commit != deployed.Commit))
            ?? throw new WorkerException(target is null
                ? "There is no earlier healthy release to go back to."
                : $"Release {target} was not healthy or does not exist. See `history` for those that succeeded.", Remedy.NeedsPerson);

        var clock = new PhaseClock(time);
        var found = new Detection(goal.Commit, deployed, true, null);
        var before = new ReleaseBefore(deployed.Served);
        using var release =
            recorder.Begin(found, new ReleaseRequest(string.Create(CultureInfo.InvariantCulture, $"rollback to {goal.Id} ({trigger})")),
                clock);
        try
        {
            release.Enter(ReleaseState.Deploying, "deploy");
            using var late = new LateStop(time, stop);
            var model = await planning.ModelAsync(deployed.Commit, stop, deployed.Served.Source);
            foreach (var note in await ownership.CheckAsync(model, deployed.Commit, stop)) { release.Note(note); }
            before = await rollback.KeepAsync(before, model, model.Built, release, stop);
            release.WatchSite();
            var whole = goal.ResourcesHash is null || goal.ResourcesHash != deployed.ResourcesHash;
            before = before with
            {
                Deployment = new Deployment(model, whole ? null : [], Deployment.NoReactions,
                await deployer.LookAsync(model, stop))
            };
            var deployment = await rollback.BringBackAsync(goal.Served, model, whole, release.Note, late.Token);

            // What the planner says now is what stands: every image is the one of that release, or the reason why not.
            var plan = await planning.PlanBackAsync(goal.Served, goal, stop);
            plan = plan with
            {
                Services =
                [
                    .. plan.Services.Select(s => s with
                    {
                        Action = ServiceAction.Unchanged,
                        Reason = $"as in release {goal.Id}",
                        Fresh = false,
                        // Files that git does not watch, and secrets, may be others by now than those that the image was built with.
                        Inputs = goal.Services.GetValueOrDefault(s.Name)?.Inputs ?? s.Inputs,
                    }),
                ],
            };
            release.Planned(plan, goal);
            release.Deployed(deployment, await deployer.LookAsync(plan.Model, late.Token));
            await kept.KeepAsync(plan.Model, release.Id, CancellationToken.None);
            await repository.KeepAsync(goal.Commit, release.Id, CancellationToken.None);
            // Otherwise the next poll would bring back what a person has just taken away.
            if (deployed.Commit != goal.Commit)
            {
                history.Quarantine(deployed.Commit, release.Id, $"a person went back to release {goal.Id}");
            }
            return release.Succeeded();
        }
        catch (Exception e)
        {
            var failure = ReleaseFailure.Of(e, before.Deploying, stop) with { CommitAtFault = false };
            return release.Failed(await rollback.GoBackAsync(before, failure, release));
        }
    }
}

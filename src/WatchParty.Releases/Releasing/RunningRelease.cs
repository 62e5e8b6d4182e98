using System.Globalization;
using Microsoft.Extensions.Logging;
using WatchParty.Releases.Building;
using WatchParty.Releases.Deploying;
using WatchParty.Releases.Planning;
using WatchParty.Releases.Recording;
using WatchParty.Releases.Signals;
using WatchParty.Releases.Verifying;
using WatchParty.Tools.Configuration;
using WatchParty.Tools.Failures;
using WatchParty.Tools.Redacting;

namespace WatchParty.Releases.Releasing;

/// <summary>Begins the record of releases.</summary>
internal sealed class ReleaseRecorder(
    DeployOptions options, History history, StateFolder state, ProgressFeed progress, ReleaseListeners listeners, TimeProvider time,
    ILogger<ReleaseRecorder> logger)
{
    public RunningRelease Begin(Detection found, ReleaseRequest request, PhaseClock clock)
    {
        history.EndUnrecorded();
        var id = history.Begin(found.Commit, found.Deployed?.Commit, request.Trigger, request.ForceRebuild);
        var file = Path.Combine(state.Logs, string.Create(CultureInfo.InvariantCulture, $"release-{id}.log"));
        history.SaveLog(id, file);
        logger.Begins(id, found.Commit, request.Trigger);
        listeners.Began(id, found.Commit, request.Trigger);
        return new RunningRelease(id, found, clock, history, new BuildLog(file), () => SiteWatch.Begin(options, time), progress, listeners,
            logger);
    }

    /// <summary>The answer when there is nothing to release. Nothing is written.</summary>
    public static ReleaseReport NotReleased(Detection found, ReleaseRequest request, PhaseSeconds seconds) => new(
        (found.Quarantine?.Release ?? found.Deployed?.Id)?.ToString(CultureInfo.InvariantCulture), found.Commit, found.Deployed?.Commit,
        request.Trigger,
        found.Quarantine is null ? ReleaseOutcome.NothingToDo : ReleaseOutcome.Quarantined, [], seconds,
        found.Quarantine is { } q
            ? $"commit {found.Commit[..7]} failed in release {q.Release} and waits for a new commit or a forced rebuild: {q.Reason}"
            : null);
}

/// <summary>One release while it goes: every method writes the record before it returns.</summary>
internal sealed class RunningRelease(
    long id, Detection found, PhaseClock clock, History history, BuildLog log, Func<SiteWatch> watchSite, ProgressFeed progress,
    ReleaseListeners listeners, ILogger logger) : IDisposable
{
    private readonly HashSet<string> _noted = [];
    private ReleasePlan? _plan;
    private SiteWatch? _watch;

    public long Id => id;

    public BuildLog Log => log;

    public void Dispose()
    {
        _watch?.Dispose();
        log.Dispose();
    }

    public void Enter(ReleaseState state, string phase)
    {
        history.Enter(id, state);
        clock.Enter(phase);
        progress.Report($"release {id}: {state}");
    }

    public void Note(string? note)
    {
        // Compose says the same again at every call.
        if (note is null || !_noted.Add(note)) { return; }
        history.Note(id, note);
        logger.Noted(id, note);
    }

    public void Planned(ReleasePlan plan) => Planned(plan, found.Deployed);

    /// <param name="imagesOf">The release whose images the services have that are not built.</param>
    public void Planned(ReleasePlan plan, DeployedRelease? imagesOf)
    {
        _plan = plan;
        history.SavePlan(id, plan, imagesOf);
        foreach (var service in plan.Services) { logger.Planned(service.Name, service.Action.ToString(), service.Reason); }
        foreach (var note in plan.Notes) { Note(note); }
    }

    public void Built(IReadOnlyList<BuiltImage> images, ReleasePlan plan)
    {
        if (log.Fault is { } fault) { Note($"the log of the build is not whole: {fault}"); }
        foreach (var image in images)
        {
            var reasons = new MissReasons(image.Basis, image.Plan.Before, image.Plan.Fresh, image.Plan.ChangedFiles, image.Steps,
                DockerfileName(image.Plan));
            List<MissedStep> missed = [.. reasons.All()
                .Select(m =>
                    new MissedStep(m.Step.Text, Math.Round(m.Step.Elapsed.TotalSeconds, 3), m.Reason.Text, m.Reason.Cause,
                        m.Reason.Avoidable))];
            history.SaveBuild(id, image.Plan.Name, image.ImageId, image.Basis, image.Elapsed, image.Steps, missed,
                [.. reasons.Advice().Select(a => a.ToString())]);
            foreach (var step in missed.Where(_ => !image.Plan.Fresh))
            {
                logger.Missed(image.Plan.Name, step.Step, step.Seconds, step.Reason!);
            }
            var counts = History.CountsOf(image.Steps);
            logger.Built(image.Plan.Name, image.Elapsed.TotalSeconds, counts.Cached, counts.Total);
            if (image.Plan.Fresh) { ProveFresh(image); }
        }
        foreach (var twin in plan.Services.Where(s => s.Action == ServiceAction.Built && images.All(i => i.Plan.Name != s.Name)))
        {
            var image = images.First(i => i.Plan.Name == plan.BuiltFor(twin).Name);
            history.SaveBuild(id, twin.Name, image.ImageId, image.Basis, TimeSpan.Zero, [], [], []);
            if (twin.Fresh && !image.IsFresh) { history.NotFresh(id, twin.Name); }
        }
    }

    /// <summary>Watches from now on whether the site answers, until the release is over.</summary>
    public void WatchSite() => _watch ??= watchSite();

    public void Deployed(Deployment deployment, ContainerSet now) => Save(_plan is null ? [] : deployment.Effects(_plan, now));

    /// <summary>The release before was brought back.</summary>
    public void Undone(Deployment deployment, ContainerSet now) =>
        TryRecord(() => Save(_plan is null ? [] : deployment.EffectsUndone(_plan, now)));

    private void Save(IEnumerable<ServiceEffect> effects)
    {
        foreach (var (service, image, action, reason) in effects)
        {
            history.SaveAction(id, service, image, action, reason);
            logger.Planned(service, action.ToString(), reason);
        }
    }

    /// <summary>The release before is about to come back. The blame is recorded first, so that a worker killed on the way does not try the
    /// commit again.</summary>
    public void GoesBack(ReleaseFailure failure) => TryRecord(() =>
    {
        Blame(failure);
        Enter(ReleaseState.RollingBack, "verify");
    });

    /// <summary>A disk that is full must not keep a bad release serving. A worker killed meanwhile takes it for a deployment, and goes back
    /// all the same.</summary>
    private void TryRecord(Action write)
    {
        try
        {
            write();
        }
        catch (WorkerException e)
        {
            logger.NotRecorded(id, e.Message);
        }
    }

    public ReleaseReport Succeeded()
    {
        history.LiftQuarantine(found.Commit);
        return Finish(ReleaseOutcome.Succeeded, null);
    }

    public ReleaseReport Failed(ReleaseFailure failure)
    {
        // Before the record, which may be what failed.
        if (failure.Outcome == ReleaseOutcome.Superseded) { logger.GaveWay(id, found.Commit, failure.Error); }
        else { logger.Failed(id, found.Commit, failure.Outcome.ToString(), failure.Error); }
        Blame(failure);
        return Finish(failure.Outcome, failure.Error);
    }

    private void Blame(ReleaseFailure failure)
    {
        // A release of the deployed commit that fails is not the commit's fault: it served until then, and serves again.
        if (failure.CommitAtFault && found.Commit != found.Deployed?.Commit) { history.Quarantine(found.Commit, id, failure.Error); }
    }

    private ReleaseReport Finish(ReleaseOutcome outcome, string? error)
    {
        var seconds = clock.Stop();
        if (_watch?.Seen() is { } unanswered)
        {
            history.SaveUnanswered(id, unanswered);
            foreach (var (address, without) in unanswered)
            {
                logger.Unanswered(id, Redaction.Apply(address), without.Total, without.Longest);
            }
        }
        history.Finish(id, outcome, error, seconds);
        if (outcome == ReleaseOutcome.Succeeded) { logger.Succeeded(id, found.Commit, seconds.Total); }
        progress.Report($"release {id}: {outcome}");
        var report = history.Find(id)!;
        listeners.Ended(report);
        return report;
    }

    private static string DockerfileName(ServicePlan plan) =>
        plan.Service.Build!.DockerfileInline is not null ? "dockerfile_inline"
        : Path.Combine(Path.GetFileName(Path.TrimEndingDirectorySeparator(plan.Service.Build.Context)), plan.Service.Build.Dockerfile);

    private void ProveFresh(BuiltImage image)
    {
        if (image.IsFresh) { return; }
        var cached = image.Steps.Where(s => s.State == StepState.Cached).ToList();
        history.NotFresh(id, image.Plan.Name);
        Note(cached.Count > 0
            ? $"{image.Plan.Name} is not fresh: {cached.Count} steps came from the cache, the first is {cached[0].Text}"
            : $"{image.Plan.Name} is not proven fresh: its build did not show that every step ran");
    }
}

internal static partial class ReleaseLog
{
    [LoggerMessage(Level = LogLevel.Information, Message = "Release {Release} of commit {Commit} begins ({Trigger})")]
    public static partial void Begins(this ILogger logger, long release, string commit, string trigger);

    [LoggerMessage(Level = LogLevel.Information, Message = "{Service}: {Action}, because {Reason}")]
    public static partial void Planned(this ILogger logger, string service, string action, string reason);

    [LoggerMessage(Level = LogLevel.Information, Message = "{Service} was built in {Seconds:0.0} s, {Cached} of {Total} steps cached")]
    public static partial void Built(this ILogger logger, string service, double seconds, int cached, int total);

    [LoggerMessage(Level = LogLevel.Information, Message = "{Service}: {Step} ran for {Seconds:0.0} s, because {Reason}")]
    public static partial void Missed(this ILogger logger, string service, string step, double seconds, string reason);

    [LoggerMessage(Level = LogLevel.Information, Message = "Release {Release}: {Note}")]
    public static partial void Noted(this ILogger logger, long release, string note);

    [LoggerMessage(Level = LogLevel.Information,
        Message = "Release {Release}: {Address} gave no good answer for {Seconds:0.0} s, {Longest:0.0} s in one piece")]
    public static partial void Unanswered(this ILogger logger, long release, string address, double seconds, double longest);

    [LoggerMessage(Level = LogLevel.Information, Message = "Release {Release} of commit {Commit} is healthy after {Seconds:0.0} s")]
    public static partial void Succeeded(this ILogger logger, long release, string commit, double seconds);

    [LoggerMessage(Level = LogLevel.Information, Message = "Release {Release} of commit {Commit} ended early: {Reason}")]
    public static partial void GaveWay(this ILogger logger, long release, string commit, string reason);

    [LoggerMessage(Level = LogLevel.Error, Message = "Release {Release} goes back without a record of it: {Reason}")]
    public static partial void NotRecorded(this ILogger logger, long release, string reason);

    [LoggerMessage(Level = LogLevel.Error, Message = "Release {Release} of commit {Commit}: {Outcome}. {Error}")]
    public static partial void Failed(this ILogger logger, long release, string commit, string outcome, string? error);
}

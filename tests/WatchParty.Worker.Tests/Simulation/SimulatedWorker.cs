using System.Reflection;
using Microsoft.Extensions.Logging.Abstractions;
using WatchParty.Worker.Configuration;
using WatchParty.Worker.Hosting;
using WatchParty.Worker.Recording;
using WatchParty.Worker.Releasing;
using WatchParty.Worker.Tests.Fakes;
using WatchParty.Worker.Triggering;

namespace WatchParty.Worker.Tests.Simulation;

/// <summary>Protections of the worker that a test takes away, to see that the simulation notices.</summary>
[Flags]
internal enum Without
{
    Nothing = 0,
    TheGate = 1,
    Recovery = 2,
    Rollback = 4,
    Quarantine = 8,
    TheFlagStaying = 16,
}

/// <summary>One life of the worker, from a start to a stop or a kill. The queue, the polls' side of it, the record, the decision what a failure means and the
/// drop files are the real ones; git and docker are <see cref="World"/>, whose steps are taken in the order of <see cref="ReleasePipeline"/>.</summary>
internal sealed class SimulatedWorker : IDisposable
{
    private static readonly MethodInfo Execute = typeof(ReleasingService).GetMethod("ExecuteAsync", BindingFlags.Instance | BindingFlags.NonPublic)!;

    private readonly World _world;
    private readonly Without _without;
    private readonly Pump _pump = new();
    private readonly CancellationTokenSource _stop = new();
    private readonly WorkGate _gate;
    private readonly NewestCommit _newest;
    private readonly ReleasingService _releasing;
    private readonly CommitDetection _detection;
    private readonly Task _loop;
    private readonly Task _flags;
    private readonly Task _recovery;
    private int _atWork;
    private string? _underWay;

    public SimulatedWorker(World world, Database database, string folder, DateTimeOffset now, bool cancelOnNewer, Without without)
    {
        (_world, _without) = (world, without);
        Clock = new ManualTimeProvider();
        Clock.Advance(now - Clock.GetUtcNow());
        History = new History(database, Clock);
        var options = new WorkerOptions { Build = { CancelOnNewerCommit = cancelOnNewer } };
        _gate = new WorkGate(Clock);
        _pump.IsUnderWay = () => _gate.Waiting > 0 && (_gate.Current is null || _stop.IsCancellationRequested);
        _newest = new NewestCommit(options.Build, History);
        _detection = new CommitDetection(null!, History, NullLogger<CommitDetection>.Instance);
        _releasing = new ReleasingService(
            (request, token) => WorkAsync("release", t => ReleaseAsync(request, t), token), _newest, History, options, new Heartbeat(Clock), Clock, NullLogger<ReleasingService>.Instance);
        _recovery = _pump.Begin(() => WorkAsync("recovery", RecoverAsync, _stop.Token));
        _loop = _pump.Begin(() => (Task)Execute.Invoke(_releasing, [_stop.Token])!);
        // Looks are far apart, because each is a look at real files; what a look does is the same.
        var watcher = new DropFileWatcher(folder, Clock, NullLogger<DropFileWatcher>.Instance) { LookEvery = TimeSpan.FromMinutes(4), WithEvents = false };
        _flags = _pump.Begin(() => watcher.RunAsync(HandleAsync, _ => { }, _stop.Token));
        _pump.Settle();
    }

    public ManualTimeProvider Clock { get; }

    public History History { get; }

    /// <summary>When the work for each flag began.</summary>
    public List<DateTimeOffset> Cleared { get; } = [];

    public bool IsIdle => _gate.Current is null && _gate.Waiting == 0;

    /// <summary>Whether a loop ended by itself, after which systemd starts the service anew.</summary>
    public bool HasFallen => _loop.IsCompleted || _flags.IsCompleted;

    public void Poll()
    {
        _newest.See(_world.Head);
        _pump.Settle();
    }

    public void Advance(TimeSpan by) => _pump.Advance(Clock, by);

    /// <summary>The end by SIGTERM: every step under way comes to its end or is cancelled.</summary>
    public void Stop()
    {
        _stop.Cancel();
        for (var i = 0; i < 20 && !(_loop.IsCompleted && _flags.IsCompleted && _recovery.IsCompleted); i++) { Advance(TimeSpan.FromMinutes(1)); }
        if (!_loop.IsCompleted || !_flags.IsCompleted) { _world.Violated("a stop does not end the loops"); }
    }

    /// <summary>The end by SIGKILL: nothing that awaits goes on.</summary>
    public void Kill()
    {
        if (_underWay is { } commit) { _world.Allow(commit); }
        Dispose();
    }

    public void Dispose()
    {
        _pump.Dispose();
        _newest.Dispose();
        _gate.Dispose();
        _stop.Dispose();
    }

    private async Task<T> WorkAsync<T>(string name, Func<CancellationToken, Task<T>> work, CancellationToken token)
    {
        async Task<T> AloneAsync(CancellationToken t)
        {
            if (++_atWork > 1) { _world.Violated($"I5: {name} begins while other work goes on"); }
            try
            {
                return await work(t);
            }
            finally
            {
                _atWork--;
            }
        }
        return _without.HasFlag(Without.TheGate) ? await AloneAsync(token) : await _gate.RunAsync(name, AloneAsync, token);
    }

    private async Task<bool> RecoverAsync(CancellationToken stop)
    {
        var unfinished = History.Unfinished();
        if (!_without.HasFlag(Without.Recovery) && History.DeployedCommit() is { } deployed)
        {
            await _world.StepAsync("up again", null, Clock, () => false, stop).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing | ConfigureAwaitOptions.ContinueOnCapturedContext);
            _world.Serves(deployed);
        }
        foreach (var release in unfinished) { History.Finish(release.Id, ReleaseOutcome.Interrupted, "the worker ended", PhaseSeconds.Zero); }
        return true;
    }

    private async Task<DropFileResult> HandleAsync(DropFileRequest request, CancellationToken stop)
    {
        if (request.Kind == DropFileKind.ClearCache)
        {
            return await WorkAsync("clear", async token =>
            {
                Cleared.Add(Clock.GetUtcNow());
                await _world.StepAsync("clear", null, Clock, () => token.IsCancellationRequested, token);
                return new DropFileResult("Cleared", request.Targets, 0, null);
            }, stop);
        }
        var report = await WorkAsync("forced release", token => ReleaseAsync(new ReleaseRequest("force-rebuild.flag", ForceRebuild: true), token), stop);
        if (report.Outcome == ReleaseOutcome.Interrupted) { throw new OperationCanceledException(stop); }
        return new DropFileResult($"{report.Outcome}", request.Targets, 0, report.Error);
    }

    /// <summary>The steps of <see cref="ReleasePipeline.RunAsync"/>.</summary>
    private async Task<ReleaseReport> ReleaseAsync(ReleaseRequest request, CancellationToken stop)
    {
        await _world.StepAsync("detect", null, Clock, () => stop.IsCancellationRequested, stop);
        var found = request.Newest is null ? new Detection(_world.Head, History.Deployed(), true, null) : await _detection.DetectAsync(request, stop);
        if (!found.IsNew) { return ReleaseRecorder.NotReleased(found, request, PhaseSeconds.Zero); }
        if (request.ForceRebuild)
        {
            History.LiftQuarantine(found.Commit);
            _world.Allow(found.Commit);
        }
        var id = History.Begin(found.Commit, found.Deployed?.Commit, request.Trigger, request.ForceRebuild);
        var superseded = request.Newest?.Superseded ?? CancellationToken.None;
        var deploying = false;
        _underWay = found.Commit;
        try
        {
            History.Enter(id, ReleaseState.Planning);
            await _world.StepAsync("plan", found.Commit, Clock, () => stop.IsCancellationRequested || superseded.IsCancellationRequested, stop);
            History.Enter(id, ReleaseState.Building);
            await _world.StepAsync("build", found.Commit, Clock, () => stop.IsCancellationRequested || superseded.IsCancellationRequested, stop);
            History.Enter(id, ReleaseState.Deploying);
            deploying = true;
            _world.BeginsDeploying(found.Commit);
            await _world.StepAsync("deploy", found.Commit, Clock, () => false, stop);
            History.Enter(id, ReleaseState.Verifying);
            await _world.StepAsync("verify", found.Commit, Clock, () => false, stop);
            _world.Serves(found.Commit);
            History.LiftQuarantine(found.Commit);
            History.Finish(id, ReleaseOutcome.Succeeded, null, PhaseSeconds.Zero);
        }
        catch (Exception e)
        {
            var failure = ReleaseFailure.Of(e, deploying, stop, request.Newest?.SupersededBy);
            if (failure.CommitAtFault && found.Commit != found.Deployed?.Commit && !_without.HasFlag(Without.Quarantine)) { History.Quarantine(found.Commit, id, failure.Error); }
            if (deploying && found.Deployed is { } before && !_without.HasFlag(Without.Rollback))
            {
                History.Enter(id, ReleaseState.RollingBack);
                await _world.StepAsync("roll back", null, Clock, () => false, stop).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing | ConfigureAwaitOptions.ContinueOnCapturedContext);
                _world.Serves(before.Commit);
                failure = failure with { Outcome = ReleaseOutcome.RolledBack };
            }
            History.Finish(id, failure.Outcome, failure.Error, PhaseSeconds.Zero);
            // What failed for a reason outside of the commit is done again, and the record says so.
            if (deploying && !failure.CommitAtFault) { _world.Allow(found.Commit); }
        }
        _underWay = null;
        return History.Find(id)!;
    }
}

using System.Reflection;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Logging.Abstractions;
using WatchParty.Releases.Recording;
using WatchParty.Releases.Releasing;
using WatchParty.Tools.Configuration;
using WatchParty.Tools.Docker;
using WatchParty.Tools.Failures;
using WatchParty.Tools.Processes;
using WatchParty.Worker.Hosting;
using WatchParty.Worker.Operating;
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
    KeptImages = 32,
    FreshMarks = 64,
    TheNewestCommit = 128,
}

/// <summary>One life of the worker, from a start to a stop or a kill: its own classes, put together as they are in the program, in a <see
/// cref="World"/>.</summary>
internal sealed class SimulatedWorker : IDisposable
{
    private static readonly BindingFlags Hidden = BindingFlags.Instance | BindingFlags.NonPublic;
    private static readonly MethodInfo Releases = typeof(ReleasingService).GetMethod("ExecuteAsync", Hidden)!;
    private static readonly MethodInfo Flags = typeof(DropFileService).GetMethod("ExecuteAsync", Hidden)!;

    private readonly World _world;
    private readonly Without _without;
    private readonly Pump _pump = new();
    private readonly CancellationTokenSource _stop = new();
    private readonly ServiceProvider _services;
    private readonly List<WorkGate> _gates;
    private readonly NewestCommit _newest;
    private readonly Task _loop;
    private readonly Task _flags;
    private readonly Task _recovery;
    private string? _seen;

    public SimulatedWorker(World world, Database database, WorkerOptions options, StateFolder state, DateTimeOffset now, Without without)
    {
        (_world, _without) = (world, without);
        Clock = new ManualTimeProvider();
        Clock.Advance(now - Clock.GetUtcNow());
        world.Begin(Clock);
        _services = Build(database, options, state);
        _newest = _services.GetRequiredService<NewestCommit>();
        History = _services.GetRequiredService<History>();
        var (mine, forFlags, forStart) = (Operations(), Operations(), Operations());
        _gates = [.. new[] { mine, forFlags, forStart }.Select(o => o.Gate).Distinct()];
        _pump.IsUnderWay = () => !_world.IsDead
            && (_gates.Exists(g => g.Waiting > 0 && (g.Current is null || _stop.IsCancellationRequested))
            || (_gates.Exists(g => g.Current is not null) && _world.Clock.Delays == 0));
        var releasing = new ReleasingService(
            (request, token) => _world.WorkAsync("release", () => mine.Operations.ReleaseAsync(request, token)), _newest, History, options,
            _services.GetRequiredService<Heartbeat>(), Clock, NullLogger<ReleasingService>.Instance);
        // Looks are far apart, because each is a look at real files; what a look does is the same.
        var flags = ActivatorUtilities.CreateInstance<DropFileService>(_services, forFlags.Operations);
        flags.LookEvery = TimeSpan.FromMinutes(4);
        flags.WithEvents = false;
        _recovery = without.HasFlag(Without.Recovery) ? Task.CompletedTask
            : _pump.Begin(() => _world.WorkAsync("recovery", async () =>
            {
                await forStart.Operations.RecoverAsync(always: true, _stop.Token);
                return true;
            }));
        _loop = _pump.Begin(() => (Task)Releases.Invoke(releasing, [_stop.Token])!);
        _flags = _pump.Begin(() => _world.WorkAsync("flag", async () =>
        {
            await (Task)Flags.Invoke(flags, [_stop.Token])!;
            return true;
        }));
        // What stops it is a stop of the worker, or a kill of it.
        foreach (var operations in new[] { mine.Operations, forFlags.Operations, forStart.Operations }.Distinct())
        {
            _ = _pump.Begin(() => TidyAsync(operations));
        }
        _pump.Settle();
    }

    public ManualTimeProvider Clock { get; }

    public History History { get; }

    /// <summary>Why the deployed release could not be brought up at the start; null when it was, or was not yet.</summary>
    public string? NotBroughtUp { get; private set; }

    public bool IsIdle => _gates.TrueForAll(g => g.Current is null && g.Waiting == 0) && _recovery.IsCompleted;

    /// <summary>Whether a loop ended by itself, after which systemd starts the service anew.</summary>
    public bool HasFallen => _loop.IsCompleted || _flags.IsCompleted;

    public void Poll()
    {
        // What the fault of a test loses: a commit that comes while work goes on, and is the remote's newest ever after.
        if (_without.HasFlag(Without.TheNewestCommit))
        {
            var isNews = _seen != _world.Head;
            _seen = _world.Head;
            if (!isNews || !IsIdle) { return; }
        }
        _pump.Begin(() =>
        {
            try
            {
                _newest.See(_world.Head);
            }
            catch (Exception e) when (e is WorkerException or KilledException)
            {
                // As the poller does.
            }
            return true;
        });
        // What gives way for it is told by another thread.
        SpinWait.SpinUntil(() => _newest.GivingWay.IsCompleted);
        _pump.Settle();
    }

    public void Prune() => Ask("prune", o => o.PruneAsync(dryRun: false, "test", _stop.Token));

    public void RollBack() => Ask("rollback", o => o.RollBackAsync(null, "test", _stop.Token));

    public void Advance(TimeSpan by)
    {
        if (!_world.IsDead) { _pump.Advance(Clock, by); }
    }

    /// <summary>The end by SIGTERM: every step under way comes to its end or is cancelled.</summary>
    public void Stop()
    {
        _pump.Begin(() =>
        {
            _stop.Cancel();
            return true;
        });
        for (var i = 0; i < 60 && !(_loop.IsCompleted && _flags.IsCompleted && _recovery.IsCompleted); i++)
        {
            Advance(TimeSpan.FromMinutes(1));
        }
        if (!_world.IsDead && (!_loop.IsCompleted || !_flags.IsCompleted)) { _world.Violated("a stop does not end the loops"); }
    }

    /// <summary>The end by SIGKILL: nothing that awaits goes on.</summary>
    public void Kill()
    {
        _world.Died();
        Dispose();
    }

    public void Dispose()
    {
        _pump.Dispose();
        _stop.Dispose();
    }

    private void Ask<T>(string name, Func<Operations, Task<T>> work)
    {
        _ = _pump.Begin(() => _world.WorkAsync(name, () => work(_services.GetRequiredService<Operations>())));
        _pump.Settle();
    }

    /// <summary>As the service does, each time as a piece of work of its own.</summary>
    private async Task TidyAsync(Operations operations)
    {
        while (true)
        {
            await operations.WaitForTidyingAsync(_stop.Token);
            await _world.WorkAsync("tidying", () => operations.TidyAsync(_stop.Token));
        }
    }

    private (Operations Operations, WorkGate Gate) Operations()
    {
        if (!_without.HasFlag(Without.TheGate))
        {
            return (_services.GetRequiredService<Operations>(), _services.GetRequiredService<WorkGate>());
        }
        var gate = new WorkGate(Clock);
        return (ActivatorUtilities.CreateInstance<Operations>(_services, gate), gate);
    }

    private ServiceProvider Build(Database database, WorkerOptions options, StateFolder state)
    {
        IDockerEngine engine = new FailpointEngine(_world.Docker, _world.Failpoints);
        return new ServiceCollection()
            .AddSingleton(typeof(ILogger<>), typeof(NullLogger<>))
            .AddWorker(options, state)
            .AddSingleton<TimeProvider>(_world.Clock).AddSingleton(database).AddSingleton(_world.Failpoints)
            .AddSingleton<IToolRunner>(new FailpointRunner(_world.Tools, _world.Failpoints))
            .AddSingleton(_without.HasFlag(Without.KeptImages) ? new ForgettingEngine(engine) : engine)
            .AddSingleton<IReleaseListener>(new Listener(this))
            .AddSingleton<Heartbeat>().AddSingleton<FlagTries>()
            .BuildServiceProvider();
    }

    private sealed class Listener(SimulatedWorker worker) : IReleaseListener
    {
        public void Began(long release, string commit, string trigger) =>
            worker._world.Say($"release {release} of {worker._world.Short(commit)} ({trigger})");

        public void Ended(ReleaseReport report)
        {
            if (report.Outcome is ReleaseOutcome.Succeeded or ReleaseOutcome.RolledBack) { worker.NotBroughtUp = null; }
            worker._world.Say($"release {report.Release}: {report.Outcome} {report.Error}");
        }

        public void BroughtUp(long release, string commit, string? error)
        {
            worker.NotBroughtUp = error;
            worker._world.Say($"release {release} is {(error is null ? "up" : $"not up: {error}")}");
        }
    }
}

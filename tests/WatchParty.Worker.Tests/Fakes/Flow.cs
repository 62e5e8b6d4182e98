using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
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
using WatchParty.Worker.Tests.Fakes.Docker;
using WatchParty.Worker.Tests.Fakes.Git;
using WatchParty.Worker.Triggering;

namespace WatchParty.Worker.Tests.Fakes;

/// <summary>A worker that was killed.</summary>
internal sealed class FlowKilledException : Exception;

/// <summary>The worker with its own classes, put together as they are in the program, on a fake git, a fake docker and a clock that moves
/// by itself.</summary>
/// <remarks><c>flow.Get&lt;Rollback&gt;()</c> is any of its classes. Calls run by <see cref="RunAsync{T}"/>, which returns when they have
/// ended.
/// At every <see cref="Failpoints">point</see> a test can let something happen: <c>flow.At("after git fetch",
/// flow.StopWorker)</c>.</remarks>
internal sealed class Flow : IDisposable
{
    private readonly Pump _pump = new();
    private readonly string _folder = Directory.CreateDirectory(
        Path.Combine(Path.Exists("/dev/shm") ? "/dev/shm" : Path.GetTempPath(), $"flow-{Guid.NewGuid():N}")).FullName;
    private readonly List<(string Point, int Times, Action Happens)> _at = [];
    private readonly List<(string Words, string Line)> _log = [];
    private ServiceProvider? _services;
    private CancellationTokenSource _stop = new();
    private bool _isDead;

    public Flow(ImageStore store = ImageStore.GraphDriver, Action<WorkerOptions>? configure = null)
    {
        Engine = new EngineModel(store, Clock);
        Git = new FakeGit(Path.Combine(_folder, "checkout"));
        Docker = new FakeDockerEngine(Engine);
        Tools = new FakeTools(Engine, Git, Clock);
        Options = new WorkerOptions
        {
            Repository = { Path = Git.Checkout, Branch = FakeGit.Branch },
            State = { Folder = Path.Combine(_folder, "state") },
            Deploy = { SettleTime = TimeSpan.FromSeconds(1), WaitTimeout = TimeSpan.FromMinutes(1) },
        };
        configure?.Invoke(Options);
        State = StateFolder.Open(Options.State.Folder);
        Failpoints = new Failpoints(Reached);
        Database = Database.Open(":memory:", failpoints: Failpoints);
        Engine.Add("base:1");
        Engine.Registry["postgres:16"] = new ModelImage(EngineModel.Digest("postgres:16"),
            System.Collections.Immutable.ImmutableDictionary<string, string>.Empty, ["postgres"])
        {
            Digests = ["postgres@sha256:1"],
        };
    }

    public ManualTimeProvider Clock { get; } = new();

    public EngineModel Engine { get; }

    public FakeDockerEngine Docker { get; }

    public FakeGit Git { get; }

    public FakeTools Tools { get; }

    public WorkerOptions Options { get; }

    public StateFolder State { get; }

    public Database Database { get; }

    public Failpoints Failpoints { get; }

    /// <summary>Every point that was reached, in order.</summary>
    public List<string> Points { get; } = [];

    /// <summary>What was logged, as a line each.</summary>
    public IEnumerable<string> Log => _log.Select(l => l.Line);

    public History History => Get<History>();

    /// <summary>The token that a stop of the worker cancels.</summary>
    public CancellationToken Stop => _stop.Token;

    /// <summary>The application that most tests have: its first commit is pushed, and the checkout is a clone of it. Nothing is
    /// released.</summary>
    public static Flow OfWebAndDatabase(ImageStore store = ImageStore.GraphDriver, Action<WorkerOptions>? configure = null) =>
        new Flow(store, configure).With(FlowApplication.WebAndDatabase);

    /// <summary>An application of these files, cloned and not released.</summary>
    public Flow With(params (string Path, string? Content)[] files)
    {
        Git.Push(files);
        Git.Clone();
        return this;
    }

    public T Get<T>() where T : notnull => (_services ??= Build()).GetRequiredService<T>();

    /// <summary>Lets <paramref name="happens"/> happen when this point is reached the next time, or for the <paramref name="times"/>-th
    /// time.</summary>
    public void At(string point, Action happens, int times = 1) => _at.Add((point, times, happens));

    /// <summary>Lets the call fail that has this name, as <see cref="At"/> names it.</summary>
    public void Fail(string point, Exception? failure = null, int times = 1) =>
        At(point, () => throw failure ?? new WorkerException($"failed {point}", Remedy.RetriedByItself), times);

    public void StopWorker() => _stop.Cancel();

    /// <summary>Lets the worker die at this point: nothing that it still tries has an effect, until <see cref="Restart"/>.</summary>
    public void Kill()
    {
        _isDead = true;
        throw new FlowKilledException();
    }

    /// <summary>A new worker in the place of this one, with the same record, engine and checkout.</summary>
    public void Restart()
    {
        _isDead = false;
        Drop();
        _stop.Dispose();
        _stop = new CancellationTokenSource();
    }

    public async Task<T> RunAsync<T>(Func<Task<T>> work)
    {
        var task = _pump.Begin(work);
        _pump.Until(task, Clock);
        return await task;
    }

    public Task RunAsync(Func<Task> work) => RunAsync(async () =>
    {
        await work();
        return true;
    });

    /// <summary>Releases what the remote has, and does what follows a release.</summary>
    public Task<ReleaseReport> ReleaseAsync(bool forceRebuild = false) => RunAsync(async () =>
    {
        var report = await Get<Operations>().ReleaseAsync(new ReleaseRequest("test", forceRebuild), Stop);
        await TidyAsync();
        return report;
    });

    /// <summary>Pushes these changes and releases them.</summary>
    public Task<ReleaseReport> ReleaseAsync(params (string Path, string? Content)[] changes)
    {
        Git.Push(changes);
        return ReleaseAsync();
    }

    public Task<ReleaseReport> RollBackAsync(long? release = null) =>
        RunAsync(() => Get<Operations>().RollBackAsync(release, "test", Stop));

    public Task RecoverAsync(bool always = true) => RunAsync(async () =>
    {
        await Get<Operations>().RecoverAsync(always, Stop);
        await TidyAsync();
    });

    private async Task TidyAsync()
    {
        while (!Stop.IsCancellationRequested && !await Get<Operations>().TidyAsync(Stop)) { }
    }

    public Task<HousekeepingReport> ClearAsync(params string[] targets) =>
        RunAsync(() => Get<Operations>().ClearAsync(targets, "test", Stop));

    public Task<HousekeepingReport> PruneAsync(bool dryRun = false) => RunAsync(() => Get<Operations>().PruneAsync(dryRun, "test", Stop));

    /// <summary>What serves: of each container its service, the id of its image and its state.</summary>
    public IReadOnlyList<(string Service, string Image, string Status)> Serving =>
        [.. Engine.Containers.Select(c => (c.Service, c.Image.Id, c.State(Clock.GetUtcNow()).Status)).Order()];

    public void Dispose()
    {
        Drop();
        Database.Dispose();
        _pump.Dispose();
        _stop.Dispose();
        Directory.Delete(_folder, recursive: true);
    }

    /// <summary>Not awaited: what the worker holds is in memory, and its clock stands still.</summary>
    private void Drop()
    {
        if (_services is { } services) { _ = _pump.Begin(() => services.DisposeAsync().AsTask()); }
        _services = null;
    }

    private ServiceProvider Build()
    {
        var services = new ServiceCollection().AddLogging(l => l.SetMinimumLevel(LogLevel.Information).AddProvider(new Lines(_log)))
            .AddWorker(Options, State)
            .AddSingleton<TimeProvider>(Clock).AddSingleton(Database).AddSingleton(Failpoints)
            .AddSingleton<IToolRunner>(new FailpointRunner(Tools, Failpoints))
            .AddSingleton<IDockerEngine>(new FailpointEngine(Docker, Failpoints))
            .AddSingleton(new SystemdNotifier(null, NullLogger<SystemdNotifier>.Instance)).AddSingleton<Heartbeat>(
                ).AddSingleton<FlagTries>()
            .AddSingleton<IHostApplicationLifetime, Lifetime>().AddSingleton<StartUp>().AddSingleton<DropFileService>();
        return services.BuildServiceProvider();
    }

    private void Reached(string point)
    {
        if (_isDead) { throw new FlowKilledException(); }
        lock (Points) { Points.Add(point); }
        for (var i = 0; i < _at.Count; i++)
        {
            var (name, times, happens) = _at[i];
            if (name != point) { continue; }
            if (times > 1)
            {
                _at[i] = (name, times - 1, happens);
                continue;
            }
            _at.RemoveAt(i);
            happens();
            return;
        }
    }

    private sealed class Lines(List<(string, string)> log) : ILoggerProvider, ILogger
    {
        public ILogger CreateLogger(string categoryName) => this;

        public IDisposable? BeginScope<TState>(TState state) where TState : notnull => null;

        public bool IsEnabled(LogLevel logLevel) => true;

        public void Log<TState>(LogLevel logLevel, EventId eventId, TState state, Exception? exception, Func<TState, Exception?,
            string> formatter) =>
            log.Add(($"{logLevel}", $"{formatter(state, exception)}{(exception is null ? "" : $"\n{exception}")}"));

        public void Dispose() { }
    }

    private sealed class Lifetime : IHostApplicationLifetime
    {
        public CancellationToken ApplicationStarted => CancellationToken.None;

        public CancellationToken ApplicationStopping => CancellationToken.None;

        public CancellationToken ApplicationStopped => CancellationToken.None;

        public void StopApplication() { }
    }
}

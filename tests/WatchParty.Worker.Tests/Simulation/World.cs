using Microsoft.Data.Sqlite;
using WatchParty.Tools.Docker;
using WatchParty.Tools.Failures;
using WatchParty.Tools.Processes;
using WatchParty.Worker.Tests.Fakes;
using WatchParty.Worker.Tests.Fakes.Docker;
using WatchParty.Worker.Tests.Fakes.Git;

namespace WatchParty.Worker.Tests.Simulation;

/// <summary>The worker is dead from here on: nothing that it still tries has an effect.</summary>
internal sealed class KilledException : Exception;

/// <summary>What is outside of the worker and outlives it: the remote, the checkout, the engine with its containers, and what happens to
/// each call. What it
/// remembers is the oracle's, and not the worker's.</summary>
internal sealed class World : IDisposable
{
    private static readonly TimeSpan HangLimit = TimeSpan.FromMinutes(10);
    private static readonly ModelImage[] Databases = [.. new[] { "16", "17" }.Select(tag => new ModelImage(
        EngineModel.Digest($"postgres:{tag}"), System.Collections.Immutable.ImmutableDictionary<string, string>.Empty,
            ["postgres"]) { Digests = [$"postgres@sha256:{tag}"] })];

    private readonly AsyncLocal<string?> _work = new();
    private readonly HashSet<string> _atWork = [];
    private readonly List<string> _pushed = [];
    private bool _begun;
    private int _untilKill = -1;
    private int _number;

    public World(string folder, int seed)
    {
        Random = new Random(seed);
        Clock = new WorldClock(() => _work.Value is not null);
        Engine = new EngineModel(Random.Next(2) == 0 ? ImageStore.GraphDriver : ImageStore.Containerd, Clock);
        Docker = new FakeDockerEngine(Engine);
        Git = new FakeGit(folder);
        Tools = new FakeTools(Engine, Git, Clock) { OnStep = StepAsync };
        Failpoints = new Failpoints(Reached);
        Engine.Add("base:1");
        Engine.Registry["postgres:16"] = Databases[0];
        Engine.Registry["postgres:17"] = Databases[1];
        Push();
        Git.Clone();
    }

    public Random Random { get; }

    public WorldClock Clock { get; }

    public EngineModel Engine { get; }

    public FakeDockerEngine Docker { get; }

    public FakeGit Git { get; }

    public FakeTools Tools { get; }

    public Failpoints Failpoints { get; }

    /// <summary>Ended: from here on nothing fails, unless the commit itself is bad.</summary>
    public bool Calm { get; set; }

    /// <summary>Whether the worker was killed at one of its points.</summary>
    public bool IsDead { get; private set; }

    public List<string> Trail { get; } = [];

    public List<string> Violations { get; } = [];

    public HashSet<string> Bad { get; } = [];

    /// <summary>Commits at which something was tried that a tool said to be at fault, though they are good.</summary>
    public HashSet<string> Blamed { get; } = [];

    /// <summary>Calls of <c>compose up</c> by the commit that was checked out.</summary>
    public Dictionary<string, int> Ups { get; } = [];

    /// <summary>Builds of the application's own image: when they began, and whether they used the cache.</summary>
    public List<(DateTimeOffset At, bool NoCache)> Builds { get; } = [];

    /// <summary>Kills and failures from outside so far.</summary>
    public int Disturbances { get; private set; }

    /// <summary>Whether something could not be recorded.</summary>
    public bool IsRecordHurt { get; private set; }

    public string Head => Git.RemoteHead;

    public void Dispose() => Trail.Clear();

    public void Say(string words) => Trail.Add($"{Clock.GetUtcNow():HH:mm:ss} {words}");

    public void Violated(string words)
    {
        Say($"VIOLATED: {words}");
        Violations.Add(words);
    }

    public string Short(string commit) => $"c{_pushed.IndexOf(commit) + 1}";

    public void Push()
    {
        // Now and then the branch goes back to what it was.
        if (_pushed.Count > 1 && Random.Next(10) == 0)
        {
            Git.Reset(_pushed[Random.Next(_pushed.Count)]);
            Say($"push back to {Short(Head)}");
            return;
        }
        _number++;
        var kind = _number == 1 ? 0 : Random.Next(12);
        var (inline, status, command) = ("FROM base:1\\nCOPY . .\\nRUN make\\nARG GIT_COMMIT_HASH\\nENV C=$$GIT_COMMIT_HASH", "ok\n", "");
        if (kind == 9) { inline = inline.Replace("RUN make", "RUN false", StringComparison.Ordinal); }
        if (kind == 10) { status = "broken\n"; }
        if (kind == 11) { command = """, "command": ["sh", "-c", "exit 3"]"""; }
        var tag = kind is 7 or 10 ? Random.Next(16, 18) : 16;
        var variable = kind is 8 or 10 ? _number : 0;
        var web = $$"""
            "web": {"image": "app-web:latest", "build": {"context": "./web", "dockerfile_inline": "{{inline}}"}, "restart": "unless-stopped",
              "healthcheck": {"test": ["CMD", "wget", "/health"], "interval": "300ms", "retries": 2} }
            """;
        var database = $$$"""
            "db": {"image": "postgres:{{{tag}}}", "restart": "unless-stopped", "environment": {"A": "{{{variable}}}" } {{{command}}} }
            """;
        Git.Push(
            ("compose.yaml", $$"""{"name": "app", "services": { {{web}}, {{database}} } }"""), ("README", $"{_number}\n"),
            // The other half touches only documents or settings.
            (kind < 7 || kind == 9 || _number == 1 ? "web/content.txt" : "README", $"{_number}\n"), ("web/status", status));
        _pushed.Add(Head);
        if (kind >= 9) { Bad.Add(Head); }
        Say($"push {Short(Head)} ({kind switch { 9 => "does not build", 10 => "is not healthy", 11 => "ends at once", 7 => "other tag", 8 => "other settings", _ => "content" }})");
    }

    /// <summary>From now on the worker dies as it reaches the next point but this many.</summary>
    public void KillSoon(int points) => _untilKill = points;

    public void Begin(ManualTimeProvider clock)
    {
        Clock.Begin(clock);
        _atWork.Clear();
        (_begun, IsDead, _untilKill) = (true, false, -1);
    }

    public void Died()
    {
        (IsDead, Disturbances) = (true, Disturbances + 1);
        _atWork.Clear();
    }

    /// <summary>Runs one piece of work, and sees that no other goes on meanwhile.</summary>
    public async Task<T> WorkAsync<T>(string name, Func<Task<T>> work)
    {
        var id = $"{name} {Guid.NewGuid()}";
        _work.Value = id;
        try
        {
            return await work();
        }
        finally
        {
            _atWork.Remove(id);
        }
    }

    public void Reached(string point)
    {
        if (!_begun) { return; }
        if (IsDead) { throw new KilledException(); }
        if (_untilKill >= 0 && _untilKill-- == 0)
        {
            Say($"killed {point}");
            Died();
            throw new KilledException();
        }
        if (_work.Value is { } work) { Seen(work, point); }
        if (Calm || !point.StartsWith("before ", StringComparison.Ordinal) || _work.Value is null) { return; }
        if (point.StartsWith("before engine", StringComparison.Ordinal) && Random.Next(400) == 0)
        {
            throw Failed(point, new WorkerException("the engine is away", Remedy.RetriedByItself));
        }
        if (point.StartsWith("before record", StringComparison.Ordinal) && !point.Contains("fact", StringComparison.Ordinal)
            && Random.Next(400) == 0)
        {
            IsRecordHurt = true;
            throw Failed(point, new WorkerException("the disk is full", Remedy.RetriedByItself,
                new SqliteException("database or disk is full", SQLitePCL.raw.SQLITE_FULL)));
        }
    }

    private void Seen(string work, string point)
    {
        // What a flag notes before its turn has come is no work, and with its answer that is over.
        if (point.EndsWith(" fact", StringComparison.Ordinal) || point.EndsWith(".claimed", StringComparison.Ordinal)) { return; }
        if (point.Contains(".result.json", StringComparison.Ordinal) || point.EndsWith(".flag", StringComparison.Ordinal))
        {
            _atWork.Remove(work);
        }
        else if (_atWork.Add(work) && _atWork.Count > 1)
        {
            Violated($"I5: {string.Join(" and ", _atWork.Select(w => w.Split(' ')[0]).Order())} go on at once");
        }
    }

    /// <summary>One program, or one step of it: takes its time and ends as the seed says.</summary>
    private async Task StepAsync(string step, CancellationToken cancellationToken)
    {
        if (IsDead) { throw new KilledException(); }
        if (step == "compose up") { Ups[Git.Head] = Ups.GetValueOrDefault(Git.Head) + 1; }
        if (step == "buildx bake" && Tools.Commands[^1] is { } bake && bake.Arguments[^1] == "web"
            && !bake.Arguments.Contains("*.output=type=cacheonly"))
        {
            Builds.Add((Clock.GetUtcNow(), bake.Arguments.Contains("--no-cache")));
        }
        var isSlow = step is "git fetch" or "buildx bake" or "compose up" || !step.Contains("git", StringComparison.Ordinal)
            && !step.StartsWith("compose", StringComparison.Ordinal);
        if (isSlow && _work.Value is not null)
        {
            await Task.Delay(TimeSpan.FromSeconds(Random.Next(1, 40)), Clock, CancellationToken.None);
        }
        if (IsDead) { throw new KilledException(); }
        cancellationToken.ThrowIfCancellationRequested();
        if (Calm || _work.Value is null || Random.Next(120) > 0) { return; }
        var deploys = step == "compose up" || step.Split(' ')[0] is "create" or "stop" or "remove" or "start";
        if (Random.Next(3) > 0) { throw Failed(step, new ToolFailedException(new ToolCommand(step), 137, "was ended by a signal")); }
        if (deploys) { Blamed.Add(Git.Head); }
        await Task.Delay(HangLimit, Clock, CancellationToken.None);
        throw Failed(step, new ToolFailedException(new ToolCommand(step), null, "did not end in time"));
    }

    private Exception Failed(string what, Exception failure)
    {
        Disturbances++;
        Say($"{what}: {failure.Message}");
        return failure;
    }
}

/// <summary>The clock of the worker that lives now: what an earlier one waited for does not come any more.</summary>
/// <param name="isWork">Whether who asks for a timer is a piece of work.</param>
internal sealed class WorldClock(Func<bool> isWork) : TimeProvider
{
    private static readonly TimeSpan OfFlags = TimeSpan.FromMilliseconds(100);
    private int _delays;

    public ManualTimeProvider Inner { get; private set; } = new();

    /// <summary>How much of the work under way waits for the clock. What does not, goes on, if need be by another thread.</summary>
    public int Delays => Volatile.Read(ref _delays);

    public override TimeZoneInfo LocalTimeZone => TimeZoneInfo.Utc;

    public override long TimestampFrequency => Inner.TimestampFrequency;

    public void Begin(ManualTimeProvider inner) => (Inner, _delays) = (inner, 0);

    public override DateTimeOffset GetUtcNow() => Inner.GetUtcNow();

    public override long GetTimestamp() => Inner.GetTimestamp();

    public override ITimer CreateTimer(TimerCallback callback, object? state, TimeSpan dueTime, TimeSpan period)
    {
        var inner = Inner;
        // A limit is no delay.
        if (state is CancellationTokenSource || dueTime < TimeSpan.Zero || dueTime == OfFlags || period > TimeSpan.Zero || !isWork())
        {
            return inner.CreateTimer(callback, state, dueTime, period);
        }
        Interlocked.Increment(ref _delays);
        return new Delay(this, inner, callback, state, dueTime);
    }

    private sealed class Delay : ITimer
    {
        private readonly ITimer _timer;
        private readonly Action _ended;
        private int _hasEnded;

        public Delay(WorldClock clock, ManualTimeProvider inner, TimerCallback callback, object? state, TimeSpan dueTime)
        {
            _ended = () =>
            {
                if (Interlocked.Exchange(ref _hasEnded, 1) == 0
                && clock.Inner == inner) { Interlocked.Decrement(ref clock._delays); }
            };
            _timer = inner.CreateTimer(
                s =>
                {
                    _ended();
                    callback(s);
                },
                state, dueTime, Timeout.InfiniteTimeSpan);
        }

        public bool Change(TimeSpan dueTime, TimeSpan period) => _timer.Change(dueTime, period);

        public void Dispose()
        {
            _ended();
            _timer.Dispose();
        }

        public ValueTask DisposeAsync()
        {
            Dispose();
            return default;
        }
    }
}

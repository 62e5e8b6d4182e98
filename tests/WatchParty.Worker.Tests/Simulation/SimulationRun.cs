using System.Text.Json.Nodes;
using WatchParty.Releases.Planning;
using WatchParty.Releases.Recording;
using WatchParty.Tools.Configuration;
using WatchParty.Tools.Processes;
using WatchParty.Worker.Tests.Fakes.Git;

namespace WatchParty.Worker.Tests.Simulation;

/// <summary>A life of a worker with its restarts, made of a seed: pushes, polls, flags, prunes, ways back by hand, stops and kills in any
/// order; then quiet, and
/// the invariants.</summary>
/// <remarks>I1: the newest commit is deployed, or waits for a reason. I2: a bad commit is not tried again and again. I3: what serves is,
/// image by image, what
/// the record says. I4: every flag is answered by work that began later. I5: no two works at once. I6: after a clear the next build uses no
/// cache.
/// I7: a bad commit is no success.</remarks>
internal sealed class SimulationRun : IDisposable
{
    private static readonly string[] Tables = ["step", "service", "release", "quarantine", "fresh_mark", "seal", "warm", "housekeeping",
        "fact", "mounted", "sqlite_sequence"];

    private readonly string _folder = Directory.CreateDirectory(
        Path.Combine(Path.Exists("/dev/shm") ? "/dev/shm" : Path.GetTempPath(), $"simulation-{Guid.NewGuid():N}")).FullName;
    private readonly Without _without;
    private readonly StateFolder _state;
    private readonly WorkerOptions _options;
    private Database? _database;
    private World _world = null!;
    private SimulatedWorker _worker = null!;
    private bool _hasStartedAtTheEnd;
    private (int Touches, int Restarts, DateTimeOffset LastTouch, int Files) _flags;

    public SimulationRun(Without without = Without.Nothing)
    {
        _without = without;
        _options = new WorkerOptions
        {
            Repository = { Path = Path.Combine(_folder, "checkout"), Branch = FakeGit.Branch },
            DropFiles = { Folder = Path.Combine(_folder, "flags") },
            State = { Folder = Path.Combine(_folder, "state") },
            Deploy = { SettleTime = TimeSpan.FromSeconds(0.3), WaitTimeout = TimeSpan.FromMinutes(1),
                Rollback = !without.HasFlag(Without.Rollback) },
        };
        Directory.CreateDirectory(_options.DropFiles.Folder!);
        _state = StateFolder.Open(_options.State.Folder);
    }

    public void Dispose()
    {
        _database?.Dispose();
        Directory.Delete(_folder, recursive: true);
    }

    /// <summary>Calls of <c>compose up</c> in all seeds so far.</summary>
    public int Deployments { get; private set; }

    /// <returns>What was violated, with all that happened; null when nothing was.</returns>
    public string? Of(int seed)
    {
        Reset(seed);
        _options.Build.CancelOnNewerCommit = _world.Random.Next(2) == 0;
        Start(new DateTimeOffset(2026, 3, 1, 12, 0, 0, TimeSpan.Zero));
        try
        {
            for (var i = _world.Random.Next(4, 10); i > 0; i--)
            {
                Happens();
                if (_world.IsDead || _worker.HasFallen) { Restart(kill: true); }
                CheckTheSite();
            }
            Quieten();
            CheckTheEnd();
        }
        finally
        {
            _worker.Dispose();
        }
        Deployments += _world.Ups.Values.Sum();
        return _world.Violations.Count == 0 ? null
            : $"seed {seed}: {string.Join("; ", _world.Violations.Distinct())}{Environment.NewLine}{string.Join(Environment.NewLine, _world.Trail)}";
    }

    private void Happens()
    {
        var random = _world.Random;
        switch (random.Next(22))
        {
            case < 5:
                _world.Push();
                break;
            case < 9:
                _worker.Poll();
                break;
            case < 14:
                _worker.Poll();
                _worker.Advance(TimeSpan.FromSeconds(random.Next(1, 400)));
                break;
            case 14 or 15:
                Touch("clear-cache.flag");
                _flags = _flags with { Touches = _flags.Touches + 1, LastTouch = _worker.Clock.GetUtcNow() };
                break;
            case 16:
                Touch("force-rebuild.flag");
                break;
            case 17:
                _world.Say("prune");
                _worker.Prune();
                break;
            case 18:
                _world.Say("stop");
                _worker.Stop();
                Restart(kill: false);
                break;
            case 19:
                _world.Say("rollback");
                _worker.RollBack();
                break;
            case 20:
                _world.Say("kill");
                Restart(kill: true);
                break;
            default:
                // At one of the next points, wherever that is.
                _world.KillSoon(random.Next(200));
                break;
        }
    }

    private void Quieten()
    {
        _world.Calm = true;
        _world.KillSoon(-1);
        _world.Say("calm");
        // A hanging tool at its limit, the longest wait after failures, and two releases.
        for (var i = 0; i < 60; i++)
        {
            _worker.Poll();
            _worker.Advance(TimeSpan.FromSeconds(40));
            if (_worker.HasFallen) { Restart(kill: true); }
            if (_worker.IsIdle && IsSettled() && !HasFlags) { return; }
        }
    }

    private bool HasFlags => File.Exists(FlagPath("clear-cache.flag")) || File.Exists(FlagPath("force-rebuild.flag"));

    private bool IsSettled() => _worker.History.DeployedCommit() == _world.Head || _worker.History.Quarantined(_world.Head) is not null;

    /// <summary>Whenever nothing is under way and nothing went wrong on the way back, exactly the deployed release serves.</summary>
    private void CheckTheSite()
    {
        if (!_worker.IsIdle || _world.IsDead || _worker.History.Deployed() is not { } deployed || (!_hasStartedAtTheEnd && MayBeHurt()))
        {
            return;
        }
        var now = _world.Clock.GetUtcNow();
        var serving = _world.Engine.Containers.ToDictionary(c => c.Name, c => (c.Service, Image: c.Image.Id, c.State(now).Status));
        var wanted = deployed.Served.Services;
        if (serving.Count != wanted.Count
            || serving.Values.Any(s => s.Status != "running" || wanted.GetValueOrDefault(s.Service)?.ImageId != s.Image))
        {
            _world.Violated($"I3: release {deployed.Id} ({_world.Short(deployed.Commit)}) is deployed with {Text(wanted.Select(w => (w.Key, w.Value.ImageId, "")))}, "
                + $"and {Text(serving.Values)} serves after {_worker.History.Last(1)[0] is var l} {l.Release} {l.Outcome} {l.Error}");
        }
        if (_world.Git.Head != deployed.Commit)
        {
            _world.Violated($"I3: {_world.Short(deployed.Commit)} is deployed, and {_world.Short(_world.Git.Head)} is checked out");
        }
    }

    /// <summary>Whether the worker has said that it could not bring back what served, or was stopped before it could.</summary>
    private bool MayBeHurt() => _worker.NotBroughtUp is not null
        || (_worker.History.Last(1) is [{ Outcome: not ReleaseOutcome.Succeeded } last]
        && (last.Outcome == ReleaseOutcome.Interrupted || last.Error?.Contains("failed as well", StringComparison.Ordinal) == true));

    private static string Text(IEnumerable<(string Service, string Image, string Status)> serving) =>
        string.Join(", ", serving.OrderBy(s => s.Service).Select(s => $"{s.Service} {s.Image[7..13]} {s.Status}".TrimEnd()));

    private void CheckTheEnd()
    {
        // What could not be brought back is, at the latest, when the worker comes back.
        if (_worker.IsIdle && !_world.IsDead && MayBeHurt())
        {
            _worker.Stop();
            Restart(kill: false);
            for (var i = 0; i < 30 && !_worker.IsIdle; i++) { _worker.Advance(TimeSpan.FromSeconds(40)); }
            if (MayBeHurt() && _worker.NotBroughtUp is { } why) { _world.Violated($"I3: nothing brings the deployed release up: {why}"); }
            _hasStartedAtTheEnd = true;
        }
        CheckTheSite();
        var (head, history) = (_world.Head, _worker.History);
        if (!IsSettled()) { _world.Violated($"I1: {_world.Short(head)} is lost"); }
        if (history.Quarantined(head) is { Reason: var reason } && !_world.Bad.Contains(head) && !_world.Blamed.Contains(head)
            && !reason.StartsWith("it was taken back", StringComparison.Ordinal)
                && !reason.StartsWith("the worker ended", StringComparison.Ordinal)
            && !reason.StartsWith("a person", StringComparison.Ordinal))
        {
            _world.Violated($"I1: {_world.Short(head)} waits for a new commit, and nobody said that it is at fault: {reason}");
        }
        // One whose end could not be written has it with the next release, or the next start.
        if (history.Unfinished().Count > 0 && _worker.IsIdle && !_world.IsRecordHurt)
        {
            _world.Violated("I1: a release has no end in the record");
        }
        foreach (var bad in _world.Bad.Where(b => _world.Ups.GetValueOrDefault(b) > 2 * (2 + _world.Disturbances + _flags.Files)))
        {
            _world.Violated($"I2: {_world.Short(bad)} was deployed {_world.Ups[bad]} times");
        }
        CheckTheSuccesses(history.Last(1000));
        CheckTheFlags();
        CheckTheClears(history);
    }

    private void CheckTheSuccesses(IReadOnlyList<ReleaseReport> releases)
    {
        foreach (var release in releases.Where(r => r.Outcome == ReleaseOutcome.Succeeded && _world.Bad.Contains(r.Commit)))
        {
            // A try before it that left its containers behind has them taken for what ran, and was unhealthy, before the worker came.
            var isLeftover = releases.Any(r => r.Commit == release.Commit && r.StartedAt < release.StartedAt
                && r.Outcome is ReleaseOutcome.DeployFailed or ReleaseOutcome.Interrupted);
            if (!isLeftover) { _world.Violated($"I7: release {release.Release} of {_world.Short(release.Commit)} counts as a success"); }
        }
    }

    private void CheckTheFlags()
    {
        if (File.Exists(FlagPath("clear-cache.flag"))) { _world.Violated("I4: the flag stays"); }
        if (_flags.Touches == 0) { return; }
        var file = FlagPath("clear-cache.result.json");
        if (!File.Exists(file)) { _world.Violated("I4: the flag has no answer"); }
        else if (DateTimeOffset.Parse(JsonNode.Parse(File.ReadAllText(file))!["startedAt"]!.ToString(), null) is var began
            && began < _flags.LastTouch)
        {
            _world.Violated($"I4: the flag of {_flags.LastTouch:HH:mm:ss} was answered by work of {began:HH:mm:ss}");
        }
        var clears = _worker.History.Housekeeping(1000).Count(h => h.Kind == "clear");
        if (clears > _flags.Touches + _flags.Restarts)
        {
            _world.Violated($"I4: {clears} clears for {_flags.Touches} touches and {_flags.Restarts} restarts");
        }
    }

    private void CheckTheClears(History history)
    {
        foreach (var clear in history.Housekeeping(1000).Where(h => h is { Kind: "clear", Outcome: "Cleared" }))
        {
            if (_world.Builds.FirstOrDefault(b => b.At >= clear.EndedAt) is { At.Year: > 1, NoCache: false } build)
            {
                _world.Violated($"I6: the build of {build.At:HH:mm:ss} after the clear of {clear.EndedAt:HH:mm:ss} used the cache");
            }
            var next = history.Last(1000).LastOrDefault(r => r.StartedAt >= clear.EndedAt && r
                is { Outcome: ReleaseOutcome.Succeeded, Trigger: "poll" or "force-rebuild.flag" });
            if (next?.Services.FirstOrDefault(s => s.Name == "web") is { Action: not ServiceAction.Built, Reason: var reason })
            {
                _world.Violated($"I6: release {next.Release} after the clear of {clear.EndedAt:HH:mm:ss} did not build web: {reason}");
            }
        }
    }

    private string FlagPath(string name) => Path.Combine(_options.DropFiles.Folder!, name);

    private void Touch(string name)
    {
        _world.Say($"touch {name}");
        var flag = FlagPath(name);
        if (!File.Exists(flag)) { File.WriteAllBytes(flag, []); }
        _flags = _flags with { Files = _flags.Files + 1 };
        // Not the file system's own time: that of a run which takes a millisecond is the same for all of its touches.
        File.SetLastWriteTimeUtc(flag, _worker.Clock.GetUtcNow().UtcDateTime + TimeSpan.FromTicks(_flags.Files));
    }

    private void Start(DateTimeOffset now) => _worker = new SimulatedWorker(_world, _database!, _options, _state, now, _without);

    private void Restart(bool kill)
    {
        _flags = _flags with { Restarts = _flags.Restarts + 1 };
        do
        {
            var now = _worker.Clock.GetUtcNow();
            if (kill) { _worker.Kill(); } else { _worker.Dispose(); }
            if (_without.HasFlag(Without.TheFlagStaying)) { File.Delete(FlagPath("clear-cache.flag")); }
            _world.Say("start");
            Start(now + TimeSpan.FromSeconds(5));
        }
        while (_world.IsDead);
    }

    private void Reset(int seed)
    {
        var checkout = _options.Repository.Path;
        if (Directory.Exists(checkout)) { Directory.Delete(checkout, recursive: true); }
        if (Directory.Exists(_state.Cache)) { Directory.Delete(_state.Cache, recursive: true); }
        foreach (var file in Directory.GetFiles(_options.DropFiles.Folder!).Concat(Directory.GetFiles(_state.Logs))) { File.Delete(file); }
        _world = new World(checkout, seed);
        if (_database is null)
        {
            _database = Database.Open(":memory:", failpoints: new Failpoints(p => _world.Reached(p)));
            if (_without.HasFlag(Without.Quarantine)) { Forget("quarantine"); }
            if (_without.HasFlag(Without.FreshMarks)) { Forget("fresh_mark"); }
        }
        foreach (var table in Tables) { _database.Execute($"DELETE FROM {table}"); }
        (_flags, _hasStartedAtTheEnd) = (default, false);
    }

    /// <summary>A worker that forgets to write this.</summary>
    private void Forget(string table) =>
        _database!.Execute($"CREATE TRIGGER forget_{table} BEFORE INSERT ON {table} BEGIN SELECT RAISE(IGNORE); END");
}

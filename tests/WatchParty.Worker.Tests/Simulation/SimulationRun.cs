using WatchParty.Worker.Recording;
using WatchParty.Worker.Tools;

namespace WatchParty.Worker.Tests.Simulation;

/// <summary>A life of a worker with its restarts, made of a seed: pushes, polls, flags, stops and kills in any order; then quiet, and the invariants I1 to I5.</summary>
internal sealed class SimulationRun : IDisposable
{
    private readonly Database _database = Database.Open(":memory:");
    private readonly string _folder = Directory.CreateDirectory(Path.Combine(Path.Exists("/dev/shm") ? "/dev/shm" : Path.GetTempPath(), $"simulation-{Guid.NewGuid():N}")).FullName;
    private World _world = new(0);
    private SimulatedWorker _worker = null!;
    private List<DateTimeOffset> _touches = [];
    private List<DateTimeOffset> _clears = [];
    private int _restarts;
    private Without _without;
    private bool _cancelOnNewer;

    public void Dispose()
    {
        _database.Dispose();
        Directory.Delete(_folder, recursive: true);
    }

    /// <summary>Deployments of all seeds so far.</summary>
    public int Deployments { get; private set; }

    /// <returns>What was violated, with all that happened; null when nothing was.</returns>
    public string? Of(int seed, Without without = Without.Nothing)
    {
        Reset();
        (_world, _without, _touches, _clears, _restarts) = (new World(seed), without, [], [], 0);
        _cancelOnNewer = _world.Random.Next(2) == 0;
        _world.Push();
        Start(new DateTimeOffset(2026, 3, 1, 12, 0, 0, TimeSpan.Zero));
        try
        {
            for (var i = _world.Random.Next(5, 25); i > 0; i--)
            {
                Happens();
                CheckTheSite();
            }
            Quieten();
            CheckTheEnd();
        }
        finally
        {
            _worker.Dispose();
        }
        Deployments += _world.Creates.Values.Sum(c => c.Made);
        return _world.Violations.Count == 0 ? null : $"seed {seed}: {string.Join("; ", _world.Violations.Distinct())}{Environment.NewLine}{string.Join(Environment.NewLine, _world.Trail)}";
    }

    private void Happens()
    {
        var random = _world.Random;
        switch (random.Next(20))
        {
            case < 4:
                _world.Push();
                break;
            case < 9:
                _worker.Poll();
                break;
            case < 14:
                _worker.Advance(TimeSpan.FromSeconds(random.Next(1, 400)));
                break;
            case 14 or 15:
                Touch("clear-cache.flag");
                _touches.Add(_worker.Clock.GetUtcNow());
                break;
            case 16:
                Touch("force-rebuild.flag");
                break;
            case 17:
                _world.Say("stop");
                _worker.Stop();
                Restart(kill: false);
                break;
            default:
                _world.Say("kill");
                Restart(kill: true);
                break;
        }
        if (_worker.HasFallen) { Restart(kill: true); }
    }

    private void Quieten()
    {
        _world.Calm = true;
        _world.Say("calm");
        // A hanging tool at its limit, the longest wait after failures, and two releases.
        for (var i = 0; i < 80; i++)
        {
            _worker.Poll();
            _worker.Advance(TimeSpan.FromSeconds(30));
            if (_worker.HasFallen) { Restart(kill: true); }
            if (_worker.IsIdle && IsSettled() && !File.Exists(Path.Combine(_folder, "clear-cache.flag")) && !File.Exists(Path.Combine(_folder, "force-rebuild.flag"))) { break; }
        }
        _clears.AddRange(_worker.Cleared);
    }

    private bool IsSettled() => _world.Serving == _world.Head || _worker.History.Quarantined(_world.Head) is not null;

    private void CheckTheSite()
    {
        if (!_worker.IsIdle || _worker.History.DeployedCommit() is not { } deployed) { return; }
        if (!_world.Whole || _world.Serving != deployed) { _world.Violated($"I3: {World.Short(deployed)} is deployed, and {(_world.Whole ? World.Short(_world.Serving!) : "half of something else")} serves"); }
    }

    private void CheckTheEnd()
    {
        CheckTheSite();
        var head = _world.Head;
        if (!IsSettled()) { _world.Violated($"I1: {World.Short(head)} is lost"); }
        if (_worker.History.Quarantined(head) is not null && !_world.AtFault.Contains(head)) { _world.Violated($"I1: {World.Short(head)} waits for a new commit, and no tool said that it is at fault"); }
        if (_worker.History.Unfinished().Count > 0 && _worker.IsIdle) { _world.Violated("I1: a release has no end in the record"); }
        foreach (var touch in _touches.Where(t => !_clears.Any(c => c >= t))) { _world.Violated($"I4: no clear follows the touch of {touch:HH:mm:ss}"); }
        if (_clears.Count > _touches.Count + _restarts) { _world.Violated($"I4: {_clears.Count} clears for {_touches.Count} touches and {_restarts} restarts"); }
        if (File.Exists(Path.Combine(_folder, "clear-cache.flag"))) { _world.Violated("I4: the flag stays"); }
    }

    private void Touch(string name)
    {
        _world.Say($"touch {name}");
        var flag = Path.Combine(_folder, name);
        if (!File.Exists(flag)) { File.WriteAllBytes(flag, []); }
        // Not the file system's own time: that of a run which takes a millisecond is the same for all of its touches.
        File.SetLastWriteTimeUtc(flag, _worker.Clock.GetUtcNow().UtcDateTime + TimeSpan.FromTicks(_world.Trail.Count));
    }

    private void Start(DateTimeOffset now) => _worker = new SimulatedWorker(_world, _database, _folder, now, _cancelOnNewer, _without);

    private void Restart(bool kill)
    {
        _restarts++;
        _clears.AddRange(_worker.Cleared);
        var now = _worker.Clock.GetUtcNow();
        if (kill) { _worker.Kill(); } else { _worker.Dispose(); }
        if (_without.HasFlag(Without.TheFlagStaying)) { File.Delete(Path.Combine(_folder, "clear-cache.flag")); }
        Start(now + TimeSpan.FromSeconds(5));
    }

    private void Reset()
    {
        _database.Execute("DELETE FROM release; DELETE FROM quarantine; DELETE FROM sqlite_sequence");
        foreach (var file in Directory.GetFiles(_folder)) { File.Delete(file); }
    }
}

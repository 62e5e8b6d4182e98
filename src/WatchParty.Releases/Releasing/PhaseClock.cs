using WatchParty.Releases.Recording;

namespace WatchParty.Releases.Releasing;

/// <summary>Measures the phases of one release, one after the other.</summary>
internal sealed class PhaseClock(TimeProvider time)
{
    private readonly long _started = time.GetTimestamp();
    private readonly Dictionary<string, TimeSpan> _phases = [];
    private (string Name, long Since)? _running;

    /// <summary>Ends the running phase and begins <paramref name="phase"/>.</summary>
    public void Enter(string phase)
    {
        Stop();
        _running = (phase, time.GetTimestamp());
    }

    public PhaseSeconds Stop()
    {
        if (_running is { } running)
        {
            _phases[running.Name] = _phases.GetValueOrDefault(running.Name) + time.GetElapsedTime(running.Since);
            _running = null;
        }
        return new PhaseSeconds(Seconds("detect"), Seconds("plan"), Seconds("build"), Seconds("deploy"), Seconds("verify"),
            Math.Round(time.GetElapsedTime(_started).TotalSeconds, 3));
    }

    private double Seconds(string phase) => Math.Round(_phases.GetValueOrDefault(phase).TotalSeconds, 3);
}

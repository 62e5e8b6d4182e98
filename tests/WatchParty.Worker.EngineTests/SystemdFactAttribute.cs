using WatchParty.Worker.EngineTests.Harness;

namespace WatchParty.Worker.EngineTests;

/// <summary>Runs where a systemd of our own can be started.</summary>
public sealed class SystemdFactAttribute : FactAttribute
{
    public SystemdFactAttribute() => Skip = RealSystemd.Missing;
}

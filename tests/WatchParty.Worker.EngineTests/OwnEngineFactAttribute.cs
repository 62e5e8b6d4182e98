using WatchParty.Worker.EngineTests.Harness;

namespace WatchParty.Worker.EngineTests;

/// <summary>Runs where a test can start an engine of its own: as root, with <c>dockerd</c> on the PATH; <c>tests/engine/engine.sh</c> brings it along.</summary>
public sealed class OwnEngineFactAttribute : FactAttribute
{
    public OwnEngineFactAttribute() => Skip = OwnEngine.Lack;
}

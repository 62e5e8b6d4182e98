using WatchParty.Worker.EngineTests.Harness;

namespace WatchParty.Worker.EngineTests;

/// <summary>Runs where Debian's <c>docker-registry</c> is on the PATH; <c>tests/engine/engine.sh</c> brings it along.</summary>
public sealed class RegistryFactAttribute : FactAttribute
{
    public RegistryFactAttribute()
    {
        if (Registry.Program is null) { Skip = "docker-registry is not here"; }
    }
}

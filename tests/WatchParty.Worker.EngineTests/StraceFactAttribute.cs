using WatchParty.Worker.EngineTests.Harness;

namespace WatchParty.Worker.EngineTests;

/// <summary>Runs where <c>strace</c> is on the PATH; test.sh installs it.</summary>
public sealed class StraceFactAttribute : FactAttribute
{
    public StraceFactAttribute()
    {
        if (!Strace.IsHere) { Skip = "strace is not here"; }
    }
}

namespace WatchParty.Worker.EngineTests;

/// <summary>Runs as root, who alone can mount a disk to be filled up.</summary>
public sealed class RootFactAttribute : FactAttribute
{
    public RootFactAttribute()
    {
        if (!Environment.IsPrivilegedProcess) { Skip = "a disk that can be filled up needs root"; }
    }
}

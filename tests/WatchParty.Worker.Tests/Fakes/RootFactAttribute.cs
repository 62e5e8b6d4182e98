namespace WatchParty.Worker.Tests.Fakes;

/// <summary>A test that gives files to another user, which only root may.</summary>
[AttributeUsage(AttributeTargets.Method)]
internal sealed class RootFactAttribute : FactAttribute
{
    public RootFactAttribute()
    {
        if (Environment.UserName != "root") { Skip = "Only root can give files to another user"; }
    }
}

namespace WatchParty.Worker.Tests;

/// <summary>A test of something that only root can bring about, such as a device or an immutable folder.</summary>
internal sealed class RootFactAttribute : FactAttribute
{
    public RootFactAttribute() => Skip = Environment.IsPrivilegedProcess ? null : "Needs root";
}

/// <inheritdoc cref="RootFactAttribute"/>
internal sealed class RootTheoryAttribute : TheoryAttribute
{
    public RootTheoryAttribute() => Skip = Environment.IsPrivilegedProcess ? null : "Needs root";
}

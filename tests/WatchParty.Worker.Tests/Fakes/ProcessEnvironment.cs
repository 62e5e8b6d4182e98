namespace WatchParty.Worker.Tests.Fakes;

/// <summary>Variables of this process for the length of a test. Tests that set them, or start the program, run one after the other.</summary>
internal sealed class ProcessEnvironment : IDisposable
{
    public const string Collection = "environment variables";

    private readonly Dictionary<string, string?> _before = [];

    public string? this[string name]
    {
        set
        {
            _before.TryAdd(name, Environment.GetEnvironmentVariable(name));
            Environment.SetEnvironmentVariable(name, value);
        }
    }

    public void Dispose()
    {
        foreach (var (name, value) in _before) { Environment.SetEnvironmentVariable(name, value); }
    }
}

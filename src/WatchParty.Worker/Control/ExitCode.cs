namespace WatchParty.Worker.Control;

/// <summary>Exit codes of every verb.</summary>
internal static class ExitCode
{
    /// <summary>Done, or nothing to do.</summary>
    public const int Done = 0;
    public const int Failed = 1;

    /// <summary>Bad configuration or usage.</summary>
    public const int BadUsage = 2;
    public const int Interrupted = 3;

    /// <summary>Somebody else holds the lock.</summary>
    public const int Busy = 4;
}

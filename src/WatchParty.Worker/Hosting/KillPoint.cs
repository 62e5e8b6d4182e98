using System.Diagnostics;

namespace WatchParty.Worker.Hosting;

/// <summary>The moments at which a test can have the worker killed: after each outside effect and before the row that says so, and the
/// other way round.</summary>
internal enum KillPoint
{
    RecoveryBegun,
    RecoveryBroughtUp,
    PollSeen,
    ReleaseBegun,
    Fetched,
    CheckedOut,
    Planned,
    ImagesKept,
    Built,
    BuildRecorded,
    DeployBegun,
    DeployedUp,
    VerifyBegun,
    Verified,
    ReleaseImagesKept,
    ReleaseCommitKept,
    Succeeded,
    OldImagesRemoved,
    SealBuilt,
    SealRecorded,
    RollbackBegun,
    RollbackPutBack,
    RollbackUp,
    RollbackDone,
    ManualRollbackBegun,
    ManualRollbackUp,
    ClearMarked,
    ClearSealsRemoved,
    ClearImagesRemoved,
    ClearSwept,
    ClearRecorded,
    FlagResultWritten,
    FlagAside,
    PruneMarked,
    PruneImagesRemoved,
    PruneSwept,
    PruneTidied,
    PruneRecorded,
}

/// <summary>Kills the worker, as a power cut would, where a test says so.</summary>
internal static class KillPoints
{
    /// <summary>Names a file with a <see cref="KillPoint"/> in it. It is deleted with the kill, so that the next worker lives; a file that is not there, and a
    /// variable that is not set, kill nobody.</summary>
    public const string Variable = "WATCHPARTY_KILL_AT";

    private static readonly string? Order = Environment.GetEnvironmentVariable(Variable);

    public static void Reach(KillPoint point)
    {
        if (Order is null || !File.Exists(Order) || File.ReadAllText(Order) != point.ToString()) { return; }
        File.Delete(Order);
        using var self = Process.GetCurrentProcess();
        self.Kill();
    }
}

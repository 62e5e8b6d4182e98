using System.Diagnostics;

namespace WatchParty.Worker.Tests;

/// <summary>A test of something that only root can bring about, such as a device or an immutable folder, and not in every container.</summary>
internal sealed class RootFactAttribute : FactAttribute
{
    public RootFactAttribute() => Skip = RootPowers.Missing;
}

/// <inheritdoc cref="RootFactAttribute"/>
internal sealed class RootTheoryAttribute : TheoryAttribute
{
    public RootTheoryAttribute() => Skip = RootPowers.Missing;
}

internal static class RootPowers
{
    /// <summary>Why such tests cannot run here, or null when they can.</summary>
    public static string? Missing { get; } = Environment.IsPrivilegedProcess && Works() ? null : "Needs root that may make devices and immutable files in the temporary folder";

    private static bool Works()
    {
        var folder = Directory.CreateTempSubdirectory("root-").FullName;
        try
        {
            using var probe = Process.Start("sh", ["-c", $"cd '{folder}' && mknod device c 1 5 && touch file && chattr +i file 2>/dev/null && chattr -i file"]);
            probe.WaitForExit();
            return probe.ExitCode == 0;
        }
        finally
        {
            Directory.Delete(folder, recursive: true);
        }
    }
}

using System.Diagnostics;
using System.Runtime.InteropServices;

namespace WatchParty.Worker.Tools;

/// <summary>Ends a program together with everything it started.</summary>
internal static partial class ProcessGroup
{
    private const int Sigterm = 15;
    private const int Sigkill = 9;

    /// <summary>Asks the group to end. On Windows, which has no such request for a program without a console, it is forced.</summary>
    public static void Terminate(Process process) => Signal(process, Sigterm);

    public static void Kill(Process process) => Signal(process, Sigkill);

    private static void Signal(Process process, int signal)
    {
        try
        {
            if (OperatingSystem.IsWindows())
            {
                process.Kill(entireProcessTree: true);
            }
            else
            {
                // A group that has ended answers ESRCH, which is what is wanted.
                _ = KillGroup(-process.Id, signal);
            }
        }
        catch (InvalidOperationException)
        {
            // It has ended already.
        }
    }

    [LibraryImport("libc", EntryPoint = "kill", SetLastError = true)]
    private static partial int KillGroup(int pid, int signal);
}

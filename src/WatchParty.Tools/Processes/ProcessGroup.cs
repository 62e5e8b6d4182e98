using System.ComponentModel;
using System.Diagnostics;
using System.Runtime.InteropServices;

namespace WatchParty.Tools.Processes;

/// <summary>Ends a program together with everything it started.</summary>
/// <param name="IsLeader">Whether the program leads a process group; otherwise, and on Windows, everything is what can be reached as its
/// child.</param>
internal readonly partial record struct ProcessGroup(Process Process, bool IsLeader)
{
    private const int Sigterm = 15;
    private const int Sigkill = 9;

    /// <summary>Asks the group to end. What is none is ended by force, because its children can be found only while it lives.</summary>
    public void Terminate() => Signal(Sigterm);

    public void Kill() => Signal(Sigkill);

    /// <summary>Ends one process that is not a child; that it has ended already is no error. Unix only.</summary>
    public static void End(int pid, bool force) => _ = SendSignal(pid, force ? Sigkill : Sigterm);

    private void Signal(int signal)
    {
        try
        {
            if (!IsLeader || OperatingSystem.IsWindows())
            {
                // Looking for children reads all of /proc.
                if (!Process.HasExited) { Process.Kill(entireProcessTree: true); }
            }
            else
            {
                // A group that has ended answers ESRCH, which is what is wanted.
                _ = SendSignal(-Process.Id, signal);
            }
        }
        catch (Exception e) when (e is InvalidOperationException or Win32Exception or AggregateException)
        {
            // It has ended already, or does so in this moment.
        }
    }

    [LibraryImport("libc", EntryPoint = "kill", SetLastError = true)]
    private static partial int SendSignal(int pid, int signal);
}

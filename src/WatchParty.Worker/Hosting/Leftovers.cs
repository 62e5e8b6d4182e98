using System.Text;
using WatchParty.Releases.Recording;
using WatchParty.Tools.Processes;

namespace WatchParty.Worker.Hosting;

/// <summary>Programs that a worker started and that outlived it, because it alone was killed.</summary>
/// <remarks>Each leads a process group of its own, so nothing else ends them. They are known by a variable that every child inherits; a
/// death signal (prctl) would not reach the plugins of docker, and comes when the thread ends that started the child. Under systemd there
/// are none, since it ends the whole control group.</remarks>
internal static class Leftovers
{
    public const string Variable = "WATCHPARTY_WORKER_STATE";

    // git takes its lock files away when it is asked to end, and buildx cancels its build.
    private static readonly TimeSpan Grace = TimeSpan.FromSeconds(5);
    private static readonly TimeSpan Limit = TimeSpan.FromSeconds(10);
    private static readonly TimeSpan LookInterval = TimeSpan.FromMilliseconds(50);

    /// <summary>Marks what this process starts from now on. Only for the holder of the lock.</summary>
    public static void Mark(StateFolder state) => Environment.SetEnvironmentVariable(Variable, Path.GetFullPath(state.Path));

    /// <summary>Ends those of earlier workers with the same state folder. Only for the holder of the lock, before it starts
    /// anything.</summary>
    /// <returns>How many there were.</returns>
    public static async Task<int> EndAsync(StateFolder state, TimeProvider time)
    {
        var mark = $"{Variable}={Path.GetFullPath(state.Path)}";
        var seen = new HashSet<int>();
        var started = time.GetTimestamp();
        while (Find(mark) is { Count: > 0 } found && time.GetElapsedTime(started) < Limit)
        {
            var force = time.GetElapsedTime(started) > Grace;
            foreach (var pid in found.Where(pid => seen.Add(pid) || force)) { ProcessGroup.End(pid, force); }
            await Task.Delay(LookInterval, time);
        }
        return seen.Count;
    }

    private static List<int> Find(string mark) => OperatingSystem.IsLinux() && Directory.Exists("/proc/self")
        ? [.. Directory.EnumerateDirectories("/proc").Select(d => int.TryParse(Path.GetFileName(d), out var pid) ? pid : 0)
            .Where(pid => pid > 0 && pid != Environment.ProcessId && IsMarked(pid, mark))]
        : [];

    private static bool IsMarked(int pid, string mark)
    {
        try
        {
            return Encoding.UTF8.GetString(File.ReadAllBytes($"/proc/{pid}/environ")).Split('\0').Contains(mark);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            // It has ended, or is another user's.
            return false;
        }
    }
}

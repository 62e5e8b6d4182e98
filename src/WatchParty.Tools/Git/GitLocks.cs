using Microsoft.Extensions.Logging;
using WatchParty.Tools.Failures;
using WatchParty.Tools.Files;

namespace WatchParty.Tools.Git;

/// <summary>Lock files that a killed git left behind.</summary>
internal static class GitLocks
{
    /// <summary>Age from which a lock counts as left behind when no git process is to be seen. git holds its locks for seconds;
    /// the one it holds longer, during an editor session of <c>git commit -a</c>, belongs to a process that as a rule can be
    /// seen.</summary>
    public static readonly TimeSpan Old = TimeSpan.FromMinutes(5);

    /// <summary>The same for a lock whose holder would be seen for certain: that of this user, who killed it together with the worker as a
    /// rule.</summary>
    public static readonly TimeSpan OldOfOurs = TimeSpan.FromSeconds(30);

    // That of the system itself, by the kernel's own rule; in any other the processes of the host are not seen.
    private const string FirstProcessNamespace = "pid:[4026531836]";

    /// <summary>Removes locks that were left behind.</summary>
    /// <param name="gitRuns">Whether git is at work: <see cref="GitRuns"/>.</param>
    /// <param name="isOurs">Whether every process that can hold a lock would be seen: <see cref="IsOurs"/>.</param>
    /// <exception cref="WorkerException">A lock is young, or a git process is at work in the checkout.</exception>
    public static void RemoveStale(string gitFolder, string branch, string remote, TimeProvider time, Func<bool> gitRuns,
        Func<string, bool> isOurs, ILogger logger)
    {
        string[] names = ["index", "HEAD", "config", "packed-refs", "shallow", $"refs/heads/{branch}", $"refs/remotes/{remote}/{branch}",
            "refs/stash"];
        foreach (var file in names.Select(n => new FileInfo(Path.Combine(gitFolder, n + ".lock"))).Where(f => f.Exists))
        {
            var age = time.GetUtcNow() - file.LastWriteTimeUtc;
            var old = isOurs(file.FullName) ? OldOfOurs : Old;
            if (age < old || gitRuns())
            {
                throw new WorkerException(
                    $"Another git process works in the checkout: {file.FullName} exists since {file.LastWriteTimeUtc:u}. If none does, " +
                    $"the file is removed by itself when it is {old.TotalSeconds:0} seconds old",
                    Remedy.RetriedByItself);
            }
            logger.RemovedLock(file.FullName, age.TotalSeconds);
            file.Delete();
        }
    }

    /// <summary>Whether <paramref name="file"/> belongs to the user of this process, of whose processes none is hidden
    /// (<c>ProtectProc=</c>, <c>hidepid</c>) outside of a container.</summary>
    public static bool IsOurs(string file)
    {
        try
        {
            return OperatingSystem.IsLinux() && UnixFile.OwnerOf(file) == UnixFile.CurrentUser()
                && new FileInfo("/proc/self/ns/pid").LinkTarget == FirstProcessNamespace;
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            return false;
        }
    }

    /// <summary>Whether any git process is to be seen on this machine. Which files it holds open cannot be seen of another
    /// user's process, so each counts.</summary>
    public static bool GitRuns()
    {
        foreach (var process in System.Diagnostics.Process.GetProcessesByName("git"))
        {
            using (process)
            {
                if (!process.HasExited) { return true; }
            }
        }
        return false;
    }
}

internal static partial class GitLocksLog
{
    [LoggerMessage(Level = LogLevel.Warning, Message = "Removed {File}, which a git process that was killed {Seconds:0} s ago left behind")]
    public static partial void RemovedLock(this ILogger logger, string file, double seconds);
}

using Microsoft.Extensions.Logging;

namespace WatchParty.Worker.Tools;

/// <summary>Lock files that a killed git left behind.</summary>
internal static class GitLocks
{
    /// <summary>Age from which a lock counts as left behind when no git process is to be seen. git holds its locks for seconds;
    /// the one it holds longer, during an editor session of <c>git commit -a</c>, belongs to a process that can be seen.</summary>
    public static readonly TimeSpan Old = TimeSpan.FromMinutes(5);

    /// <summary>Removes locks that were left behind.</summary>
    /// <param name="gitRuns">Whether git is at work: <see cref="GitRuns"/>.</param>
    /// <exception cref="WorkerException">A lock is young, or a git process is at work in the checkout.</exception>
    public static void RemoveStale(string gitFolder, string branch, string remote, TimeProvider time, Func<bool> gitRuns, ILogger logger)
    {
        string[] names = ["index", "HEAD", "config", "packed-refs", "shallow", $"refs/heads/{branch}", $"refs/remotes/{remote}/{branch}", "refs/stash"];
        foreach (var file in names.Select(n => new FileInfo(Path.Combine(gitFolder, n + ".lock"))).Where(f => f.Exists))
        {
            var age = time.GetUtcNow() - file.LastWriteTimeUtc;
            if (age < Old || gitRuns())
            {
                throw new WorkerException(
                    $"Another git process works in the checkout: {file.FullName} exists since {file.LastWriteTimeUtc:u}. If none does, the file is removed by itself when it is {Old.TotalMinutes:0} minutes old",
                    Remedy.RetriedByItself);
            }
            logger.RemovedLock(file.FullName, age.TotalMinutes);
            file.Delete();
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
    [LoggerMessage(Level = LogLevel.Warning, Message = "Removed {File}, which a git process that was killed {Minutes:0} minutes ago left behind")]
    public static partial void RemovedLock(this ILogger logger, string file, double minutes);
}

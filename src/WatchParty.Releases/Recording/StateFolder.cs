using WatchParty.Tools.Failures;

namespace WatchParty.Releases.Recording;

/// <summary>The folder of everything that must outlive the process, for this user alone.</summary>
internal sealed class StateFolder
{
    private const UnixFileMode ForThisUser = UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute;
    private const string Probe = ".probe-";
    private const UnixFileMode ForOthersToWrite = UnixFileMode.GroupWrite | UnixFileMode.OtherWrite;

    private StateFolder(string path) => Path = path;

    public string Path { get; }

    public string Database => In("history.db");

    /// <summary>Damaged histories that were set aside, for a person to look at and delete.</summary>
    public IReadOnlyList<string> BrokenHistories => [.. HistoryFile.SetAside(Database)];

    public string Lock => In("worker.lock");

    /// <summary>Socket on which the running service answers the verbs. Linux takes no path longer than 107 bytes.</summary>
    public string Socket => In("worker.sock");

    public string Logs => In("logs");

    /// <summary>Sealed caches.</summary>
    public string Cache => In("cache");

    /// <summary>Files of the work under way; see <see cref="EmptyWork"/>.</summary>
    public string Work => In("work");

    /// <summary>Whether other users could plant files here. A person's choice, or oversight, that is left alone and reported.</summary>
    public bool OthersCanWrite => !OperatingSystem.IsWindows() && (File.GetUnixFileMode(Path) & ForOthersToWrite) != 0;

    /// <summary>Makes what is missing of the folder at <paramref name="path"/> and checks that it can be written.</summary>
    /// <exception cref="WorkerException">It cannot be made or written; the message names the setting and what to do.</exception>
    public static StateFolder Open(string path)
    {
        var folder = new StateFolder(path);
        try
        {
            MakeFolder(path);
            MakeFolder(folder.Logs);
            MakeFolder(folder.Work);
            // Empty, so that a full disk does not keep a verb from saying what is wrong.
            using (new FileStream(folder.In($"{Probe}{Environment.ProcessId}"), FileMode.Create, FileAccess.Write, FileShare.None, 1,
                FileOptions.DeleteOnClose))
            {
                return folder;
            }
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException or ArgumentException or NotSupportedException)
        {
            throw new WorkerException(
                $"State:Folder {path} cannot be used: {e.Message.TrimEnd('.')}. " +
                $"Make it a folder that {Environment.UserName} can write (mkdir -p {path} && chown {Environment.UserName} {path}) with " +
                $"space left, or set State:Folder to another one",
                Remedy.NeedsPerson,
                e);
        }
    }

    /// <summary>Removes what earlier work left in <see cref="Work"/>, and what a process left that was killed while it opened this folder.
    /// Only the holder of the lock may: it may be another's work under way. What cannot be removed stays; links are removed, not
    /// followed.</summary>
    public void EmptyWork()
    {
        if (new DirectoryInfo(Work).LinkTarget is not null) { File.Delete(Work); }
        MakeFolder(Work);
        foreach (var entry in new DirectoryInfo(Work).EnumerateFileSystemInfos()
            .Concat(new DirectoryInfo(Path).EnumerateFiles($"{Probe}*")))
        {
            try
            {
                if (entry is DirectoryInfo { LinkTarget: null } folder) { folder.Delete(recursive: true); } else { entry.Delete(); }
            }
            catch (Exception e) when (e is IOException or UnauthorizedAccessException)
            {
                // Nothing reads it again, so it costs only its space, and the next start tries again.
            }
        }
    }

    private string In(string name) => System.IO.Path.Combine(Path, name);

    private static void MakeFolder(string path)
    {
        if (OperatingSystem.IsWindows()) { Directory.CreateDirectory(path); } else { Directory.CreateDirectory(path, ForThisUser); }
    }
}

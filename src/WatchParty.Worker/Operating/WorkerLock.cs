using System.Globalization;
using System.Text;
using System.Text.RegularExpressions;
using Microsoft.Win32.SafeHandles;
using WatchParty.Releases.Recording;
using WatchParty.Tools.Failures;
using WatchParty.Tools.Files;

namespace WatchParty.Worker.Operating;

/// <summary>The right to change anything, held by one process at a time: the service, a verb, or a script that runs under
/// <c>flock worker.lock</c>.</summary>
/// <remarks>The kernel frees it with the process, however that ends, and no child inherits it. The file is never deleted, since whoever
/// had opened it before would lock another one. It says in words who holds it; on Linux that can be read while it is locked.</remarks>
internal sealed partial class WorkerLock : IDisposable
{
    private readonly SafeFileHandle _file;

    private WorkerLock(SafeFileHandle file) => _file = file;

    /// <summary>Takes the lock, or returns null at once when another holds it.</summary>
    /// <param name="verb">What the holder does, in the words of the command line.</param>
    /// <param name="holder">Who holds it, for people: this process, or the other.</param>
    /// <param name="why">What brought it about, when the verb does not say.</param>
    /// <exception cref="WorkerException">The lock file cannot be opened.</exception>
    public static WorkerLock? TryTake(StateFolder folder, string verb, TimeProvider time, out string holder, string? why = null)
    {
        try
        {
            if (Open(folder.Lock) is not { } file)
            {
                holder = WhoHolds(folder.Lock);
                return null;
            }
            holder = string.Create(
                CultureInfo.InvariantCulture,
                $"process {Environment.ProcessId}, {verb}, since {time.GetUtcNow():yyyy-MM-dd HH:mm:ss} " +
                $"UTC{(why is null ? "" : $", {why}")}");
            Write(file, holder);
            return new WorkerLock(file);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new WorkerException(
                $"The lock {folder.Lock} cannot be used: {e.Message.TrimEnd('.')}. Make it a file that {Environment.UserName} can write, " +
                $"or set State:Folder to another folder",
                Remedy.NeedsPerson,
                e);
        }
    }

    /// <summary>Who holds it now, for people; null when nobody does, or when the system does not tell.</summary>
    public static string? Holder(StateFolder folder)
    {
        try
        {
            return HolderOf(folder.Lock) is null ? null : WhoHolds(folder.Lock);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            return null;
        }
    }

    public void Dispose()
    {
        try
        {
            // A script that locks it next writes no words of its own, and ours would be taken for its.
            if (!_file.IsClosed) { RandomAccess.SetLength(_file, 0); }
        }
        catch (IOException)
        {
            // A full disk must not keep the lock.
        }
        _file.Dispose();
    }

    private static SafeFileHandle? Open(string path)
    {
        if (!OperatingSystem.IsLinux())
        {
            try
            {
                return File.OpenHandle(path, FileMode.OpenOrCreate, FileAccess.ReadWrite, FileShare.Read);
            }
            catch (IOException e) when ((e.HResult & 0xffff) == 32)
            {
                return null;
            }
        }
        // Not FileShare.None: .NET can be told by an environment variable not to lock, and it refuses to open what another has locked, even
        // to read.
        var file = UnixFile.OpenOrCreate(path);
        if (UnixFile.TryLock(file)) { return file; }
        file.Dispose();
        return null;
    }

    private static void Write(SafeFileHandle file, string text)
    {
        try
        {
            // One write, then cut: a reader sees whole first lines only.
            var bytes = Encoding.UTF8.GetBytes(text.ReplaceLineEndings(" ") + "\n");
            RandomAccess.Write(file, bytes, 0);
            RandomAccess.SetLength(file, bytes.Length);
        }
        catch (IOException)
        {
            // The disk is full; who holds it is known to the kernel all the same.
        }
    }

    private static string WhoHolds(string path)
    {
        const string Unknown = "another program, such as a script under flock";
        try
        {
            var words = ReadFirstLine(path);
            if (!OperatingSystem.IsLinux()) { return words.Length > 0 ? words : Unknown; }
            // A killed holder leaves its words behind; the kernel knows who has the lock now, unless a container hides it.
            var pid = HolderOf(path) ?? WordsPid().Match(words).Value;
            return words.StartsWith($"process {pid},", StringComparison.Ordinal) && Directory.Exists($"/proc/{pid}") ? words
                // `flock 9` in a script takes the lock for the script and ends.
                : pid.Length > 0 && File.Exists($"/proc/{pid}/comm") ? $"process {pid} ({File.ReadAllText($"/proc/{pid}/comm").Trim()})"
                : Unknown;
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            return Unknown;
        }
    }

    private static string ReadFirstLine(string path)
    {
        using var file = OperatingSystem.IsLinux()
            ? UnixFile.OpenToRead(path)
            : File.OpenHandle(path, FileMode.Open, FileAccess.Read, FileShare.ReadWrite);
        Span<byte> content = stackalloc byte[1024];
        return Encoding.UTF8.GetString(content[..RandomAccess.Read(file, content, 0)]).Split('\n')[0].Trim();
    }

    /// <summary>The process that took the lock, or null when the system does not tell.</summary>
    private static string? HolderOf(string path)
    {
        if (!File.Exists("/proc/locks") || FileStamp.Of(path) is not { } stamp) { return null; }
        // "1: FLOCK  ADVISORY  WRITE 708 00:13:863 0 EOF"; waiters have "->" in the second place.
        return File.ReadLines("/proc/locks")
            .Select(line => line.Split(' ', StringSplitOptions.RemoveEmptyEntries))
            .Where(part => part.Length > 5 && part[1] == "FLOCK" && part[3] == "WRITE"
                && part[5].EndsWith($":{stamp.Inode}", StringComparison.Ordinal))
            .Select(part => part[4])
            // A holder in another container has no number here.
            .FirstOrDefault(pid => pid != "0");
    }

    [GeneratedRegex("(?<=^process )[0-9]+(?=,)")]
    private static partial Regex WordsPid();
}

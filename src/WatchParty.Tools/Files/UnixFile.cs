using System.Runtime.InteropServices;
using Microsoft.Win32.SafeHandles;

namespace WatchParty.Tools.Files;

/// <summary>File operations of Linux that .NET has not: without following links, without blocking, without .NET's own locks.</summary>
internal static partial class UnixFile
{
    private const int NoEntry = 2, NoAccess = 13, Exists = 17, NotFolder = 20, InvalidArgument = 22, NoSystemCall = 38;
    private const int CurrentFolder = -100, NoFollow = 0x100, EmptyPath = 0x1000;
    private const uint BasicStatsAndBirth = 0xfff, NoReplace = 1;
    private const int ReadWrite = 2, Create = 0x40, NonBlocking = 0x800, CloseOnExec = 0x80000;
    private const int Exclusive = 2, NoWait = 4;
    private const short PipeBroken = 8, HungUp = 16;

    // The one open flag whose value differs between the processors we run on.
    private static int NoFollowOnOpen =>
        RuntimeInformation.ProcessArchitecture is Architecture.Arm or Architecture.Arm64 ? 0x8000 : 0x20000;

    public static FileStamp? Look(string path)
    {
        if (StatX(CurrentFolder, path, NoFollow, BasicStatsAndBirth, out var stat) == 0) { return stat.ToStamp(); }
        return Marshal.GetLastPInvokeError() is NoEntry or NotFolder ? null : throw Failure("look at", path);
    }

    /// <summary>Number of the user whom <paramref name="path"/> belongs to; null when nothing has that name, or it cannot be looked
    /// at.</summary>
    public static uint? OwnerOf(string path) =>
        StatX(CurrentFolder, path, NoFollow, BasicStatsAndBirth, out var stat) == 0 ? stat.User : null;

    /// <summary>Number of the user in whose name this process acts.</summary>
    [LibraryImport("libc", EntryPoint = "geteuid")]
    public static partial uint CurrentUser();

    public static FileStamp Look(SafeFileHandle file) =>
        StatX((int)file.DangerousGetHandle(), "", EmptyPath, BasicStatsAndBirth, out var stat) == 0 ? stat.ToStamp()
        : throw Failure("look at", "an open file");

    /// <summary>Opens a file for reading: no link is followed, a FIFO or device does not block, and no lock is taken or minded.</summary>
    /// <exception cref="UnauthorizedAccessException">The file may not be read.</exception>
    /// <exception cref="IOException">Every other failure.</exception>
    public static SafeFileHandle OpenToRead(string path) => OpenFile(path, NonBlocking, 0);

    /// <summary>Opens a file for reading and writing, creating it for this user alone when it is missing.</summary>
    public static SafeFileHandle OpenOrCreate(string path) => OpenFile(path, ReadWrite | Create, Convert.ToInt32("600", 8));

    /// <summary>Takes the lock that <c>flock(1)</c> takes; false when another open file has it. The kernel frees it when the file is
    /// closed, by whatever end of the process.</summary>
    public static bool TryLock(SafeFileHandle file) => FLock(file, Exclusive | NoWait) == 0;

    /// <summary>Whether whoever read standard output has gone (<c>| head -1</c>). .NET ignores SIGPIPE and the error of the write, so that
    /// a program which prints for ever has to look.</summary>
    public static bool IsReaderOfOutputGone()
    {
        var output = new PollEntry { File = 1 };
        return Poll(ref output, 1, 0) > 0 && (output.Happened & (HungUp | PipeBroken)) != 0;
    }

    /// <summary>Renames atomically, replacing what has the name <paramref name="to"/>; links are renamed, not followed.</summary>
    public static void Rename(string from, string to)
    {
        if (RenamePath(from, to) != 0) { throw Failure("rename", from); }
    }

    /// <summary>Gives a file the further name <paramref name="to"/>; false when the file system cannot.</summary>
    public static bool TryLink(string from, string to) => LinkPath(from, to) == 0;

    /// <summary>Renames unless something has the name <paramref name="to"/> already; then it returns false.</summary>
    public static bool TryRenameToFreeName(string from, string to)
    {
        if (RenameAt2(CurrentFolder, from, CurrentFolder, to, NoReplace) == 0) { return true; }
        switch (Marshal.GetLastPInvokeError())
        {
            case Exists:
                return false;
            // Some network file systems cannot do both in one step.
            case InvalidArgument or NoSystemCall:
                if (Look(to) is not null) { return false; }
                Rename(from, to);
                return true;
            default:
                throw Failure("rename", from);
        }
    }

    private static SafeFileHandle OpenFile(string path, int flags, int mode)
    {
        var descriptor = Open(path, flags | NoFollowOnOpen | CloseOnExec, mode);
        return descriptor >= 0 ? new SafeFileHandle(descriptor, ownsHandle: true) : throw Failure("open", path);
    }

    private static Exception Failure(string action, string path)
    {
        var error = Marshal.GetLastPInvokeError();
        var message = $"Cannot {action} {path}: {Marshal.GetPInvokeErrorMessage(error)}";
        return error == NoAccess ? new UnauthorizedAccessException(message)
            : error == NoEntry ? new FileNotFoundException(message) : new IOException(message);
    }

    [LibraryImport("libc", EntryPoint = "statx", SetLastError = true, StringMarshalling = StringMarshalling.Utf8)]
    private static partial int StatX(int folder, string path, int flags, uint mask, out Stat stat);

    [LibraryImport("libc", EntryPoint = "open", SetLastError = true, StringMarshalling = StringMarshalling.Utf8)]
    private static partial int Open(string path, int flags, int mode);

    [LibraryImport("libc", EntryPoint = "flock", SetLastError = true)]
    private static partial int FLock(SafeFileHandle file, int operation);

    [LibraryImport("libc", EntryPoint = "link", SetLastError = true, StringMarshalling = StringMarshalling.Utf8)]
    private static partial int LinkPath(string from, string to);

    [LibraryImport("libc", EntryPoint = "rename", SetLastError = true, StringMarshalling = StringMarshalling.Utf8)]
    private static partial int RenamePath(string from, string to);

    [LibraryImport("libc", EntryPoint = "renameat2", SetLastError = true, StringMarshalling = StringMarshalling.Utf8)]
    private static partial int RenameAt2(int fromFolder, string from, int toFolder, string to, uint flags);

    [LibraryImport("libc", EntryPoint = "poll")]
    private static partial int Poll(ref PollEntry entries, nuint count, int milliseconds);

    [StructLayout(LayoutKind.Sequential)]
    private struct PollEntry
    {
        public int File;
        public short Asked;
        public short Happened;
    }

    /// <summary>The kernel's <c>struct statx</c>, which is the same on every processor.</summary>
    [StructLayout(LayoutKind.Explicit, Size = 256)]
    private struct Stat
    {
        [FieldOffset(20)] public uint User;
        [FieldOffset(28)] public ushort Mode;
        [FieldOffset(32)] public ulong Inode;
        [FieldOffset(40)] public long Size;
        [FieldOffset(80)] public long BirthSeconds;
        [FieldOffset(88)] public uint BirthNanoseconds;
        [FieldOffset(96)] public long ChangeSeconds;
        [FieldOffset(104)] public uint ChangeNanoseconds;
        [FieldOffset(112)] public long ModifySeconds;
        [FieldOffset(120)] public uint ModifyNanoseconds;
        [FieldOffset(136)] public uint DeviceMajor;
        [FieldOffset(140)] public uint DeviceMinor;

        public readonly FileStamp ToStamp() => new(
            (Mode & 0xf000) switch
            {
                0x8000 => FileKind.Regular,
                0x4000 => FileKind.Folder,
                0xa000 => FileKind.Link,
                _ => FileKind.Special
            },
            // The number that stat(2) gives, so that it can be compared with the one in JOURNAL_STREAM.
            ((ulong)(DeviceMajor & 0xfffff000) << 32) | ((DeviceMajor & 0xfff) << 8) | ((ulong)(DeviceMinor & 0xffffff00) << 12) | (DeviceMinor & 0xff),
            Inode,
            Size,
            (BirthSeconds * 1_000_000_000) + BirthNanoseconds,
            (ModifySeconds * 1_000_000_000) + ModifyNanoseconds,
            (ChangeSeconds * 1_000_000_000) + ChangeNanoseconds);
    }
}

using Microsoft.Win32.SafeHandles;

namespace WatchParty.Tools.Files;

/// <summary>What a name in a folder stands for.</summary>
internal enum FileKind
{
    Regular,
    Folder,
    Link,

    /// <summary>A FIFO, a socket or a device.</summary>
    Special,
}

/// <summary>Identity and state of one file at one moment: of the name itself, never of what a link points to.</summary>
/// <param name="Created">Birth time in nanoseconds, 0 where the file system keeps none. Tells a new file from an old one with the same
/// inode.</param>
/// <param name="Modified">Time of the last write, in nanoseconds.</param>
/// <param name="Changed">Time of the last change of any kind, in nanoseconds; renaming is one.</param>
internal readonly record struct FileStamp(FileKind Kind, ulong Device, ulong Inode, long Size, long Created, long Modified, long Changed)
{
    /// <summary>The stamp of <paramref name="path"/>, or null when nothing has that name. Opens nothing, so it cannot block on a
    /// FIFO.</summary>
    /// <exception cref="IOException">The name could not be looked up, for example for want of permission.</exception>
    public static FileStamp? Of(string path) => OperatingSystem.IsLinux() ? UnixFile.Look(path) : OfAttributes(new FileInfo(path));

    /// <summary>The stamp of what <paramref name="path"/> leads to in the end, or null when that is nothing.</summary>
    /// <exception cref="IOException">As above.</exception>
    public static FileStamp? OfTarget(string path)
    {
        try
        {
            return Of(new FileInfo(path).LinkTarget is null ? path : File.ResolveLinkTarget(path, returnFinalTarget: true)!.FullName);
        }
        catch (IOException) when (new FileInfo(path).LinkTarget is not null)
        {
            // A link to itself, or one that leads through too many others.
            return null;
        }
    }

    /// <summary>The stamp of an open file.</summary>
    public static FileStamp Of(SafeFileHandle file, string path) =>
        OperatingSystem.IsLinux() ? UnixFile.Look(file) : OfAttributes(new FileInfo(path)) ?? throw new FileNotFoundException(path);

    /// <summary>Whether <paramref name="later"/> is the same file with the same content, save for having been renamed.</summary>
    public bool IsSameFileAs(FileStamp later) => this with { Changed = 0 } == later with { Changed = 0 };

    /// <remarks>Untested: the way for Windows, which has no FIFO or device that can be a file's name in a folder.</remarks>
    private static FileStamp? OfAttributes(FileInfo file)
    {
        // Attributes are all ones when nothing has that name.
        if ((int)file.Attributes == -1) { return null; }
        var kind = file.Attributes.HasFlag(FileAttributes.ReparsePoint) ? FileKind.Link
            : file.Attributes.HasFlag(FileAttributes.Directory) ? FileKind.Folder
            : FileKind.Regular;
        return new FileStamp(kind, 0, 0, kind == FileKind.Regular ? file.Length : 0, file.CreationTimeUtc.Ticks,
            file.LastWriteTimeUtc.Ticks, 0);
    }
}

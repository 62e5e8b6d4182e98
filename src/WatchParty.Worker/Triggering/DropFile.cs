using System.Text.Json;
using Microsoft.Win32.SafeHandles;
using WatchParty.Tools.Configuration;
using WatchParty.Tools.Files;
using WatchParty.Tools.Processes;
using WatchParty.Tools.Redacting;

namespace WatchParty.Worker.Triggering;

/// <summary>A flag as it was found: either a request, or the reason why it is refused.</summary>
internal sealed record DropFileClaim(FileStamp Stamp, DropFileRequest? Request, string Refusal);

/// <summary>What became of a flag whose work is done.</summary>
internal enum DropFileEnd
{
    Removed,

    /// <summary>It was touched after it was claimed, and is still there to be claimed again.</summary>
    TouchedAgain,

    /// <summary>It cannot be removed, and is still there as it was claimed.</summary>
    Stuck,
}

/// <summary>One flag and the result beside it: look, claim, finish. No policy, and no memory of earlier looks.</summary>
/// <remarks>Whoever may write the folder is not trusted further: no link is followed, nothing but a small regular file is
/// opened, and whatever is removed or replaced is a name in this folder.</remarks>
internal sealed class DropFile(string folder, DropFileKind kind, Failpoints? failpoints = null)
{
    /// <summary>Size from which a flag is refused unread, in bytes.</summary>
    private const int SizeLimit = 4 * 1024;

    private const UnixFileMode ForEveryoneToRead =
        UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.GroupRead | UnixFileMode.OtherRead;

    private readonly string _aside = Path.Combine(folder, $".{DropFileNames.Of(kind)}.flag.claimed");
    private readonly string _temporary = Path.Combine(folder, $".{DropFileNames.Of(kind)}.result.json.tmp");

    public DropFileKind Kind => kind;

    public string FlagPath { get; } = Path.Combine(folder, $"{DropFileNames.Of(kind)}.flag");

    public string ResultPath { get; } = Path.Combine(folder, $"{DropFileNames.Of(kind)}.result.json");

    /// <summary>The flag's stamp, or null when there is none.</summary>
    public FileStamp? Look() => FileStamp.Of(FlagPath);

    /// <summary>What the flag asks for, or null when there is none. Changes nothing.</summary>
    /// <exception cref="IOException">The flag cannot be looked at now; another look may succeed.</exception>
    public DropFileClaim? Claim()
    {
        if (Look() is not { } stamp) { return null; }
        if (RefusalOf(stamp) is { } refusal) { return new DropFileClaim(stamp, null, refusal); }
        try
        {
            using var file = OperatingSystem.IsLinux()
                ? UnixFile.OpenToRead(FlagPath)
                : File.OpenHandle(FlagPath, FileMode.Open, FileAccess.Read, FileShare.ReadWrite | FileShare.Delete);
            return Read(file);
        }
        catch (FileNotFoundException)
        {
            return null;
        }
        catch (UnauthorizedAccessException)
        {
            // It says "do it" by being there. Which services cannot be read, and all of them includes those.
            return new DropFileClaim(stamp, new DropFileRequest(kind, DropFileRequest.AllTargets), "");
        }
    }

    /// <summary>Removes the flag unless it was touched since it was claimed. A touch at any moment is kept.</summary>
    /// <param name="reason">Why it is <see cref="DropFileEnd.Stuck"/>.</param>
    public DropFileEnd Finish(FileStamp claimed, out string reason)
    {
        reason = "";
        try
        {
            if (Look() is not { } now) { return DropFileEnd.Removed; }
            if (now != claimed) { return DropFileEnd.TouchedAgain; }
            if (claimed.Kind == FileKind.Folder)
            {
                reason = "it is a folder";
                return DropFileEnd.Stuck;
            }
            // Nothing can remove a file only if it is unchanged. So it is moved out of reach of a touch first, compared there, and put
            // back.
            Rename(FlagPath, _aside);
            if (FileStamp.Of(_aside) is { } aside && !claimed.IsSameFileAs(aside))
            {
                PutBack();
                return DropFileEnd.TouchedAgain;
            }
            Around("delete", _aside, () => File.Delete(_aside));
            return DropFileEnd.Removed;
        }
        catch (FileNotFoundException)
        {
            return DropFileEnd.Removed;
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            reason = e.Message;
            return DropFileEnd.Stuck;
        }
    }

    /// <summary>Brings back a flag that a killed worker had moved aside: it might have been touched, so it counts.</summary>
    public void Recover()
    {
        if (FileStamp.Of(_aside) is { Kind: not FileKind.Folder }) { PutBack(); }
    }

    /// <summary>Writes the result so that readers see the old one or the new one, whole; a link in its place is replaced, not
    /// followed.</summary>
    /// <exception cref="IOException">The folder cannot be written, or the result's name is taken by a folder.</exception>
    public void WriteResult(DropFileResultDocument result)
    {
        Around("write", _temporary, () => WriteTemporary(result));
        Rename(_temporary, ResultPath);
    }

    private void WriteTemporary(DropFileResultDocument result)
    {
        File.Delete(_temporary);
        using (var stream = new FileStream(_temporary, FileMode.CreateNew, FileAccess.Write))
        {
            // The scripts that wait for it often run as another user, whatever the service's umask.
            if (!OperatingSystem.IsWindows()) { File.SetUnixFileMode(stream.SafeFileHandle, ForEveryoneToRead); }
            JsonSerializer.Serialize(stream, result with { Error = result.Error is null ? null : EventText.Printable(result.Error) },
                DropFileJson.Default.DropFileResultDocument);
            stream.WriteByte((byte)'\n');
            stream.Flush(flushToDisk: true);
        }
    }

    private DropFileClaim Read(SafeFileHandle file)
    {
        // Looked at again: between the look and the opening it may have become something else.
        var stamp = FileStamp.Of(file, FlagPath);
        if (RefusalOf(stamp) is { } refusal) { return new DropFileClaim(stamp, null, refusal); }
        Span<byte> content = stackalloc byte[SizeLimit];
        var request = DropFileRequest.Read(kind, content[..RandomAccess.Read(file, content, 0)], out var fault);
        return new DropFileClaim(stamp, request, fault);
    }

    private static string? RefusalOf(FileStamp stamp) => stamp.Kind switch
    {
        FileKind.Link => "it is a link",
        FileKind.Folder => "it is a folder",
        FileKind.Special => "it is a FIFO, a socket or a device",
        _ => stamp.Size > SizeLimit ? $"it is larger than {SizeLimit} bytes" : null,
    };

    private void PutBack()
    {
        // A newer flag in its place stands for both.
        if (!TryRenameToFreeName(_aside, FlagPath)) { File.Delete(_aside); }
    }

    private void Rename(string from, string to) => Around("rename", from, () =>
    {
        if (OperatingSystem.IsLinux()) { UnixFile.Rename(from, to); } else { File.Move(from, to, overwrite: true); }
    });

    private void Around(string verb, string file, Action work)
    {
        if (failpoints is null) { work(); } else { failpoints.Around($"{verb} {Path.GetFileName(file)}", work); }
    }

    private static bool TryRenameToFreeName(string from, string to)
    {
        if (OperatingSystem.IsLinux()) { return UnixFile.TryRenameToFreeName(from, to); }
        if (File.Exists(to)) { return false; }
        File.Move(from, to);
        return true;
    }
}

using System.Text;
using WatchParty.Releases.Recording;

namespace WatchParty.Worker.Status;

/// <summary>Reads the log of a build, also while it is written.</summary>
internal static class ReleaseLogFile
{
    /// <returns>Null when the release has none, or it is gone.</returns>
    public static FileStream? Open(StateFolder state, ReleaseReport report)
    {
        // Only what the worker keeps itself is shown, whatever the record says.
        if (report.Log is not { } path || Path.GetDirectoryName(path) != state.Logs) { return null; }
        try
        {
            return new FileStream(path, FileMode.Open, FileAccess.Read, FileShare.ReadWrite | FileShare.Delete, 4096,
                FileOptions.Asynchronous);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            return null;
        }
    }

    /// <summary>Whole lines from <paramref name="offset"/> on, at most so many bytes.</summary>
    /// <returns>The text and where the next begins.</returns>
    public static async Task<(string Text, long Next)> ReadAsync(FileStream file, long offset, int most,
        CancellationToken cancellationToken)
    {
        file.Position = offset;
        var buffer = new byte[most];
        var length = await file.ReadAtLeastAsync(buffer, most, throwOnEndOfStream: false, cancellationToken);
        var end = buffer.AsSpan(0, length).LastIndexOf((byte)'\n') + 1;
        if (end == 0 && length == most) { end = length; }
        return (Encoding.UTF8.GetString(buffer, 0, end), offset + end);
    }

    /// <summary>Where the last <paramref name="most"/> bytes of whole lines begin.</summary>
    public static async Task<long> TailAsync(FileStream file, int most, CancellationToken cancellationToken)
    {
        if (file.Length <= most) { return 0; }
        var start = file.Length - most;
        file.Position = start;
        var buffer = new byte[most];
        var length = await file.ReadAtLeastAsync(buffer, most, throwOnEndOfStream: false, cancellationToken);
        return start + buffer.AsSpan(0, length).IndexOf((byte)'\n') + 1;
    }
}

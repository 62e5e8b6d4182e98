using Microsoft.Extensions.Logging;
using WatchParty.Tools.Files;

namespace WatchParty.Worker.Triggering;

/// <summary>Wakes early whoever looks at a folder periodically, when something in it may have changed. Only a hint: it may miss changes,
/// wake for nothing, or be unable to start, and nothing is lost by that.</summary>
/// <remarks>Not safe for use by several threads, save for the events it receives.</remarks>
internal sealed class FolderHint(string folder, string filter, Action wake, TimeProvider time, ILogger logger) : IDisposable
{
    private static readonly TimeSpan FirstBackOff = TimeSpan.FromSeconds(2);
    private static readonly TimeSpan LongestBackOff = TimeSpan.FromMinutes(1);

    /// <summary>Whether the folders in it are watched as well. Default false.</summary>
    public bool WithSubfolders { get; init; }

    private FileSystemWatcher? _watcher;
    private (ulong Device, ulong Inode, long Created)? _watched;
    private volatile bool _broken;
    private TimeSpan _backOff = FirstBackOff;
    private long _failedAt;
    private bool _reported;

    /// <summary>Watches the folder that has the name now: a deleted and recreated one is a different folder, of which the old
    /// watcher would say nothing. Call it at each periodic look.</summary>
    /// <param name="stamp">The folder's stamp; null when there is none.</param>
    public void Renew(FileStamp? stamp)
    {
        (ulong, ulong, long)? current = stamp is { } s ? (s.Device, s.Inode, s.Created) : null;
        if (_broken || current != _watched) { Stop(); }
        if (_watcher is not null || current is null) { return; }
        if (_failedAt != 0 && time.GetElapsedTime(_failedAt) < _backOff) { return; }
        try
        {
            _watcher = Start();
            _watched = current;
            _failedAt = 0;
            _backOff = FirstBackOff;
            if (_reported) { logger.HintWorksAgain(folder); }
            _reported = false;
            // What changed before it watched made no event.
            wake();
        }
        // inotify instances or watches used up, or the folder went away in this moment.
        catch (Exception e) when (e is IOException or ArgumentException or UnauthorizedAccessException)
        {
            Failed(e.Message);
        }
    }

    public void Dispose() => Stop();

    private FileSystemWatcher Start()
    {
        var watcher = new FileSystemWatcher(folder, filter)
        {
            IncludeSubdirectories = WithSubfolders,
            NotifyFilter = NotifyFilters.FileName | NotifyFilters.DirectoryName | NotifyFilters.LastWrite | NotifyFilters.Attributes,
        };
        watcher.Created += (_, _) => wake();
        watcher.Changed += (_, _) => wake();
        watcher.Renamed += (_, _) => wake();
        watcher.Error += (_, e) =>
        {
            // After an overflow the watcher goes on; after everything else it is dead.
            if (e.GetException() is not InternalBufferOverflowException) { _broken = true; }
            wake();
        };
        try
        {
            watcher.EnableRaisingEvents = true;
            return watcher;
        }
        catch
        {
            watcher.Dispose();
            throw;
        }
    }

    private void Failed(string reason)
    {
        Stop();
        _backOff = _failedAt == 0 ? FirstBackOff : TimeSpan.FromTicks(Math.Min(_backOff.Ticks * 2, LongestBackOff.Ticks));
        _failedAt = time.GetTimestamp();
        if (!_reported) { logger.HintFailed(folder, reason); }
        _reported = true;
    }

    private void Stop()
    {
        // One that broke is not tried again at once: it would break again.
        if (_broken) { _failedAt = time.GetTimestamp(); }
        _watcher?.Dispose();
        _watcher = null;
        _watched = null;
        _broken = false;
    }
}

internal static partial class FolderHintLog
{
    [LoggerMessage(Level = LogLevel.Warning,
        Message = "Changes in {Folder} cannot be watched ({Reason}); it is looked at periodically instead")]
    public static partial void HintFailed(this ILogger logger, string folder, string reason);

    [LoggerMessage(Level = LogLevel.Information, Message = "Changes in {Folder} are watched again")]
    public static partial void HintWorksAgain(this ILogger logger, string folder);
}

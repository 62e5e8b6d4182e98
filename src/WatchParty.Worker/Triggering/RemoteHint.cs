using Microsoft.Extensions.Logging;
using WatchParty.Tools.Files;

namespace WatchParty.Worker.Triggering;

/// <summary>Tells of pushes to a remote that is a folder of this machine, so that they are seen at once however long the poll interval
/// is.</summary>
/// <remarks>Only a hint like <see cref="FolderHint"/>: what it misses the next poll finds. Pushes that follow each other closely are told
/// once, when they have ended. Not safe for use by several threads, save for the events it receives.</remarks>
internal sealed class RemoteHint : IDisposable
{
    private static readonly TimeSpan Settling = TimeSpan.FromMilliseconds(400);
    private static readonly TimeSpan LongestSettling = TimeSpan.FromSeconds(2);

    private readonly Lock _lock = new();
    private readonly TimeProvider _time;
    private readonly ILogger _logger;
    private readonly ITimer _timer;
    private long? _firstAt;
    private string? _folder;
    private (string Folder, FolderHint Hint)[] _hints = [];

    /// <param name="pushed">Called when something was pushed, or may have been.</param>
    public RemoteHint(Action pushed, TimeProvider time, ILogger logger)
    {
        (_time, _logger) = (time, logger);
        _timer = time.CreateTimer(
            _ =>
            {
                lock (_lock) { _firstAt = null; }
                pushed();
            },
            null, Timeout.InfiniteTimeSpan, Timeout.InfiniteTimeSpan);
    }

    /// <param name="gitFolder">The remote's git folder; null watches nothing.</param>
    public void Renew(string? gitFolder)
    {
        if (gitFolder != _folder)
        {
            Stop();
            _folder = gitFolder;
            if (gitFolder is not null) { _hints = [Hint(Path.Combine(gitFolder, "refs", "heads"), "*"), Hint(gitFolder, "packed-refs")]; }
        }
        foreach (var (folder, hint) in _hints) { hint.Renew(StampOf(folder)); }
    }

    public void Dispose()
    {
        Stop();
        _timer.Dispose();
    }

    // A branch can have slashes in its name, and so folders.
    private (string, FolderHint) Hint(string folder, string filter) =>
        (folder, new FolderHint(folder, filter, Wake, _time, _logger) { WithSubfolders = filter == "*" });

    private void Wake()
    {
        lock (_lock)
        {
            _firstAt ??= _time.GetTimestamp();
            var rest = LongestSettling - _time.GetElapsedTime(_firstAt.Value);
            _timer.Change(rest < TimeSpan.Zero ? TimeSpan.Zero : rest < Settling ? rest : Settling, Timeout.InfiniteTimeSpan);
        }
    }

    private static FileStamp? StampOf(string folder)
    {
        try
        {
            return FileStamp.Of(folder) is { Kind: FileKind.Folder } stamp ? stamp : null;
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            return null;
        }
    }

    private void Stop()
    {
        foreach (var (_, hint) in _hints) { hint.Dispose(); }
        _hints = [];
    }
}

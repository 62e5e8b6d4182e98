using System.Threading.Channels;
using Microsoft.Extensions.Logging;
using WatchParty.Tools.Configuration;
using WatchParty.Tools.Files;
using WatchParty.Tools.Processes;

namespace WatchParty.Worker.Triggering;

/// <summary>Does the work that flags in a folder ask for, one after the other, <c>clear-cache.flag</c> first.</summary>
/// <remarks>Every touch of a flag is followed by work that started later; touches that come together are one. A flag stays until
/// its work is done and its result written. Events of the file system only shorten the wait for the next periodic look.</remarks>
internal sealed class DropFileWatcher(string folder, TimeProvider time, ILogger<DropFileWatcher> logger, Failpoints? failpoints = null)
{
    // A flag counts once it has been left alone this long: `echo frontend > clear-cache.flag` makes it first and fills it then.
    // The wait is also longer than the file system's clock tick, so no later touch can have the time of the claimed one.
    private static readonly TimeSpan Settling = TimeSpan.FromMilliseconds(100);
    private static readonly TimeSpan LongestSettling = TimeSpan.FromSeconds(5);

    private readonly DropFile[] _flags = [new(folder, DropFileKind.ClearCache, failpoints),
        new(folder, DropFileKind.ForceRebuild, failpoints)];

    // Flags whose work is done but that could not be removed, as they were then.
    private readonly Dictionary<DropFileKind, FileStamp> _stuck = [];
    private string? _trouble;
    private bool _recovered;

    /// <summary>Time between two periodic looks. Default 2 seconds.</summary>
    public TimeSpan LookEvery { get; init; } = TimeSpan.FromSeconds(2);

    /// <summary>Whether events of the file system shorten the wait. Default true.</summary>
    public bool WithEvents { get; init; } = true;

    private TimeSpan LongestLook => LookEvery + LongestSettling + TimeSpan.FromSeconds(30);

    /// <summary>Watches until <paramref name="cancellationToken"/>, then throws <see cref="OperationCanceledException"/>.</summary>
    /// <param name="handle">Does the work. When it ends by cancellation, the flag stays and counts at the next start;
    /// when it throws anything else, that is the result.</param>
    /// <param name="expectedWithin">Told how long it may take until it is told again; <see cref="Timeout.InfiniteTimeSpan"/>
    /// while <paramref name="handle"/> runs, whose time only the handler knows.</param>
    public async Task RunAsync(
        Func<DropFileRequest, CancellationToken, Task<DropFileResult>> handle, Action<TimeSpan> expectedWithin,
        CancellationToken cancellationToken)
    {
        var wakes = Channel.CreateBounded<bool>(new BoundedChannelOptions(1) { FullMode = BoundedChannelFullMode.DropWrite });
        void Wake() => wakes.Writer.TryWrite(true);
        using var hint = new FolderHint(folder, "*.flag", Wake, time, logger);
        using var periodic = time.CreateTimer(_ => Wake(), null, LookEvery, LookEvery);
        while (true)
        {
            cancellationToken.ThrowIfCancellationRequested();
            expectedWithin(LongestLook);
            var (folderStamp, trouble) = LookAtFolder();
            if (WithEvents) { hint.Renew(folderStamp); }
            var again = false;
            foreach (var flag in _flags)
            {
                try
                {
                    again |= await LookAsync(flag, handle, expectedWithin, cancellationToken) == DropFileEnd.TouchedAgain;
                }
                // One flag that cannot be looked at does not keep the other from being.
                catch (Exception e) when (e is IOException or UnauthorizedAccessException)
                {
                    trouble ??= e.Message;
                }
            }
            Report(trouble);
            if (!again) { await wakes.Reader.ReadAsync(cancellationToken); }
        }
    }

    private (FileStamp? Stamp, string? Trouble) LookAtFolder()
    {
        try
        {
            if (FileStamp.Of(folder) is not { } stamp) { return (null, "it does not exist"); }
            if (!_recovered)
            {
                foreach (var flag in _flags) { flag.Recover(); }
                _recovered = true;
            }
            return (stamp, null);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            return (null, e.Message);
        }
    }

    /// <returns>What became of the flag, or null when there is none, or none to work for.</returns>
    private async Task<DropFileEnd?> LookAsync(
        DropFile flag, Func<DropFileRequest, CancellationToken, Task<DropFileResult>> handle, Action<TimeSpan> expectedWithin,
        CancellationToken cancellationToken)
    {
        if (_stuck.TryGetValue(flag.Kind, out var stuck))
        {
            if (flag.Finish(stuck, out _) == DropFileEnd.Stuck) { return null; }
            _stuck.Remove(flag.Kind);
        }
        if (await ClaimAsync(flag, cancellationToken) is not { } claim) { return null; }

        var startedAt = time.GetUtcNow();
        var result = new DropFileResult("Refused", [], 0, $"{flag.FlagPath} is refused: {claim.Refusal}");
        if (claim.Request is { } request)
        {
            var targets = string.Join(", ", request.Targets);
            logger.FlagFound(flag.FlagPath, targets);
            expectedWithin(Timeout.InfiniteTimeSpan);
            result = await HandleAsync(request, handle, cancellationToken);
            expectedWithin(LongestLook);
        }
        // From here on nothing is cancelled: the work is done, and whoever waits for it shall know.
        return End(flag, claim.Stamp, result, startedAt);
    }

    /// <summary>The flag once it is left alone, or as it was a moment ago when it is touched without end; null when there is
    /// none.</summary>
    private async Task<DropFileClaim?> ClaimAsync(DropFile flag, CancellationToken cancellationToken)
    {
        var started = time.GetTimestamp();
        while (flag.Claim() is { } claim)
        {
            await Task.Delay(Settling, time, cancellationToken);
            if (flag.Look() == claim.Stamp || time.GetElapsedTime(started) > LongestSettling) { return claim; }
        }
        return null;
    }

    private async Task<DropFileResult> HandleAsync(
        DropFileRequest request, Func<DropFileRequest, CancellationToken, Task<DropFileResult>> handle, CancellationToken cancellationToken)
    {
        try
        {
            return await handle(request, cancellationToken);
        }
        catch (Exception e) when (e is not OperationCanceledException || !cancellationToken.IsCancellationRequested)
        {
            logger.WorkThrew(e, request.Kind);
            return new DropFileResult("Failed", request.Targets, 0, e.Message);
        }
    }

    private DropFileEnd End(DropFile flag, FileStamp claimed, DropFileResult result, DateTimeOffset startedAt)
    {
        if (result.Error is null) { logger.WorkDone(flag.FlagPath, result.Outcome); }
        else
        {
            logger.WorkNotDone(flag.FlagPath, result.Outcome, result.Error);
        }
        Write(flag, result, startedAt);
        var end = flag.Finish(claimed, out var reason);
        if (end == DropFileEnd.TouchedAgain)
        {
            logger.TouchedAgain(flag.FlagPath);
        }
        else if (end == DropFileEnd.Stuck)
        {
            _stuck[flag.Kind] = claimed;
            logger.CannotRemove(flag.FlagPath, reason);
            var stuck = $"The flag cannot be removed ({reason}); it counts again only when it is touched";
            Write(flag, result with { Error = result.Error is null ? stuck : $"{result.Error}. {stuck}" }, startedAt);
        }
        return end;
    }

    private void Write(DropFile flag, DropFileResult result, DateTimeOffset startedAt)
    {
        try
        {
            flag.WriteResult(new DropFileResultDocument(result, startedAt, time.GetUtcNow()));
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            logger.CannotWriteResult(flag.ResultPath, e.Message);
        }
    }

    /// <summary>Logs that the folder cannot be looked at, or can again: once per change, not per look.</summary>
    private void Report(string? trouble)
    {
        if (trouble == _trouble) { return; }
        if (trouble is null) { logger.FolderFound(folder); } else { logger.FolderTrouble(folder, trouble); }
        _trouble = trouble;
    }
}

internal static partial class DropFileWatcherLog
{
    [LoggerMessage(Level = LogLevel.Information, Message = "Found {Flag} for {Targets}")]
    public static partial void FlagFound(this ILogger logger, string flag, string targets);

    [LoggerMessage(Level = LogLevel.Information, Message = "The work of {Flag} is done: {Outcome}")]
    public static partial void WorkDone(this ILogger logger, string flag, string outcome);

    [LoggerMessage(Level = LogLevel.Warning, Message = "The work of {Flag} is not done: {Outcome}, {Error}")]
    public static partial void WorkNotDone(this ILogger logger, string flag, string outcome, string error);

    [LoggerMessage(Level = LogLevel.Error, Message = "{Kind} failed unexpectedly")]
    public static partial void WorkThrew(this ILogger logger, Exception exception, DropFileKind kind);

    [LoggerMessage(Level = LogLevel.Information, Message = "{Flag} was touched again meanwhile and counts again")]
    public static partial void TouchedAgain(this ILogger logger, string flag);

    [LoggerMessage(Level = LogLevel.Warning, Message = "Cannot remove {Flag} ({Reason}); it counts again only when it is touched")]
    public static partial void CannotRemove(this ILogger logger, string flag, string reason);

    [LoggerMessage(Level = LogLevel.Warning, Message = "Cannot write {Result}: {Reason}")]
    public static partial void CannotWriteResult(this ILogger logger, string result, string reason);

    [LoggerMessage(Level = LogLevel.Warning, Message = "Cannot look for flags in {Folder}: {Reason}; looking on")]
    public static partial void FolderTrouble(this ILogger logger, string folder, string reason);

    [LoggerMessage(Level = LogLevel.Information, Message = "Looking for flags in {Folder} again")]
    public static partial void FolderFound(this ILogger logger, string folder);
}

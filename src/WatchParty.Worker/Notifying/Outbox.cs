using System.Net.Sockets;
using System.Threading.Channels;
using Microsoft.Extensions.Logging;
using Polly;
using Polly.Retry;

namespace WatchParty.Worker.Notifying;

/// <summary>A message did not get through.</summary>
/// <param name="temporary">Whether the same may get through later.</param>
/// <param name="retryAfter">When the receiver wants to be asked again, if it said so.</param>
internal sealed class NotDeliveredException(string message, bool temporary, TimeSpan? retryAfter = null) : Exception(message)
{
    public bool Temporary { get; } = temporary;

    public TimeSpan? RetryAfter { get; } = retryAfter;
}

/// <summary>Sends what is put in, one after the other and in this order, off the path of whoever puts it in; what does not get through is
/// tried again for about 20 minutes.</summary>
/// <remarks>A queue for each receiver, so that one that is away holds no other up. It is bounded: of more than a hundred the oldest are
/// dropped.</remarks>
internal sealed class Outbox<T>(string name, Func<T, CancellationToken, Task> send, TimeProvider time, ILogger logger) : IAsyncDisposable
{
    private const int Capacity = 100;
    private static readonly TimeSpan LongestWait = TimeSpan.FromMinutes(15);

    /// <summary>Time that a program which ends gives to what waits: below the host's own limit for stopping.</summary>
    private static readonly TimeSpan FlushLimit = TimeSpan.FromSeconds(3);

    private readonly Lock _lock = new();
    private readonly CancellationTokenSource _stop = new();
    private readonly Channel<T> _queue =
        Channel.CreateBounded<T>(new BoundedChannelOptions(Capacity) { FullMode = BoundedChannelFullMode.DropOldest },
            _ => logger.Dropped(name));
    private Task? _sending;
    private bool _ended;

    public void Put(T item)
    {
        lock (_lock) { _sending ??= Task.Run(SendAllAsync); }
        _queue.Writer.TryWrite(item);
    }

    /// <summary>Sends what waits, if that is quick; what is left is given up and logged. A second call does nothing.</summary>
    public async ValueTask DisposeAsync()
    {
        if (Interlocked.Exchange(ref _ended, true)) { return; }
        _queue.Writer.TryComplete();
        if (_sending is { } sending)
        {
#pragma warning disable VSTHRD003 // Begun by Put; there is no context to deadlock on.
            await sending.WaitAsync(FlushLimit, time).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
            await _stop.CancelAsync();
            await sending;
#pragma warning restore VSTHRD003
        }
        _stop.Dispose();
    }

    private async Task SendAllAsync()
    {
        var retrying = Retrying();
        await foreach (var item in _queue.Reader.ReadAllAsync())
        {
            try
            {
                await retrying.ExecuteAsync(async token => await send(item, token), _stop.Token);
                logger.Sent(name);
            }
            catch (OperationCanceledException) when (_stop.IsCancellationRequested)
            {
                logger.GivenUp(name, "the worker ends");
            }
            catch (Exception e)
            {
                logger.GivenUp(name, e.Message);
            }
        }
    }

    private ResiliencePipeline Retrying() => new ResiliencePipelineBuilder { TimeProvider = time }
        .AddRetry(new RetryStrategyOptions
        {
            ShouldHandle = args => ValueTask.FromResult(IsTemporary(args.Outcome.Exception) && !_stop.IsCancellationRequested),
            MaxRetryAttempts = 8,
            BackoffType = DelayBackoffType.Exponential,
            UseJitter = true,
            Delay = TimeSpan.FromSeconds(2),
            MaxDelay = TimeSpan.FromMinutes(10),
            DelayGenerator = args => ValueTask.FromResult(args.Outcome.Exception is NotDeliveredException { RetryAfter: { } after }
                ? (after < LongestWait ? after : LongestWait) + TimeSpan.FromMilliseconds(Random.Shared.Next(500))
                : (TimeSpan?)null),
            OnRetry = args =>
            {
                logger.TriedAgain(name, args.RetryDelay, args.Outcome.Exception!.Message);
                return default;
            },
        })
        .Build();

    // A request that took too long is an OperationCanceledException, too.
    private static bool IsTemporary(Exception? exception) =>
        exception is NotDeliveredException { Temporary: true } or HttpRequestException or SocketException or IOException
        or OperationCanceledException;
}

internal static partial class OutboxLog
{
    [LoggerMessage(Level = LogLevel.Information, Message = "A message was sent over {Channel}")]
    public static partial void Sent(this ILogger logger, string channel);

    [LoggerMessage(Level = LogLevel.Warning,
        Message = "A message did not get through over {Channel} and is sent again in {Delay}: {Reason}")]
    public static partial void TriedAgain(this ILogger logger, string channel, TimeSpan delay, string reason);

    [LoggerMessage(Level = LogLevel.Error,
        Message = "A message did not get through over {Channel} and is given up: {Reason}. See `watchparty-worker notify --test " +
            "{Channel}`")]
    public static partial void GivenUp(this ILogger logger, string channel, string reason);

    [LoggerMessage(Level = LogLevel.Error, Message = "Too many messages wait for {Channel}; the oldest was dropped")]
    public static partial void Dropped(this ILogger logger, string channel);
}

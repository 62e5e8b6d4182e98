using Microsoft.Extensions.Logging;
using Polly;
using Polly.Retry;
using WatchParty.Releases.Signals;
using WatchParty.Tools.Configuration;
using WatchParty.Tools.Failures;
using WatchParty.Tools.Git;

namespace WatchParty.Worker.Triggering;

/// <summary>How polling goes.</summary>
/// <param name="LastSuccess">When the remote last named a commit; null when it has not yet.</param>
/// <param name="Error">Why the last look brought none; null when it did.</param>
/// <param name="Since">When <paramref name="Error"/> appeared, or went away.</param>
internal sealed record PollState(DateTimeOffset? LastSuccess, string? Error, DateTimeOffset? Since);

/// <summary>Looks at the remote again and again.</summary>
/// <remarks>A remote that fails is asked less and less often, and reported when the reason changes, not for each try.</remarks>
internal sealed class GitPoller(GitRepository repository, RepositoryOptions options, TimeProvider time, ILogger<GitPoller> logger)
{
    /// <summary>Longest time of one look, with reading git's settings and ending a git that hangs.</summary>
    public static readonly TimeSpan LookLimit = 2 * GitCommands.LookLimit;

    private const int SlowestTimes = 10;
    private readonly Lock _gate = new();
    private CancellationTokenSource? _waiting;
    private volatile PollState _state = new(null, null, null);

    public PollState State => _state;

    /// <summary>Ends the current wait; asked during a look, another look follows at once. Calls in between count once.</summary>
    public void PollNow()
    {
        lock (_gate)
        {
            // Not Cancel: the polling would go on inside this call.
            _ = _waiting?.CancelAsync();
        }
    }

    /// <summary>Polls until cancelled.</summary>
    /// <param name="headSeen">Gets the remote's commit after every look that found one, new or not; what it throws ends the
    /// polling.</param>
    /// <param name="expectedWithin">Gets the time until its next call, before every look and every wait.</param>
    public async Task RunAsync(Func<string, CancellationToken, Task> headSeen, Action<TimeSpan> expectedWithin,
        CancellationToken cancellationToken)
    {
        var retrying = Retrying(expectedWithin);
        while (true)
        {
            using var waiting = BeginRound(cancellationToken);
            try
            {
                if (await LookUntilAnsweredAsync(retrying, expectedWithin, waiting.Token, cancellationToken) is { } head)
                {
                    await headSeen(head, cancellationToken);
                }
                var pause = options.PollInterval * (1 + Random.Shared.NextDouble() / 5);
                expectedWithin(pause);
                await Task.Delay(pause, time, waiting.Token).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
            }
            finally
            {
                EndRound();
            }
        }
    }

    private async Task<string?> LookUntilAnsweredAsync(
        ResiliencePipeline retrying, Action<TimeSpan> expectedWithin, CancellationToken waiting, CancellationToken cancellationToken)
    {
        try
        {
            // Only the waits end when PollNow is called: a look that has begun is worth its end.
            return await retrying.ExecuteAsync(async _ => await LookAsync(expectedWithin, cancellationToken), waiting);
        }
        catch (Exception e) when ((IsExpected(e) || e is OperationCanceledException) && waiting.IsCancellationRequested)
        {
            cancellationToken.ThrowIfCancellationRequested();
            return null;
        }
    }

    private async Task<string?> LookAsync(Action<TimeSpan> expectedWithin, CancellationToken cancellationToken)
    {
        expectedWithin(LookLimit);
        try
        {
            var head = await repository.RemoteHeadAsync(cancellationToken);
            if (head is null) { Failed($"The remote {options.Remote} has no branch {await repository.BranchAsync(cancellationToken)}"); }
            else { Succeeded(); }
            return head;
        }
        catch (Exception e) when (IsExpected(e))
        {
            Failed(e.Message);
            throw;
        }
    }

    private ResiliencePipeline Retrying(Action<TimeSpan> expectedWithin) => new ResiliencePipelineBuilder { TimeProvider = time }
        .AddRetry(new RetryStrategyOptions
        {
            ShouldHandle = args => ValueTask.FromResult(args.Outcome.Exception is { } e && IsExpected(e)),
            MaxRetryAttempts = int.MaxValue,
            BackoffType = DelayBackoffType.Exponential,
            UseJitter = true,
            Delay = options.PollInterval,
            MaxDelay = options.PollInterval * SlowestTimes,
            OnRetry = args =>
            {
                expectedWithin(args.RetryDelay);
                return default;
            },
        })
        .Build();

    private void Succeeded()
    {
        var now = time.GetUtcNow();
        var before = _state;
        if (before is { Error: not null, Since: { } since }) { logger.Recovered(options.Remote, now - since); }
        _state = new PollState(now, null, before.Error is null ? before.Since ?? now : now);
    }

    private void Failed(string reason)
    {
        Metrics.PollFailed();
        var before = _state;
        if (before.Error == reason) { return; }
        logger.Failing(reason);
        // The first failure's time stays when only the reason changes, so that the recovery tells the whole length.
        _state = new PollState(before.LastSuccess, reason, before.Error is null ? time.GetUtcNow() : before.Since);
    }

    private CancellationTokenSource BeginRound(CancellationToken cancellationToken)
    {
        lock (_gate)
        {
            cancellationToken.ThrowIfCancellationRequested();
            return _waiting = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        }
    }

    private void EndRound()
    {
        lock (_gate) { _waiting = null; }
    }

    private static bool IsExpected(Exception e) => e is WorkerException or IOException or UnauthorizedAccessException;
}

internal static partial class GitPollerLog
{
    [LoggerMessage(Level = LogLevel.Warning, Message = "Polling fails; it goes on, less often: {Reason}")]
    public static partial void Failing(this ILogger logger, string reason);

    [LoggerMessage(Level = LogLevel.Information, Message = "The remote {Remote} answers again after {Outage}")]
    public static partial void Recovered(this ILogger logger, string remote, TimeSpan outage);
}

using Microsoft.Extensions.Hosting;
using WatchParty.Tools.Configuration;
using WatchParty.Worker.Notifying;

namespace WatchParty.Worker.Triggering;

/// <summary>Tells when the remote has not answered for long, and when it answers again.</summary>
internal sealed class PollWatch(Func<PollState> poll, WorkerOptions options, Notifier notifier, TimeProvider time) : BackgroundService
{
    /// <summary>Longer than a forge's usual trouble, and than a network that comes up after the machine.</summary>
    public static readonly TimeSpan Patience = TimeSpan.FromMinutes(15);

    private static readonly TimeSpan LookEvery = TimeSpan.FromMinutes(1);

    protected override async Task ExecuteAsync(CancellationToken stoppingToken)
    {
        if (options.Notifications.Length == 0) { return; }
        using var timer = new PeriodicTimer(LookEvery, time);
        DateTimeOffset? told = null;
        try
        {
            while (await timer.WaitForNextTickAsync(stoppingToken)) { told = Look(told); }
        }
        catch (OperationCanceledException)
        {
            // The service stops.
        }
    }

    /// <param name="told">Since when the trouble lasts that was told; null when none was.</param>
    /// <returns>The same for the next look.</returns>
    internal DateTimeOffset? Look(DateTimeOffset? told)
    {
        var (now, state) = (time.GetUtcNow(), poll());
        if (state is { Error: { } error, Since: { } since })
        {
            if (now - since < Patience) { return told; }
            notifier.Tell(notifier.Messages.PollTrouble(error, now - since), $"poll {since:O}");
            return since;
        }
        if (told is { } began) { notifier.Tell(notifier.Messages.PollRecovery(now - began), $"poll again {began:O}"); }
        return null;
    }
}

using System.Text.RegularExpressions;
using Microsoft.Extensions.Logging;
using WatchParty.Releases.Recording;
using WatchParty.Releases.Releasing;
using WatchParty.Tools.Configuration;

namespace WatchParty.Worker.Notifying;

/// <summary>Tells people over the channels of <c>Notifications</c> what they have to know.</summary>
/// <remarks>The same again within <see cref="HoldBack"/> is held back: what fails is tried again every few minutes.</remarks>
internal sealed partial class Notifier(WorkerOptions options, History history, Courier courier, TimeProvider time,
    ILogger<Notifier> logger) : IReleaseListener, IAsyncDisposable
{
    public static readonly TimeSpan HoldBack = TimeSpan.FromHours(4);

    /// <summary>Name of the fact that outlives the process: what was told that went wrong and is not well yet.</summary>
    private const string Trouble = "trouble-told";

    /// <summary>Name of the same for a deployed release that could not be brought up: its number.</summary>
    private const string Down = "down-told";

    private readonly Lock _lock = new();
    private readonly Dictionary<string, long> _told = [];
    private readonly List<(NotificationOptions Options, Outbox<Notification> Outbox)> _channels =
        [.. options.Notifications.Select(
            c => (c, new Outbox<Notification>(c.CalledBy(), (n, token) => SendAsync(n, c, courier, token), time, logger)))];

    public ReleaseNotification Messages { get; } = new(options, time);

    public void Began(long release, string commit, string trigger)
    {
        // Only its end is news.
    }

    public void Ended(ReleaseReport report)
    {
        if (_channels.Count == 0) { return; }
        var trouble = history.Fact(Trouble) ?? (history.Fact(Down) is { } down ? $"release {down} could not be brought up again" : null);
        var succeeded = report.Outcome == ReleaseOutcome.Succeeded;
        var waiting = succeeded ? report.PreviousCommit : report.Commit;
        // After a success only a person who went back leaves the commit before in quarantine.
        if (Messages.Of(report,
            waiting is not null && waiting != (succeeded ? report.Commit : null) && history.Quarantined(waiting) is not null,
            trouble) is not { } message)
        {
            return;
        }
        if (succeeded)
        {
            lock (_lock) { _told.Clear(); }
            history.SetFact(Trouble, null);
            history.SetFact(Down, null);
        }
        else if (trouble is null)
        {
            history.SetFact(Trouble, message.Title.ToLowerInvariant());
        }
        Tell(message, succeeded ? $"{report.Release}" : $"{report.Commit} {report.Outcome} {Digits().Replace(report.Error ?? "", "#")}");
    }

    public void BroughtUp(long release, string commit, string? error)
    {
        // A worker that ends and is started again and again tells it once.
        if (_channels.Count == 0 || history.Fact(Down) is var told && (error is null ? told is null : told == $"{release}")) { return; }
        history.SetFact(Down, error is null ? null : $"{release}");
        Tell(error is null
            ? Messages.UpAgain(release, commit)
            : Messages.NotUp(release, commit, error), $"brought up {release} {error is null}");
    }

    /// <param name="key">What makes a message the same as another.</param>
    public void Tell(Notification message, string key)
    {
        lock (_lock)
        {
            if (_told.TryGetValue(key, out var at) && time.GetElapsedTime(at) < HoldBack) { return; }
            _told[key] = time.GetTimestamp();
        }
        foreach (var (channel, outbox) in _channels)
        {
            if (NotificationKinds.Wanted(channel.On, message.Kinds)) { outbox.Put(message); }
        }
    }

    /// <summary>Hands one message to one channel, once.</summary>
    /// <exception cref="NotDeliveredException">It did not get through.</exception>
    public static async Task SendAsync(Notification message, NotificationOptions channel, Courier courier,
        CancellationToken cancellationToken)
    {
        if (channel.Kind == NotificationChannel.Email) { await Mail.SendAsync(message, channel, cancellationToken); return; }
        using var request = ChatMessages.Of(message, channel)!;
        await courier.SendAsync(request, cancellationToken);
    }

    public async ValueTask DisposeAsync() => await Task.WhenAll(_channels.Select(c => c.Outbox.DisposeAsync().AsTask()));

    // Times, ports and sizes in an error differ from try to try.
    [GeneratedRegex(@"\d+")]
    private static partial Regex Digits();
}

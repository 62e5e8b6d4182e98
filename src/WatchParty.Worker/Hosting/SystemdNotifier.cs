using System.Globalization;
using System.Net.Sockets;
using System.Text;
using Microsoft.Extensions.Logging;

namespace WatchParty.Worker.Hosting;

/// <summary>Tells systemd how the service fares (<c>sd_notify</c>, systemd's documentation). Never throws and never blocks;
/// does nothing when the service manager did not ask for it.</summary>
/// <param name="address">Value of <c>NOTIFY_SOCKET</c>: a path, or a name in the abstract space with <c>@</c> first.</param>
internal sealed class SystemdNotifier(string? address, ILogger<SystemdNotifier> logger)
{
    private const int StatusLimit = 500;
    private int _failed;

    public static SystemdNotifier FromEnvironment(ILogger<SystemdNotifier> logger) =>
        new(Environment.GetEnvironmentVariable("NOTIFY_SOCKET"), logger);

    /// <summary>Whether a service manager listens.</summary>
    public bool Active => !string.IsNullOrEmpty(address);

    /// <summary>The start is complete; only from now on does the watchdog count.</summary>
    public void Ready() => Send("READY=1");

    /// <summary>One line for people, as <c>systemctl status</c> shows it.</summary>
    public void Status(string text) => Send("STATUS=" + OneLine(text));

    public void Stopping() => Send("STOPPING=1");

    /// <summary>A sign of life; see <see cref="WatchdogService"/>.</summary>
    public void Watchdog() => Send("WATCHDOG=1");

    /// <summary>Asks that a start or stop that is under way may take this much longer from now.</summary>
    public void ExtendTimeout(TimeSpan time) =>
        Send(string.Create(CultureInfo.InvariantCulture, $"EXTEND_TIMEOUT_USEC={(long)time.TotalMicroseconds}"));

    private void Send(string message)
    {
        if (!Active) { return; }
        try
        {
            using var socket = new Socket(AddressFamily.Unix, SocketType.Dgram, ProtocolType.Unspecified) { Blocking = false };
            socket.SendTo(Encoding.UTF8.GetBytes(message),
                new UnixDomainSocketEndPoint(address![0] == '@' ? '\0' + address[1..] : address));
        }
        // A full queue, no socket of that name any more, one of a kind we do not know: nothing that the work should suffer from.
        catch (Exception e) when (e is SocketException or ArgumentException or PlatformNotSupportedException)
        {
            if (Interlocked.Exchange(ref _failed, 1) == 0) { logger.NotNotified(address!, e.Message); }
        }
    }

    // A line break in it would start another assignment: text from a commit could then say WATCHDOG=trigger.
    private static string OneLine(string text) =>
        string.Concat(text.Take(StatusLimit).Select(c => char.IsControl(c) ? ' ' : c));
}

internal static partial class SystemdNotifierLog
{
    [LoggerMessage(Level = LogLevel.Debug, Message = "The service manager cannot be notified at {Address}: {Reason}")]
    public static partial void NotNotified(this ILogger logger, string address, string reason);
}

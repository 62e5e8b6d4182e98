using Microsoft.Extensions.Logging;
using WatchParty.Releases.Recording;

namespace WatchParty.Releases.Releasing;

/// <summary>Is told of every release, in the release's own flow: all return at once and leave what takes time to others.</summary>
internal interface IReleaseListener
{
    void Began(long release, string commit, string trigger);

    void Ended(ReleaseReport report);

    /// <summary>After a start the deployed release was brought up again, or was not.</summary>
    /// <param name="error">Why it is not up; null when it is.</param>
    void BroughtUp(long release, string commit, string? error)
    {
    }
}

/// <summary>All who listen. What goes wrong with one of them is logged and changes no release.</summary>
internal sealed class ReleaseListeners(IEnumerable<IReleaseListener> listeners, ILogger<ReleaseListeners> logger) : IReleaseListener
{
    private readonly IReleaseListener[] _listeners = [.. listeners];

    public void Began(long release, string commit, string trigger) => Tell(l => l.Began(release, commit, trigger));

    public void Ended(ReleaseReport report) => Tell(l => l.Ended(report));

    public void BroughtUp(long release, string commit, string? error) => Tell(l => l.BroughtUp(release, commit, error));

    private void Tell(Action<IReleaseListener> what)
    {
        foreach (var listener in _listeners)
        {
            try
            {
                what(listener);
            }
            catch (Exception e)
            {
                logger.NotTold(listener.GetType().Name, e);
            }
        }
    }
}

internal static partial class ReleaseListenersLog
{
    [LoggerMessage(Level = LogLevel.Error,
        Message = "{Listener} could not be told of a release; the release itself is not touched by that")]
    public static partial void NotTold(this ILogger logger, string listener, Exception exception);
}

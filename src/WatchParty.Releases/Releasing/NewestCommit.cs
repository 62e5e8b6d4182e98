using System.Runtime.CompilerServices;
using System.Threading.Channels;
using WatchParty.Releases.Recording;
using WatchParty.Tools.Configuration;
using WatchParty.Tools.Failures;

namespace WatchParty.Releases.Releasing;

/// <summary>The newest commit that a poll found, between the loop that polls and the one that releases. Safe for both at once.</summary>
/// <remarks>A commit that is replaced before its release began is recorded as superseded. A build under way gives way to a newer commit
/// only where <c>Build:CancelOnNewerCommit</c> says so, and never twice in a row: of two releases at least one goes to its end, so that
/// pushes that come faster than builds end cannot keep the site from getting newer. A limit in time would need a guess at how long a
/// build may take; this needs none.</remarks>
internal sealed class NewestCommit(BuildOptions options, History history) : IDisposable
{
    private readonly Lock _lock = new();
    private readonly Channel<bool> _seen =
        Channel.CreateBounded<bool>(new BoundedChannelOptions(1) { FullMode = BoundedChannelFullMode.DropWrite });
    private string? _newest;
    private string? _taken;
    private string? _supersededBy;
    private bool _lastGaveWay;
    // That of an earlier release is left to the collector: its cancelling may still go on.
    private CancellationTokenSource _superseded = new();

    /// <summary>Why the newest commit could not be released, while no record says it: the record is what fails.</summary>
    public string? Trouble { get; set; }

    /// <summary>The commit that comes after the release under way; null when there is none.</summary>
    public string? Next
    {
        get { lock (_lock) { return _taken is not null && _newest != _taken ? _newest : null; } }
    }

    /// <summary>The commit for which <see cref="Superseded"/> was cancelled.</summary>
    public string? SupersededBy
    {
        get { lock (_lock) { return _supersededBy; } }
    }

    /// <summary>Cancelled when the build of the commit that was taken last is to end for a newer one.</summary>
    public CancellationToken Superseded
    {
        get { lock (_lock) { return _superseded.Token; } }
    }

    /// <summary>Ends when everything has been told that gives way to the newest commit.</summary>
    internal Task GivingWay { get; private set; } = Task.CompletedTask;

    public void Dispose() => _superseded.Dispose();

    /// <summary>Tells the commit that the remote's branch points to now, new or not.</summary>
    /// <exception cref="WorkerException">The commit before could not be recorded as superseded; all else is done.</exception>
    public void See(string commit)
    {
        lock (_lock)
        {
            var older = _newest;
            _newest = commit;
            _seen.Writer.TryWrite(true);
            if (_taken is not null && _taken != commit && options.CancelOnNewerCommit && !_lastGaveWay && _supersededBy is null)
            {
                _supersededBy = commit;
                // Not Cancel: what follows from it would go on inside of this call.
                GivingWay = _superseded.CancelAsync();
            }
            if (older is not null && older != commit && older != _taken) { history.Supersede(older, commit, "poll"); }
        }
    }

    /// <summary>The newest commit, each time after a poll; polls in between count once.</summary>
    public async IAsyncEnumerable<string> SeenAsync([EnumeratorCancellation] CancellationToken cancellationToken)
    {
        while (true)
        {
            await _seen.Reader.ReadAsync(cancellationToken);
            string newest;
            lock (_lock) { newest = _newest!; }
            yield return newest;
        }
    }

    /// <summary>Takes the newest commit for a release; from here on it counts as begun, until <see cref="Done"/>.</summary>
    public string Take()
    {
        lock (_lock)
        {
            (_superseded, _supersededBy) = (new CancellationTokenSource(), null);
            return _taken = _newest ?? throw new InvalidOperationException("no poll has found a commit yet");
        }
    }

    /// <param name="gaveWay">Whether the release ended for a newer commit.</param>
    public void Done(bool gaveWay)
    {
        lock (_lock) { (_taken, _lastGaveWay) = (null, gaveWay); }
    }
}

using WatchParty.Releases.Recording;
using WatchParty.Tools.Configuration;

namespace WatchParty.Releases.Verifying;

/// <summary>Asks the addresses of <c>Deploy:Probes</c> again and again while containers are replaced, as visitors would. It neither slows a
/// release down nor fails one.</summary>
internal sealed class SiteWatch : IDisposable
{
    private static readonly TimeSpan Interval = TimeSpan.FromMilliseconds(50);
    private static readonly TimeSpan AnswerLimit = TimeSpan.FromSeconds(1);

    private readonly HttpClient _http;
    private readonly TimeProvider _time;
    private readonly CancellationTokenSource _stop = new();
    private readonly Dictionary<string, AnswerTally> _tallies;

    private SiteWatch(IEnumerable<string> addresses, HttpMessageHandler handler, TimeProvider time)
    {
        _time = time;
        _http = new HttpClient(handler) { Timeout = Timeout.InfiniteTimeSpan };
        _tallies = addresses.Distinct().ToDictionary(a => a, _ => new AnswerTally(time));
    }

    /// <param name="handler">Asks; the watch disposes it.</param>
    public static SiteWatch Begin(DeployOptions options, TimeProvider time, HttpMessageHandler? handler = null)
    {
        // A visitor who comes anew has no connection to the container that went.
        var watch = new SiteWatch(options.Probes,
            handler ?? new SocketsHttpHandler { PooledConnectionLifetime = TimeSpan.Zero, UseCookies = false }, time);
        foreach (var (address, tally) in watch._tallies) { _ = watch.AskAsync(new Uri(address), tally); }
        return watch;
    }

    /// <summary>What was seen so far, of the addresses that answered well when the watch began.</summary>
    public IReadOnlyDictionary<string, Unanswered> Seen() =>
        _tallies.Select(t => (t.Key, Value: t.Value.Result())).Where(t => t.Value is not null).ToDictionary(t => t.Key, t => t.Value!);

    public void Dispose()
    {
        _stop.Cancel();
        _http.Dispose();
        _stop.Dispose();
    }

    /// <summary>One question an interval, whether or not the one before it was answered, so that one that hangs does not hide the
    /// next.</summary>
    private async Task AskAsync(Uri address, AnswerTally tally)
    {
        var stop = _stop.Token;
        try
        {
            using var ticks = new PeriodicTimer(Interval, _time);
            for (var question = 0; ; question++)
            {
                _ = AskOnceAsync(address, tally, question, stop);
                if (!await ticks.WaitForNextTickAsync(stop)) { return; }
            }
        }
        catch (OperationCanceledException)
        {
            // The release is over.
        }
    }

    private async Task AskOnceAsync(Uri address, AnswerTally tally, int question, CancellationToken stop)
    {
        var asked = _time.GetTimestamp();
        tally.Add(question, asked, await IsAnsweredAsync(address, stop));
    }

    private async Task<bool> IsAnsweredAsync(Uri address, CancellationToken stop)
    {
        try
        {
            using var limit = new CancellationTokenSource(AnswerLimit, _time);
            using var both = CancellationTokenSource.CreateLinkedTokenSource(limit.Token, stop);
            using var answer = await _http.GetAsync(address, HttpCompletionOption.ResponseHeadersRead, both.Token);
            return (int)answer.StatusCode < 400;
        }
        catch (Exception e) when (e is HttpRequestException or OperationCanceledException or IOException or ObjectDisposedException)
        {
            return false;
        }
    }
}

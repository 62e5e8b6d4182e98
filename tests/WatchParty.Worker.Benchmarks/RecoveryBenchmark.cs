using System.Globalization;
using WatchParty.Worker.EngineTests.Harness;

namespace WatchParty.Worker.Benchmarks;

/// <summary>How long a release takes that is well, one in which the worker is killed, and the way back from one that is not healthy.</summary>
internal sealed class RecoveryBenchmark(Application app) : IAsyncDisposable
{
    /// <summary>Times from the push of a commit until it serves without a kill, in parts of which the worker is killed.</summary>
    private static readonly double[] s_kills = [0.3, 0.5, 0.7, 0.9];

    private readonly List<double> _normal = [], _started = [], _killed = [], _wayBack = [], _window = [];
    private Service _service = null!;
    private string _content = "";

    public static async Task<int> RunAsync(int rounds)
    {
        await using var app = await Application.OfAsync(SmallApplication.WebAndSide);
        await using var benchmark = new RecoveryBenchmark(app);
        await benchmark.RunRoundsAsync(rounds);
        return 0;
    }

    public ValueTask DisposeAsync() => _service.DisposeAsync();

    private async Task RunRoundsAsync(int rounds)
    {
        _service = await app.StartServiceAsync();
        await ReleaseAsync();
        for (var round = 0; round < rounds; round++)
        {
            _normal.Add(await ReleaseAsync());
            await WayBackAsync();
            await ReleaseAsync();
            _started.Add(await StartWithACommitAsync());
            foreach (var part in s_kills) { _killed.Add(await KilledAsync(TimeSpan.FromSeconds(part * Figure.Median(_normal)))); }
        }
        var (normal, started, killed, wayBack, window) = (Figure.Median(_normal), Figure.Median(_started), Figure.Median(_killed), Figure.Median(_wayBack), Figure.Median(_window));
        Console.WriteLine($"{await Engine.DescribeAsync()}; {Figure.Count(rounds, "round")}, medians in seconds");
        Console.WriteLine();
        var table = new MarkdownTable("what", "seconds", "beside", "seconds", "ratio");
        table.Add("start after a kill until the commit serves", Figure.Of(killed), "start with a commit that waits", Figure.Of(started), Figure.Of(killed / started));
        table.Add("the slowest of them", Figure.Of(_killed.Max()), "the same", Figure.Of(started), Figure.Of(_killed.Max() / started));
        table.Add("docker finds the bad release unhealthy until the last good one serves", Figure.Of(wayBack), "push of a good commit until it serves", Figure.Of(normal), Figure.Of(wayBack / normal));
        table.Add("before that: from the end of the good release until docker finds the bad one unhealthy", Figure.Of(window), "", "", "");
        table.Write();
    }

    /// <returns>Seconds from the push until the commit serves and its release is done.</returns>
    private async Task<double> ReleaseAsync()
    {
        var (commit, seconds) = ("", 0.0);
        seconds = await Figure.SecondsOfAsync(async () =>
        {
            commit = await PushAsync("ok");
            await ServesAsync(_content);
        });
        await app.ReleasedAsync(commit);
        return seconds;
    }

    private async Task WayBackAsync()
    {
        var good = _content;
        var commit = await PushAsync("broken");
        while (await ContentAsync() == good) { await PauseAsync(); }
        var gone = TimeProvider.System.GetUtcNow();
        await ServesAsync(good);
        var back = TimeProvider.System.GetUtcNow();
        await app.ReleasedAsync(commit, "RolledBack");
        var judged = await UnhealthyAsync(gone, back);
        _window.Add((judged - gone).TotalSeconds);
        _wayBack.Add((back - judged).TotalSeconds);
    }

    /// <summary>When docker found the container unhealthy: before that nobody knows.</summary>
    private static async Task<DateTimeOffset> UnhealthyAsync(DateTimeOffset since, DateTimeOffset until)
    {
        static string Seconds(DateTimeOffset time) => (time.ToUnixTimeMilliseconds() / 1000.0).ToString(CultureInfo.InvariantCulture);
        var events = await Command.OutputAsync("docker", ["events", "--since", Seconds(since), "--until", Seconds(until), "--filter", "event=health_status: unhealthy", "--format", "{{.TimeNano}}"]);
        return DateTimeOffset.UnixEpoch.AddTicks(long.Parse(events.Split('\n')[0], CultureInfo.InvariantCulture) / TimeSpan.NanosecondsPerTick);
    }

    private async Task<double> StartWithACommitAsync()
    {
        await _service.StopAsync();
        return await ServesAfterTheStartAsync(await PushAsync("ok"));
    }

    private async Task<double> KilledAsync(TimeSpan after)
    {
        var commit = await PushAsync("ok");
        await Task.Delay(after, TimeProvider.System);
        await _service.KillAsync();
        return await ServesAfterTheStartAsync(commit);
    }

    private async Task<double> ServesAfterTheStartAsync(string commit)
    {
        var seconds = await Figure.SecondsOfAsync(async () =>
        {
            _service = await app.StartServiceAsync();
            await ServesAsync(_content);
        });
        await app.ReleasedAsync(commit);
        return seconds;
    }

    private Task<string> PushAsync(string status)
    {
        _content = $"{Guid.NewGuid():N}";
        return app.PushAsync(("web/content.txt", _content + "\n"), ("web/status", status + "\n"));
    }

    private async Task ServesAsync(string content)
    {
        while (await ContentAsync() != content) { await PauseAsync(); }
    }

    private async Task<string?> ContentAsync()
    {
        try { return (await app.GetAsync("/version")).Trim().Split('\n')[^1]; }
        catch (HttpRequestException) { return null; }
    }

    private static Task PauseAsync() => Task.Delay(TimeSpan.FromMilliseconds(20), TimeProvider.System);
}

using System.Text.Json;
using WatchParty.Worker.Triggering;

namespace WatchParty.Worker.Tests.Triggering;

public sealed class DropFileWatcherTests : IAsyncDisposable
{
    private readonly DropFileBench _bench = new();

    public ValueTask DisposeAsync() => _bench.DisposeAsync();

    [Fact]
    public async Task A_touched_flag_is_worked_for_then_its_result_is_there_and_it_is_gone()
    {
        _ = _bench.Start();
        await DropFileBench.Pause(300);
        DropFileBench.Touch(_bench.Clear);
        await _bench.UntilGone(_bench.Clear);

        var (request, _) = Assert.Single(_bench.Handled);
        Assert.Equal(DropFileKind.ClearCache, request.Kind);
        Assert.Equal(["all"], request.Targets);
        var result = DropFileBench.Result(_bench.ClearResult);
        Assert.Equal(["outcome", "targets", "freedBytes", "error", "startedAt", "endedAt"], result.EnumerateObject().Select(p => p.Name));
        Assert.Equal("Done", result.GetProperty("outcome").GetString());
        Assert.Equal(42, result.GetProperty("freedBytes").GetInt64());
        Assert.Equal(JsonValueKind.Null, result.GetProperty("error").ValueKind);
        Assert.True(result.GetProperty("startedAt").GetDateTimeOffset() <= result.GetProperty("endedAt").GetDateTimeOffset());
        Assert.Equal("-rw-r--r--", DropFileBench.Run("stat", "-c", "%A", _bench.ClearResult).Trim());
        Assert.Equal([_bench.ClearResult], Directory.GetFileSystemEntries(_bench.Folder));
        await _bench.StopAsync();
    }

    [Fact]
    public async Task Events_of_the_folder_bring_the_work_without_waiting_for_the_periodic_look()
    {
        _bench.LookEvery = TimeSpan.FromHours(1);
        _ = _bench.Start();
        await DropFileBench.Pause(500);
        DropFileBench.Touch(_bench.Clear);
        await _bench.UntilGone(_bench.Clear);
        File.WriteAllText(_bench.Rebuild, "");
        await _bench.UntilGone(_bench.Rebuild);
        Assert.Equal([DropFileKind.ClearCache, DropFileKind.ForceRebuild], _bench.Handled.Select(h => h.Request.Kind));
    }

    [Fact]
    public async Task Flags_found_at_the_start_count_and_the_clear_comes_first()
    {
        File.WriteAllText(_bench.Rebuild, "");
        File.WriteAllText(_bench.Clear, " frontend, backend,frontend\r\nanything else\n");
        _ = _bench.Start();
        await _bench.UntilGone(_bench.Rebuild);
        Assert.Equal([DropFileKind.ClearCache, DropFileKind.ForceRebuild], _bench.Handled.Select(h => h.Request.Kind));
        Assert.Equal(["frontend", "backend"], _bench.Handled.First().Request.Targets);
        Assert.Equal("Done", DropFileBench.Result(_bench.RebuildResult).GetProperty("outcome").GetString());
    }

    [Fact]
    public async Task The_flag_stays_until_its_work_is_done_and_its_result_is_written()
    {
        var release = new TaskCompletionSource();
        _bench.Work = async (r, _) =>
        {
            await release.Task;
            return new DropFileResult("Done", r.Targets, 0, null);
        };
        DropFileBench.Touch(_bench.Clear);
        _ = _bench.Start();
        await _bench.Until(() => !_bench.Handled.IsEmpty, "the work began");
        await DropFileBench.Pause();
        Assert.True(File.Exists(_bench.Clear));
        Assert.False(File.Exists(_bench.ClearResult));
        Assert.Equal(Timeout.InfiniteTimeSpan, _bench.Expectations.Last());

        release.SetResult();
        await _bench.UntilGone(_bench.Clear);
        Assert.True(File.Exists(_bench.ClearResult));
        Assert.Single(_bench.Handled);
        await _bench.Until(() => _bench.Expectations.Last() != Timeout.InfiniteTimeSpan, "the loop promises to report again");
    }

    [Theory]
    [InlineData("touch")]
    [InlineData("write")]
    [InlineData("replace")]
    [InlineData("recreate")]
    [InlineData("old time")]
    public async Task A_touch_during_the_work_brings_exactly_one_more(string how)
    {
        var release = new TaskCompletionSource();
        _bench.Work = async (r, _) =>
        {
            if (_bench.Handled.Count == 1) { await release.Task; }
            return new DropFileResult("Done", r.Targets, 0, null);
        };
        DropFileBench.Run("touch", "-d", "2020-01-01", _bench.Clear);
        _ = _bench.Start();
        await _bench.Until(() => _bench.Handled.Count == 1, "the work began");
        switch (how)
        {
            case "touch": DropFileBench.Touch(_bench.Clear); break;
            case "write": File.WriteAllText(_bench.Clear, "backend"); break;
            case "old time": DropFileBench.Run("touch", "-d", "2020-01-01", _bench.Clear); break;
            case "recreate":
                File.Delete(_bench.Clear);
                DropFileBench.Run("touch", "-d", "2020-01-01", _bench.Clear);
                break;
            default:
                File.WriteAllText(_bench.Clear + ".new", "backend");
                File.Move(_bench.Clear + ".new", _bench.Clear, overwrite: true);
                break;
        }
        release.SetResult();
        await _bench.UntilGone(_bench.Clear);
        await DropFileBench.Pause();
        Assert.Equal(2, _bench.Handled.Count);
        Assert.Equal(how is "write" or "replace" ? "backend" : "all", Assert.Single(_bench.Handled.Last().Request.Targets));
    }

    [Fact]
    public async Task A_thousand_touches_bring_one_or_two_works_and_the_last_starts_after_the_last_touch()
    {
        _ = _bench.Start();
        await DropFileBench.Pause(300);
        DropFileBench.Run("bash", "-c", $"for ((i = 0; i < 1000; i++)); do : > '{_bench.Clear}'; done");
        var lastTouch = TimeProvider.System.GetUtcNow().UtcDateTime;
        await _bench.Until(() => _bench.Handled.LastOrDefault().StartedAt > lastTouch, "work began after the last touch");
        await _bench.UntilGone(_bench.Clear);
        await DropFileBench.Pause();
        Assert.InRange(_bench.Handled.Count, 1, 2);
    }

    [Fact]
    public async Task No_touch_is_lost_when_works_and_touches_race()
    {
        _ = _bench.Start();
        await DropFileBench.Pause(300);
        for (var i = 0; i < 40; i++)
        {
            // The second touch falls about where the first one's work ends and its flag is removed.
            DropFileBench.Run("bash", "-c", $"echo first{i} > '{_bench.Clear}'; sleep 0.{Random.Shared.Next(95, 125):D3}; echo second{i} > '{_bench.Clear}'");
            await _bench.UntilGone(_bench.Clear);
            Assert.Equal([$"second{i}"], _bench.Handled.Last().Request.Targets);
        }
        Assert.Equal([_bench.ClearResult], Directory.GetFileSystemEntries(_bench.Folder));
    }

    [Fact]
    public async Task A_flag_touched_without_end_is_worked_for_nevertheless()
    {
        using var stop = new CancellationTokenSource();
        var touching = Task.Run(async () =>
        {
            while (!stop.IsCancellationRequested)
            {
                File.WriteAllText(_bench.Clear, "");
                await DropFileBench.Pause(10);
            }
        });
        _ = _bench.Start();
        await _bench.Until(() => !_bench.Handled.IsEmpty, "the work began");
        await stop.CancelAsync();
        await touching;
        await _bench.UntilGone(_bench.Clear);
    }

    [Fact]
    public async Task Cancelled_work_leaves_the_flag_for_the_next_start()
    {
        _bench.Work = async (_, token) =>
        {
            await Task.Delay(Timeout.InfiniteTimeSpan, TimeProvider.System, token);
            throw new InvalidOperationException();
        };
        File.WriteAllText(_bench.Clear, "backend");
        _ = _bench.Start();
        await _bench.Until(() => !_bench.Handled.IsEmpty, "the work began");
        await _bench.StopAsync();
        Assert.Equal("backend", File.ReadAllText(_bench.Clear));
        Assert.False(File.Exists(_bench.ClearResult));
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task Work_that_throws_is_a_result_with_its_error(bool cancelledByItself)
    {
        _bench.Work = (_, _) => throw (cancelledByItself ? new TaskCanceledException("a limit of its own") : new InvalidOperationException("the engine is gone"));
        DropFileBench.Touch(_bench.Clear);
        _ = _bench.Start();
        await _bench.UntilGone(_bench.Clear);
        var result = DropFileBench.Result(_bench.ClearResult);
        Assert.Equal("Failed", result.GetProperty("outcome").GetString());
        Assert.Equal(cancelledByItself ? "a limit of its own" : "the engine is gone", result.GetProperty("error").GetString());
        Assert.Single(_bench.Handled);
        await _bench.StopAsync();
    }

    [Fact]
    public async Task What_the_handler_refuses_is_the_result()
    {
        _bench.Work = (r, _) => Task.FromResult(new DropFileResult("Refused", r.Targets, 0, "There is no service nginx"));
        File.WriteAllText(_bench.Clear, "nginx\n");
        _ = _bench.Start();
        await _bench.UntilGone(_bench.Clear);
        Assert.Equal("There is no service nginx", DropFileBench.Result(_bench.ClearResult).GetProperty("error").GetString());
    }

    [Fact]
    public async Task A_flag_that_a_killed_worker_had_moved_aside_counts()
    {
        File.WriteAllText(Path.Combine(_bench.Folder, ".clear-cache.flag.claimed"), "backend");
        _ = _bench.Start();
        await _bench.Until(() => File.Exists(_bench.ClearResult), "the result is there");
        await _bench.UntilGone(_bench.Clear);
        Assert.Equal(["backend"], Assert.Single(_bench.Handled).Request.Targets);
        Assert.Equal([_bench.ClearResult], Directory.GetFileSystemEntries(_bench.Folder));
    }
}

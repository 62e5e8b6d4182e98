using System.Text.Json;
using WatchParty.Tools.Configuration;
using WatchParty.Worker.Triggering;

namespace WatchParty.Worker.Tests.Triggering;

public sealed class DropFileWatcherTests : DropFileTests
{
    [Fact]
    public async Task A_touched_flag_is_worked_for_then_its_result_is_there_and_it_is_gone()
    {
        _ = Bench.Start();
        await DropFileBench.Pause(300);
        DropFileBench.Touch(Bench.Clear);
        await Bench.UntilGone(Bench.Clear);

        var (request, _) = Assert.Single(Bench.Handled);
        Assert.Equal(DropFileKind.ClearCache, request.Kind);
        Assert.Equal(["all"], request.Targets);
        var result = DropFileBench.Result(Bench.ClearResult);
        Assert.Equal(["outcome", "targets", "freedBytes", "error", "startedAt", "endedAt"], result.EnumerateObject().Select(p => p.Name));
        Assert.Equal("Done", result.GetProperty("outcome").GetString());
        Assert.Equal(42, result.GetProperty("freedBytes").GetInt64());
        Assert.Equal(JsonValueKind.Null, result.GetProperty("error").ValueKind);
        Assert.True(result.GetProperty("startedAt").GetDateTimeOffset() <= result.GetProperty("endedAt").GetDateTimeOffset());
        Assert.Equal("-rw-r--r--", DropFileBench.Run("stat", "-c", "%A", Bench.ClearResult).Trim());
        Assert.Equal([Bench.ClearResult], Directory.GetFileSystemEntries(Bench.Folder));
        await Bench.StopAsync();
    }

    [Fact]
    public async Task Events_of_the_folder_bring_the_work_without_waiting_for_the_periodic_look()
    {
        Bench.LookEvery = TimeSpan.FromHours(1);
        _ = Bench.Start();
        await DropFileBench.Pause(500);
        DropFileBench.Touch(Bench.Clear);
        await Bench.UntilGone(Bench.Clear);
        File.WriteAllText(Bench.Rebuild, "");
        await Bench.UntilGone(Bench.Rebuild);
        Assert.Equal([DropFileKind.ClearCache, DropFileKind.ForceRebuild], Bench.Handled.Select(h => h.Request.Kind));
    }

    [Fact]
    public async Task Flags_found_at_the_start_count_and_the_clear_comes_first()
    {
        File.WriteAllText(Bench.Rebuild, "");
        File.WriteAllText(Bench.Clear, " frontend, backend,frontend\r\nanything else\n");
        _ = Bench.Start();
        await Bench.UntilGone(Bench.Rebuild);
        Assert.Equal([DropFileKind.ClearCache, DropFileKind.ForceRebuild], Bench.Handled.Select(h => h.Request.Kind));
        Assert.Equal(["frontend", "backend"], Bench.Handled.First().Request.Targets);
        Assert.Equal("Done", DropFileBench.Result(Bench.RebuildResult).GetProperty("outcome").GetString());
    }

    [Fact]
    public async Task The_flag_stays_until_its_work_is_done_and_its_result_is_written()
    {
        var release = new TaskCompletionSource();
        Bench.Work = async (r, _) =>
        {
            await release.Task;
            return new DropFileResult("Done", r.Targets, 0, null);
        };
        DropFileBench.Touch(Bench.Clear);
        _ = Bench.Start();
        await Bench.Until(() => !Bench.Handled.IsEmpty, "the work began");
        await DropFileBench.Pause();
        Assert.True(File.Exists(Bench.Clear));
        Assert.False(File.Exists(Bench.ClearResult));
        Assert.Equal(Timeout.InfiniteTimeSpan, Bench.Expectations.Last());

        release.SetResult();
        await Bench.UntilGone(Bench.Clear);
        Assert.True(File.Exists(Bench.ClearResult));
        Assert.Single(Bench.Handled);
        await Bench.Until(() => Bench.Expectations.Last() != Timeout.InfiniteTimeSpan, "the loop promises to report again");
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
        Bench.Work = async (r, _) =>
        {
            if (Bench.Handled.Count == 1) { await release.Task; }
            return new DropFileResult("Done", r.Targets, 0, null);
        };
        DropFileBench.Run("touch", "-d", "2020-01-01", Bench.Clear);
        _ = Bench.Start();
        await Bench.Until(() => Bench.Handled.Count == 1, "the work began");
        switch (how)
        {
            case "touch": DropFileBench.Touch(Bench.Clear); break;
            case "write": File.WriteAllText(Bench.Clear, "backend"); break;
            case "old time": DropFileBench.Run("touch", "-d", "2020-01-01", Bench.Clear); break;
            case "recreate":
                File.Delete(Bench.Clear);
                DropFileBench.Run("touch", "-d", "2020-01-01", Bench.Clear);
                break;
            default:
                File.WriteAllText(Bench.Clear + ".new", "backend");
                File.Move(Bench.Clear + ".new", Bench.Clear, overwrite: true);
                break;
        }
        release.SetResult();
        await Bench.UntilGone(Bench.Clear);
        await DropFileBench.Pause();
        Assert.Equal(2, Bench.Handled.Count);
        Assert.Equal(how is "write" or "replace" ? "backend" : "all", Assert.Single(Bench.Handled.Last().Request.Targets));
    }

    [Fact]
    public async Task A_thousand_touches_bring_one_or_two_works_and_the_last_starts_after_the_last_touch()
    {
        _ = Bench.Start();
        await DropFileBench.Pause(300);
        DropFileBench.Run("bash", "-c", $"for ((i = 0; i < 1000; i++)); do : > '{Bench.Clear}'; done");
        var lastTouch = TimeProvider.System.GetUtcNow().UtcDateTime;
        await Bench.Until(() => Bench.Handled.LastOrDefault().StartedAt > lastTouch, "work began after the last touch");
        await Bench.UntilGone(Bench.Clear);
        await DropFileBench.Pause();
        Assert.InRange(Bench.Handled.Count, 1, 2);
    }

    [Fact]
    public async Task No_touch_is_lost_when_works_and_touches_race()
    {
        _ = Bench.Start();
        await DropFileBench.Pause(300);
        for (var i = 0; i < 40; i++)
        {
            // The second touch falls about where the first one's work ends and its flag is removed.
            DropFileBench.Run("bash", "-c", $"echo first{i} > '{Bench.Clear}'; sleep 0.{Random.Shared.Next(95, 125):D3}; echo second{i} > '{Bench.Clear}'");
            // For a moment the flag is moved aside, touched or not, so that it is gone says nothing about the second one yet.
            await Bench.Until(() => Bench.Handled.LastOrDefault().Request?.Targets is [var target] && target == $"second{i}", "the second touch was worked for");
            await Bench.UntilGone(Bench.Clear);
        }
        await Bench.Until(() => Directory.GetFileSystemEntries(Bench.Folder) is [var only] && only == Bench.ClearResult, "nothing but the result is left");
    }

    [Fact]
    public async Task A_flag_touched_without_end_is_worked_for_nevertheless()
    {
        using var stop = new CancellationTokenSource();
        var touching = Task.Run(async () =>
        {
            while (!stop.IsCancellationRequested)
            {
                File.WriteAllText(Bench.Clear, "");
                await DropFileBench.Pause(10);
            }
        });
        _ = Bench.Start();
        await Bench.Until(() => !Bench.Handled.IsEmpty, "the work began");
        await stop.CancelAsync();
        await touching;
        await Bench.UntilGone(Bench.Clear);
    }

    [Fact]
    public async Task Cancelled_work_leaves_the_flag_for_the_next_start()
    {
        Bench.Work = async (_, token) =>
        {
            await Task.Delay(Timeout.InfiniteTimeSpan, TimeProvider.System, token);
            throw new InvalidOperationException();
        };
        File.WriteAllText(Bench.Clear, "backend");
        _ = Bench.Start();
        await Bench.Until(() => !Bench.Handled.IsEmpty, "the work began");
        await Bench.StopAsync();
        Assert.Equal("backend", File.ReadAllText(Bench.Clear));
        Assert.False(File.Exists(Bench.ClearResult));
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task Work_that_throws_is_a_result_with_its_error(bool cancelledByItself)
    {
        Bench.Work = (_, _) => throw (cancelledByItself ? new TaskCanceledException("a limit of its own") : new InvalidOperationException("the engine is gone"));
        DropFileBench.Touch(Bench.Clear);
        _ = Bench.Start();
        await Bench.UntilGone(Bench.Clear);
        var result = DropFileBench.Result(Bench.ClearResult);
        Assert.Equal("Failed", result.GetProperty("outcome").GetString());
        Assert.Equal(cancelledByItself ? "a limit of its own" : "the engine is gone", result.GetProperty("error").GetString());
        Assert.Single(Bench.Handled);
        await Bench.StopAsync();
    }

    [Fact]
    public async Task What_the_handler_refuses_is_the_result()
    {
        Bench.Work = (r, _) => Task.FromResult(new DropFileResult("Refused", r.Targets, 0, "There is no service nginx"));
        File.WriteAllText(Bench.Clear, "nginx\n");
        _ = Bench.Start();
        await Bench.UntilGone(Bench.Clear);
        Assert.Equal("There is no service nginx", DropFileBench.Result(Bench.ClearResult).GetProperty("error").GetString());
    }

    [Fact]
    public async Task A_flag_that_a_killed_worker_had_moved_aside_counts()
    {
        File.WriteAllText(Path.Combine(Bench.Folder, ".clear-cache.flag.claimed"), "backend");
        _ = Bench.Start();
        await Bench.Until(() => File.Exists(Bench.ClearResult), "the result is there");
        await Bench.UntilGone(Bench.Clear);
        Assert.Equal(["backend"], Assert.Single(Bench.Handled).Request.Targets);
        Assert.Equal([Bench.ClearResult], Directory.GetFileSystemEntries(Bench.Folder));
    }
}

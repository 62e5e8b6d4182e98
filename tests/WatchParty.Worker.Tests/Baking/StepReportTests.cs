using System.Text;
using WatchParty.Releases.Baking;
using WatchParty.Releases.Recording;

namespace WatchParty.Worker.Tests.Baking;

public sealed class StepReportTests
{
    private static readonly string[] Multi = ["backend", "celery", "frontend"];

    [Theory]
    [InlineData("multi-cold", 0, 0, 0)]
    [InlineData("multi-no-cache", 0, 0, 0)]
    [InlineData("multi-no-cache-containerd", 0, 0, 0)] // the losers of a merge end as cached, one even with an error
    [InlineData("multi-cached", 8, 8, 4)]
    [InlineData("multi-commit", 6, 6, 3)]
    public async Task Every_step_of_every_target_has_run_or_was_cached(string trace, int backend, int celery, int frontend)
    {
        var report = await Trace.ReportAsync(trace, Multi);
        Assert.Equal([(8, backend), (8, celery), (4, frontend)], Multi.Select(t => Count(report, t)));
        Assert.All(Multi.SelectMany(report.StepsOf), s => Assert.True(s.State is StepState.Cached or StepState.Executed, s.ToString()));
        Assert.Null(report.FirstFailure);
        Assert.Empty(report.Text);
    }

    [Theory]
    [InlineData("single-cold", 0)]
    [InlineData("single-cached", 2)]
    [InlineData("single-no-cache", 0)]
    public async Task One_target_has_no_prefix(string trace, int cached)
    {
        var report = await Trace.ReportAsync(trace, "web.app");
        Assert.Equal((2, cached), Count(report, "web.app"));
        Assert.Equal([("web.app", "", 2, 3, "RUN"), ("web.app", "", 3, 3, "COPY")], report.StepsOf("web.app").Select(s => (s.Target, s.Stage, s.Number, s.Of, s.Instruction)));
    }

    [Fact]
    public async Task Steps_come_stage_by_stage_under_their_own_names()
    {
        var report = await Trace.ReportAsync("multi-no-cache", Multi);
        foreach (var target in new[] { "backend", "celery" })
        {
            Assert.Equal(
                ["deps 3/4 COPY", "deps 4/4 RUN", "builder 3/5 COPY", "builder 4/5 COPY", "builder 5/5 RUN", "stage-2 3/5 COPY", "stage-2 4/5 RUN", "stage-2 5/5 ADD"],
                report.StepsOf(target).Select(s => $"{s.Stage} {s.Number}/{s.Of} {s.Instruction}"));
        }
        var run = report.StepsOf("backend")[1];
        Assert.Equal("RUN sleep 0.3 && cp requirements.txt installed.txt", run.Text);
        Assert.InRange(run.Elapsed, TimeSpan.FromSeconds(0.3), TimeSpan.FromSeconds(3));
        Assert.Equal(["compiling ünï 1"], report.StepsOf("celery")[4].LogTail);
    }

    [Fact]
    public async Task The_first_failure_has_its_last_lines_and_what_it_stopped_is_no_failure()
    {
        foreach (var (trace, targets) in new[] { ("multi-failing", new[] { "bad", "frontend" }), ("single-failing", ["bad"]) })
        {
            var report = await Trace.ReportAsync(trace, targets);
            var failure = report.FirstFailure!;
            Assert.Equal(("bad", "stage-1", 3, 5, "RUN", StepState.Failed), (failure.Target, failure.Stage, failure.Number, failure.Of, failure.Instruction, failure.State));
            Assert.EndsWith("did not complete successfully: exit code: 3", failure.Error, StringComparison.Ordinal);
            Assert.Equal(20, failure.LogTail.Count);
            Assert.Equal(("test 7", "broken"), (failure.LogTail[0], failure.LogTail[^1]));
            var steps = report.StepsOf("bad");
            Assert.Equal(StepState.Canceled, steps.Single(s => s.Stage == "slow").State);
            Assert.Equal([StepState.Pending, StepState.Pending], steps.Where(s => s.Number > 3).Select(s => s.State));
            Assert.Contains("ERROR: failed to solve", report.Text[^1], StringComparison.Ordinal);
            Assert.Contains("5 | >>> RUN for i", string.Join('\n', report.Text), StringComparison.Ordinal);
        }
    }

    [Fact]
    public async Task A_failure_that_is_no_step_has_the_name_of_what_failed()
    {
        var report = await Trace.ReportAsync("missing-base", "web");
        Assert.Equal((0, "load metadata for localhost:1/nothing:1"), (report.FirstFailure!.Number, report.FirstFailure.Text));
        Assert.Empty(report.StepsOf("web"));
    }

    [Fact]
    public async Task Cache_sources_that_cannot_be_read_are_no_failure()
    {
        var report = await Trace.ReportAsync("import-error", "backend", "web");
        Assert.Null(report.FirstFailure);
        Assert.Equal(["localhost:1/cache:1", "localhost:1/cache:2"], report.CacheImportErrors.Select(e => e[..19]));
        Assert.Equal((8, 0), Count(report, "backend"));
    }

    [Fact]
    public async Task A_shared_step_is_counted_though_it_bears_the_name_of_the_other_stage()
    {
        var report = await Trace.ReportAsync("same", "one", "two");
        Assert.Equal((3, 0), Count(report, "one"));
        Assert.Equal((4, 0), Count(report, "two"));
    }

    [Fact]
    public async Task Heredocs_links_and_linked_targets_are_counted_once()
    {
        Assert.Equal((4, 0), Count(await Trace.ReportAsync("heredoc", "web"), "web"));
        Assert.Equal((9, 4), Count(await Trace.ReportAsync("linked", "next"), "next"));
    }

    [Theory]
    [InlineData("[backend builder  4/12] RUN x y", "backend", "", "builder", 4, 12, "RUN x y")]
    [InlineData("[backend linux/amd64 builder 4/4] RUN x", "backend", "linux/amd64", "builder", 4, 4, "RUN x")]
    [InlineData("[linux/arm/v7->arm64 stage-0 1/4] FROM x", "", "linux/arm/v7->arm64", "stage-0", 1, 4, "FROM x")]
    [InlineData("[backend 2/4] RUN x", "backend", "", "", 2, 4, "RUN x")]
    [InlineData("[other 2/4] RUN x", "", "", "other", 2, 4, "RUN x")]
    [InlineData("[other x 2/4] RUN x", "other", "", "x", 2, 4, "RUN x")]
    [InlineData("[backend internal] load build context", "backend", "", "internal", 0, 0, "load build context")]
    [InlineData("[a_b] exporting to image", "a_b", "", "", 0, 0, "exporting to image")]
    [InlineData("[internal] load [x] y", "", "", "internal", 0, 0, "load [x] y")]
    [InlineData("exporting to image", "", "", "", 0, 0, "exporting to image")]
    [InlineData("[] x", "", "", "", 0, 0, "x")]
    [InlineData("[x", "", "", "", 0, 0, "[x")]
    public void Names_are_taken_apart(string name, string target, string platform, string stage, int number, int of, string text) =>
        Assert.Equal(new StepName(target, platform, stage, number, of, text), StepName.Parse(name, ["backend", "a_b"]));

    [Theory]
    [InlineData("[1/2] RUN x", true)]
    [InlineData("[2/2] ONBUILD COPY x y", true)]
    [InlineData("[2/2] ADD x y", true)]
    [InlineData("[1/2] FROM x", false)]
    [InlineData("[1/2] WORKDIR /x", false)]
    [InlineData("[1/2] LINK COPY x y", false)]
    [InlineData("[internal] RUN", false)]
    [InlineData("RUN x", false)]
    public void Only_run_copy_and_add_are_counted(string name, bool counted) => Assert.Equal(counted, StepName.Parse(name, ["x"]).IsCounted);

    [Fact]
    public void Elapsed_is_the_sum_of_all_runs()
    {
        var report = Report("a", Started("1", "[2/2] RUN x", 0), Ended("1", "[2/2] RUN x", 0, 2), Started("1", "[2/2] RUN x", 10), Ended("1", "[2/2] RUN x", 10, 15), Ended("1", "[2/2] RUN x", 10, 15));
        Assert.Equal((StepState.Executed, TimeSpan.FromSeconds(7)), (report.StepsOf("a")[0].State, report.StepsOf("a")[0].Elapsed));
    }

    [Fact]
    public void A_step_that_waits_is_pending_and_gets_no_twin_of_a_build_that_failed()
    {
        TraceEvent[] build = [Waiting("1", "[a s 2/3] RUN x"), Waiting("2", "[b t 2/3] RUN x"), Ended("2", "[b t 2/3] RUN x", 0, 1)];
        Assert.Equal(StepState.Executed, Report("a,b", build).StepsOf("a")[0].State);
        var failed = new VertexEvent("3", "[a s 3/3] RUN y", [], At(0), At(1), false, "exit code: 1");
        Assert.Equal(StepState.Pending, Report("a,b", [.. build, failed]).StepsOf("a")[0].State);
    }

    [Fact]
    public void A_command_that_speaks_of_cancellation_has_failed()
    {
        var report = Report("a", new VertexEvent("1", "[2/2] RUN x", [], At(0), At(1), false, "process \"/bin/sh -c echo context canceled\" did not complete successfully: exit code: 1"));
        Assert.Equal(StepState.Failed, report.FirstFailure!.State);
        Assert.Null(Report("a", new VertexEvent("1", "[2/2] RUN x", [], At(0), At(1), false, "context canceled")).FirstFailure);
    }

    [Fact]
    public void Base_images_have_the_digest_they_were_resolved_to()
    {
        var report = Report("a", Started("1", "[s 1/2] FROM docker.io/library/python:3.12@sha256:abc", 0), Started("2", "[t 1/2] FROM docker.io/library/local:1", 0));
        Assert.Equal(new Dictionary<string, string> { ["docker.io/library/python:3.12"] = "sha256:abc" }, report.BaseDigests);
    }

    [Fact]
    public void Lines_are_put_together_and_progress_bars_shown_as_they_ended()
    {
        var report = Report("a", Started("1", "[2/2] RUN x", 0), Log("10%\r50%"), Log("\r100%\r\nc"), Log("af\u00c3"), Log("\u00a9\nopen"));
        Assert.Equal(["100%", "café", "open"], report.StepsOf("a")[0].LogTail);
    }

    [Fact]
    public void Of_a_large_chunk_the_last_lines_stay_as_if_it_had_come_in_parts()
    {
        var text = string.Concat(Enumerable.Range(0, 1000).Select(i => $"{i}\n")) + "open";
        var whole = Report("a", Started("1", "[2/2] RUN x", 0), Log("before"), Log(text));
        var parts = Report("a", [Started("1", "[2/2] RUN x", 0), Log("before"), .. text.Chunk(7).Select(c => Log(new string(c)))]);
        Assert.Equal([.. Enumerable.Range(981, 19).Select(i => $"{i}"), "open"], whole.StepsOf("a")[0].LogTail);
        Assert.Equal(whole.StepsOf("a")[0].LogTail, parts.StepsOf("a")[0].LogTail);
        // Twenty lines and no more: the first of them still begins with what stood open.
        var few = Report("a", Started("1", "[2/2] RUN x", 0), Log("before "), Log(string.Concat(Enumerable.Range(0, 20).Select(i => $"{i}\n"))));
        Assert.Equal("before 0", few.StepsOf("a")[0].LogTail[0]);
        var empty = Report("a", Started("1", "[2/2] RUN x", 0), Log("before"), Log("\nafter\n"), Log(new string('x', 5000)), Log("y\n"));
        Assert.Equal(["before", "after", new string('x', 4096)], empty.StepsOf("a")[0].LogTail);
    }

    private static (int Total, int Cached) Count(StepReport report, string target) =>
        (report.StepsOf(target).Count, report.StepsOf(target).Count(s => s.State == StepState.Cached));

    private static StepReport Report(string targets, params TraceEvent[] events)
    {
        var report = new StepReport(targets.Split(','));
        foreach (var traceEvent in events) { report.Add(traceEvent); }
        return report;
    }

    private static VertexEvent Waiting(string digest, string name) => new(digest, name, [], null, null, false, null);

    private static VertexEvent Started(string digest, string name, int start) => new(digest, name, [], At(start), null, false, null);

    private static VertexEvent Ended(string digest, string name, int start, int end) => new(digest, name, [], At(start), At(end), false, null);

    private static LogEvent Log(string text) => new("1", 1, Encoding.Latin1.GetBytes(text));

    private static DateTimeOffset At(int second) => DateTimeOffset.UnixEpoch.AddSeconds(second);
}

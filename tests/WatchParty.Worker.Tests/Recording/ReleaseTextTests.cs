using Spectre.Console;
using WatchParty.Releases.Planning;
using WatchParty.Releases.Recording;
using WatchParty.Tools.Configuration;
using WatchParty.Worker.Cli;

namespace WatchParty.Worker.Tests.Recording;

public sealed class ReleaseTextTests
{
    private static readonly ReleaseReport Report = new(
        "7", "0123456789abcdef0123456789abcdef01234567", null, "poll", ReleaseOutcome.Succeeded,
        [
            new ServiceReport("backend", ServiceAction.Built, "backend/app.py changed", false, new StepCounts(13, 9, 4), 7.94, "sha256:1", []),
            new ServiceReport("web", ServiceAction.Built, "its cache was cleared", true, new StepCounts(4, 0, 4), 3, "sha256:2", []),
            new ServiceReport("redis", ServiceAction.Unchanged, "it is not built here", false, StepCounts.None, 0, null, []),
        ],
        new PhaseSeconds(0.1, 0.2, 8, 1.1, 2, 11.4), null, Notes: ["a note"], Log: "/var/lib/watchparty/logs/release-7.log");

    private static string[] Lines(ReleaseReport report) => ReleaseText.Of(report).Split(Environment.NewLine);

    [Fact]
    public void Release_ThatSucceeded_IsOneLineAndOneForEachServiceAndNote() => Assert.Equal(
        [
            "Release 7 of commit 0123456: Succeeded in 11.4 s (poll)",
            "  backend  Built      9/13 steps cached, 7.9 s; backend/app.py changed",
            "  web      Built      0/4 steps cached, 3.0 s, fresh; its cache was cleared",
            "  redis    Unchanged  it is not built here",
            "  note: a note",
        ],
        Lines(Report));

    [Fact]
    public void Release_ThatWasWatched_SaysForHowLongTheSiteGaveNoAnswer() => Assert.Equal(
        [
            "  http://127.0.0.1:1/ answered all the time",
            "  http://127.0.0.1:2/ gave no answer for 1.3 s",
            "  http://127.0.0.1:3/ gave no answer for 1.3 s, 0.9 s in one piece",
        ],
        Lines((Report with { Services = [], Notes = null }).WithUnanswered(new Dictionary<string, Unanswered>
        {
            ["http://127.0.0.1:1/"] = new(0, 0),
            ["http://127.0.0.1:2/"] = new(1.3, 1.3),
            ["http://127.0.0.1:3/"] = new(1.3, 0.9),
        }))[1..]);

    [Fact]
    public void Release_ThatFailed_EndsWithTheErrorIndentedAndTheLog() => Assert.Equal(
        ["Release 7 of commit 0123456: BuildFailed in 11.4 s (poll)", "  error: backend: step failed", "      its log", "  log: /var/lib/watchparty/logs/release-7.log"],
        Lines(Report with { Outcome = ReleaseOutcome.BuildFailed, Error = "backend: step failed\n    its log", Services = [], Notes = null }));

    [Fact]
    public void Release_OfNothing_IsOneLine() =>
        Assert.Equal("Nothing to do: commit 0123456 is deployed.", ReleaseText.Of(Report with { Outcome = ReleaseOutcome.NothingToDo }));

    [Fact]
    public void Release_OfAQuarantinedCommit_IsOneLineWithTheReason() =>
        Assert.Equal("Quarantined: it failed", ReleaseText.Of(Report with { Outcome = ReleaseOutcome.Quarantined, Error = "it failed" }));

    [Fact]
    public void Table_ShowsWhatWasBuiltAndWhatIsUnderWay()
    {
        using var writer = new StringWriter();
        var console = AnsiConsole.Create(new AnsiConsoleSettings { Ansi = AnsiSupport.No, ColorSystem = ColorSystemSupport.NoColors, Out = new AnsiConsoleOutput(writer) });
        console.Profile.Width = 400;
        console.Write(ReleaseTable.Of([Report with { Trigger = "once by [ann]" }, Report with { Release = "8", State = ReleaseState.Building, Services = [] }]));

        var rows = writer.ToString().Split('\n').Select(l => l.Split('│', StringSplitOptions.TrimEntries)).Where(c => c.Length > 5).ToList();
        Assert.Equal(["release", "when", "commit", "trigger", "outcome", "built", "cached/steps", "seconds"], rows[0]);
        Assert.Equal(["7", "", "0123456", "once by [ann]", "Succeeded", "backend, web (fresh)", $"{Bar.Of(9, 17)} 9/17", "11.4"], rows[1]);
        Assert.Equal(["8", "", "0123456", "poll", "Building…", "-", "-", "11.4"], rows[2]);
    }

    [Theory]
    [InlineData(0, "0.0 kB")]
    [InlineData(1_500, "1.5 kB")]
    [InlineData(2_500_000, "2.5 MB")]
    [InlineData(3_240_000_000, "3.2 GB")]
    public void Bytes_AreShownInTheUnitThatFits(long bytes, string text) => Assert.Equal(text, ByteSize.Words(bytes));

    [Fact]
    public void Document_IsIndentedAndKeepsItsText() => Assert.Equal("{\n  \"a\": \"ü <b>\"\n}", Output.Indented("{\"a\":\"ü <b>\"}").ReplaceLineEndings("\n"));
}

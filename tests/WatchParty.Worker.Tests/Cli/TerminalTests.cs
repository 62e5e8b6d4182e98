using WatchParty.Releases.Planning;
using WatchParty.Worker.Cli;
using WatchParty.Worker.Control;
using WatchParty.Worker.Tests.Recording;

namespace WatchParty.Worker.Tests.Cli;

public sealed class TerminalTests
{
    private static readonly DateTimeOffset Now = new(2026, 3, 1, 12, 0, 0, TimeSpan.Zero);

    private static ServiceStatus Status(string? work, string? progress = null) => new(1, Now, work, work is null ? null : Now.AddSeconds(-12), progress, 0, null, null, null);

    private static string SourceTree()
    {
        var folder = new DirectoryInfo(AppContext.BaseDirectory);
        while (!File.Exists(Path.Combine(folder.FullName, "WatchParty.Worker.sln"))) { folder = folder.Parent!; }
        return folder.FullName;
    }

    [Theory]
    [InlineData(0, 17, "..........")]
    [InlineData(1, 1000, "#.........")]
    [InlineData(9, 17, "#####.....")]
    [InlineData(999, 1000, "#########.")]
    [InlineData(17, 17, "##########")]
    [InlineData(0, 0, "..........")]
    public void Bar_ShowsSomethingOfSomething(int part, int whole, string bar) => Assert.Equal(bar, Bar.Of(part, whole, 10, blocks: false));

    [Fact]
    public void Watch_ShowsABarForEachStage_InTheOrderInWhichTheyBegan()
    {
        var live = new LiveStatus();
        live.Update(Status("release (poll)", "release 12: Building"));
        Assert.Equal(["now   release (poll), 12.0 s", "      release 12: Building"], live.Lines(Now, 80));

        foreach (var line in (string[])["[backend builder 2/4] RUN pip install", "[backend builder 2/4] RUN pip install", "[web 1/2] COPY . .: cached", "[backend builder 1/4] WORKDIR /app: cached"]) { live.See(line); }

        Assert.Equal(
            ["now   release (poll), 12.0 s", $"  backend builder  {Bar.Of(2, 4)}  2/4   WORKDIR /app: cached", $"  web              {Bar.Of(1, 2)}  1/2   COPY . .: cached"],
            live.Lines(Now, 80));
    }

    [Fact]
    public void Watch_OfTheNextRelease_BeginsWithoutBars_AndLongLinesAreCut()
    {
        var live = new LiveStatus();
        live.Update(Status("release (poll)", $"[web 1/2] RUN {new string('x', 500)}"));
        Assert.All(live.Lines(Now, 40), l => Assert.InRange(l.Length, 1, 40));

        live.See("release 13: Planning");
        Assert.DoesNotContain(live.Lines(Now, 80), l => l.Contains("web", StringComparison.Ordinal));
        live.Update(Status(null));
        Assert.Equal(["idle  the remote was not looked at yet"], live.Lines(Now, 80));
    }

    [Fact]
    public void Watch_SaysOnlyWhatIsNew()
    {
        var live = new LiveStatus();
        Assert.Equal([true, false, true], ((string[])["a", "a", "b"]).Select(live.See));
    }

    [Fact]
    public void Plan_ReadsLikeADiff()
    {
        var plan = RecordBench.Plan(RecordBench.Commit, "backend");
        plan = plan with { Services = [.. plan.Services.Select(s => s.Name == "redis" ? s with { Reason = "redis.conf changed", Reaction = new(MountHandling.Restart, "redis.conf changed") } : s)] };

        Assert.Equal(
            ["  + backend   build: backend/app changed", "    frontend  stays: no input changed", "  ~ redis     restart: redis.conf changed", "1 to build, 1 to restart, 0 to remove, 1 as they are."],
            PlanVerb.Lines(plan));
        Assert.Equal("  + backend   build without cache: backend/app changed", PlanVerb.Lines(plan with { Services = [.. plan.Services.Select(s => s with { Fresh = s.Action == ServiceAction.Built })] }).First());
    }

    [Fact]
    public void Verbs_AllHaveExamples_ThatCanBeTyped()
    {
        var root = CommandLine.Root();

        Assert.Equal(root.Subcommands.Select(c => c.Name).Order(StringComparer.Ordinal), HelpExamples.All.Keys.Order(StringComparer.Ordinal));
        foreach (var (verb, examples) in HelpExamples.All)
        {
            foreach (var (line, _) in examples)
            {
                var typed = line[line.IndexOf(verb, StringComparison.Ordinal)..].Split(" | ")[0].Split(" > ")[0];
                Assert.True(root.Parse(typed).Errors.Count == 0, line);
            }
        }
    }

    [Fact]
    public void ManualAndReadme_NameEveryVerb_AndTheManualEveryOption()
    {
        var manual = File.ReadAllText(Path.Combine(SourceTree(), "docs/watchparty-worker.1")).Replace("\\-", "-", StringComparison.Ordinal);
        var readme = File.ReadAllText(Path.Combine(SourceTree(), "README.md"));
        var root = CommandLine.Root();

        Assert.All(root.Subcommands, c => Assert.Matches($@"(?m)^\.(B|BI|BR) ""?{c.Name}( |$)", manual));
        Assert.All(root.Subcommands, c => Assert.Contains($"`{c.Name}", readme, StringComparison.Ordinal));
        Assert.All(root.Subcommands.SelectMany(c => c.Options).Concat(root.Options.Where(o => o.Name is not ("--help" or "--version"))), o => Assert.Contains(o.Name, manual, StringComparison.Ordinal));
    }
}

using WatchParty.Releases.Building;
using WatchParty.Releases.Planning;
using WatchParty.Releases.Recording;

namespace WatchParty.Worker.Tests.Building;

public sealed class MissReasonsTests
{
    private const string Two = """
        FROM base AS deps
        WORKDIR /d
        COPY requirements.txt .
        RUN install
        FROM base
        ARG COMMIT
        RUN apt-get
        COPY --from=deps /d /d
        COPY app ./
        RUN echo $COMMIT > commit
        """;

    private static readonly BuildStep InstallCopy = Step("deps", 3, 4, "COPY", "COPY requirements.txt .");
    private static readonly BuildStep Install = Step("deps", 4, 4, "RUN", "RUN install");
    private static readonly BuildStep Apt = Step("stage-1", 2, 5, "RUN", "RUN apt-get", seconds: 9);
    private static readonly BuildStep FromDeps = Step("stage-1", 3, 5, "COPY", "COPY --from=deps /d /d", seconds: 0.5);
    private static readonly BuildStep App = Step("stage-1", 4, 5, "COPY", "COPY app ./", seconds: 0.5);
    private static readonly BuildStep Echo = Step("stage-1", 5, 5, "RUN", "RUN echo $COMMIT > commit");
    private static readonly IReadOnlyList<BuildStep> Final = [Apt, FromDeps, App, Echo];

    [Fact]
    public void Step_OfAFreshBuild_HasNoOtherReason() =>
        Assert.All(Of(Two, Two, [InstallCopy, Install, .. Final], fresh: true, files: ["app/x"]), r => Assert.Equal((MissCause.FreshBuild, "a fresh build was wanted"), (r.Cause, r.Text)));

    [Fact]
    public void Step_OfTheFirstBuild_HasNoOtherReason() =>
        Assert.All(new MissReasons(Basis(Two), null, false, [], Final, "Dockerfile").All(), r => Assert.Equal(MissCause.FirstBuild, r.Reason.Cause));

    [Fact]
    public void Step_ThatWasCached_HasNone() => Assert.Empty(Of(Two, Two, [Install with { State = StepState.Cached }, Apt with { State = StepState.Pending }]));

    [Theory]
    [InlineData("COPY app ./", "app/x.py", true)]
    [InlineData("COPY app ./", "app", true)]
    [InlineData("COPY app ./", "apple/x.py", false)]
    [InlineData("COPY ./app/ ./", "app/deep/x.py", true)]
    [InlineData("COPY . .", "anything", true)]
    [InlineData("COPY *.txt ./", "a.txt", true)]
    [InlineData("COPY *.txt ./", "deep/a.txt", false)]
    [InlineData("COPY a?.txt ./", "ab.txt", true)]
    [InlineData("COPY $SOURCE ./", "whatever", true)]
    [InlineData("COPY [\"a b\", \"./\"]", "a b/c", true)]
    [InlineData("ADD app /x", "app/x.py", true)]
    public void Files_CountWhenTheStepCopiesThem(string copy, string file, bool named)
    {
        var step = Step("", 2, 2, copy.Split(' ')[0], copy);
        var reason = Assert.Single(Of($"FROM base\n{copy}\n", $"FROM base\n{copy}\n", [step], files: [file]));
        Assert.Equal(named ? (MissCause.FilesChanged, $"{file} changed") : (MissCause.RecordEvicted, "nothing of it changed; its record was no longer in the cache"), (reason.Cause, reason.Text));
    }

    [Fact]
    public void Files_AreNamedInOrderAndCountedWhenTheyAreMany()
    {
        var reason = Of(Two, Two, [App], files: ["app/d", "app/b", "app/e", "app/a", "app/c", "other"])[0];
        Assert.Equal("app/a, app/b, app/c and 2 more changed", reason.Text);
    }

    [Fact]
    public void Reason_IsTheFirstCauseInTheChain()
    {
        // The last stage's COPY --from follows the other stage, and what is below it follows that.
        var reasons = Of(Two, Two, [InstallCopy, Install, FromDeps, App, Echo], files: ["requirements.txt"]);
        Assert.All(reasons, r => Assert.Equal((MissCause.FilesChanged, "requirements.txt changed", false), (r.Cause, r.Text, r.Avoidable)));
    }

    [Fact]
    public void Argument_ThatNobodyUsesYet_MadeTheStepsAboveItsUseAvoidable()
    {
        var all = new MissReasons(Basis(Two, "c2"), Basis(Two, "c1"), false, [], Final, "app/Dockerfile");
        Assert.Equal(
            [("RUN apt-get", true), ("COPY --from=deps /d /d", true), ("COPY app ./", true), ("RUN echo $COMMIT > commit", false)],
            all.All().Select(r => (r.Step.Text, r.Reason.Avoidable)));
        Assert.All(all.All(), r => Assert.Equal((MissCause.ArgumentChanged, "COMMIT changed and is declared above it"), (r.Reason.Cause, r.Reason.Text)));
        Assert.Equal("move ARG COMMIT (line 6) below line 9 (COPY app ./) in app/Dockerfile: saves 10.0 s of every build", Assert.Single(all.Advice()).ToString());
    }

    [Fact]
    public void Argument_WithAChangeOfFilesBelowIt_IsAvoidableOnlyAboveThat()
    {
        var all = new MissReasons(Basis(Two, "c2"), Basis(Two, "c1"), false, ["app/x"], Final, "app/Dockerfile");
        Assert.Equal([true, true, false, false], all.All().Select(r => r.Reason.Avoidable));
        Assert.Contains("(line 6) below line 8", Assert.Single(all.Advice()).ToString(), StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("RUN echo $V")]
    [InlineData("RUN echo ${V}")]
    [InlineData("RUN echo ${V:-1}")]
    [InlineData("RUN env | grep V")]
    [InlineData("COPY a$V /")]
    public void Argument_ThatTheStepUses_SaysSo(string step)
    {
        var text = $"FROM base\nARG V\n{step}\n";
        var reasons = new MissReasons(Basis(text, "2", "V"), Basis(text, "1", "V"), false, [], [Step("", 2, 2, step.Split(' ')[0], step)], "Dockerfile");
        var reason = Assert.Single(reasons.All()).Reason;
        Assert.Equal((MissCause.ArgumentChanged, "V changed and the step uses it", false), (reason.Cause, reason.Text, reason.Avoidable));
        Assert.Empty(reasons.Advice());
    }

    [Fact]
    public void Argument_BelowTheStepOrOfAnotherStage_IsNoReason()
    {
        const string Below = "FROM base\nRUN x\nARG V\n";
        var reason = new MissReasons(Basis(Below, "2", "V"), Basis(Below, "1", "V"), false, [], [Step("", 2, 2, "RUN", "RUN x")], "Dockerfile").All()[0].Reason;
        Assert.Equal(MissCause.RecordEvicted, reason.Cause);
    }

    [Theory]
    [InlineData("RUN install", "RUN install more", "line 4 of Dockerfile changed")]
    [InlineData("WORKDIR /d", "WORKDIR /e", "line 2 of Dockerfile changed")]
    [InlineData("WORKDIR /d", "ENV A=b\nWORKDIR /d", "line 2 of Dockerfile changed")]
    [InlineData("FROM base AS deps", "FROM other AS deps", "the FROM of its stage in Dockerfile changed")]
    public void Dockerfile_LineAtOrAboveTheStep_IsNamed(string old, string changed, string text)
    {
        var now = Two.ReplaceLineEndings("\n").Replace(old, changed, StringComparison.Ordinal);
        var step = Install with { Number = Install.Number };
        var reason = Assert.Single(Of(now, Two, [step]));
        Assert.Equal((MissCause.DockerfileChanged, text), (reason.Cause, reason.Text));
    }

    [Theory]
    [InlineData("LABEL a=b")]
    [InlineData("EXPOSE 80")]
    [InlineData("# a remark")]
    public void Dockerfile_LineThatReachesNoStep_IsNoReason(string line)
    {
        var now = Two.ReplaceLineEndings("\n").Replace("WORKDIR /d", $"{line}\nWORKDIR /d", StringComparison.Ordinal);
        Assert.Equal(MissCause.RecordEvicted, Assert.Single(Of(now, Two, [Install])).Cause);
    }

    [Fact]
    public void BaseImage_ThatIsAnother_IsTheReasonOfAllAboveIt()
    {
        var all = new MissReasons(Basis(Two, baseId: "sha256:2"), Basis(Two, baseId: "sha256:1"), false, ["app/x"], [InstallCopy, Install, .. Final], "Dockerfile").All();
        Assert.All(all, r => Assert.Equal((MissCause.BaseImageChanged, "base image base changed", false), (r.Reason.Cause, r.Reason.Text, r.Reason.Avoidable)));
    }

    [Fact]
    public void Image_ThatACopyNames_IsLookedAtToo()
    {
        const string Text = "FROM base\nCOPY --from=tool:1 /t /t\n";
        BuildBasis With(string id) => new("c", Text, new Dictionary<string, string>(), new Dictionary<string, string> { ["base"] = "1", ["tool:1"] = id });
        var reason = new MissReasons(With("2"), With("1"), false, [], [Step("", 2, 2, "COPY", "COPY --from=tool:1 /t /t")], "Dockerfile").All()[0].Reason;
        Assert.Equal((MissCause.BaseImageChanged, "image tool:1 changed"), (reason.Cause, reason.Text));
    }

    [Fact]
    public void Stage_ThatBeginsWithAnother_InheritsItsReason()
    {
        const string Text = "FROM base AS a\nCOPY x .\nFROM a\nRUN y\n";
        var reasons = Of(Text, Text, [Step("a", 2, 2, "COPY", "COPY x ."), Step("stage-1", 2, 2, "RUN", "RUN y")], files: ["x"]);
        Assert.All(reasons, r => Assert.Equal("x changed", r.Text));
    }

    [Fact]
    public void Step_ThatIsNotInTheDockerfile_EndsWithAReasonAllTheSame()
    {
        Assert.Equal(MissCause.RecordEvicted, Assert.Single(Of(Two, Two, [Step("nowhere", 2, 2, "RUN", "RUN x")])).Cause);
        Assert.Equal(MissCause.RecordEvicted, Assert.Single(Of("", "", [Install])).Cause);
        Assert.Equal(MissCause.RecordEvicted, Assert.Single(Of(Two, Two, [Step("stage-99", 2, 2, "RUN", "RUN x")])).Cause);
    }

    [Fact]
    public void Stages_ThatNameEachOther_DoNotLoop()
    {
        const string Text = "FROM b AS a\nCOPY --from=c /x /\nFROM a AS c\nCOPY --from=a /x /\n";
        Assert.Equal(2, Of(Text, Text, [Step("a", 2, 2, "COPY", "COPY --from=c /x /"), Step("c", 2, 2, "COPY", "COPY --from=a /x /")]).Count);
    }

    private static IReadOnlyList<MissReason> Of(string now, string before, IReadOnlyList<BuildStep> steps, bool fresh = false, IReadOnlyCollection<string>? files = null) =>
        [.. new MissReasons(Basis(now), Basis(before), fresh, files ?? [], steps, "Dockerfile").All().Select(r => r.Reason)];

    private static BuildBasis Basis(string dockerfile, string value = "c1", string argument = "COMMIT", string baseId = "sha256:1") => new(
        value, dockerfile.ReplaceLineEndings("\n"), new Dictionary<string, string> { [argument] = value }, new Dictionary<string, string> { ["base"] = baseId });

    private static BuildStep Step(string stage, int number, int of, string instruction, string text, double seconds = 1) =>
        new("app", stage, number, of, instruction, text, StepState.Executed, TimeSpan.FromSeconds(seconds), $"sha256:{stage}{number}", null, []);
}

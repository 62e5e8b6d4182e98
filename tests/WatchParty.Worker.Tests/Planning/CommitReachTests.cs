using WatchParty.Releases.Planning;

namespace WatchParty.Worker.Tests.Planning;

public sealed class CommitReachTests
{
    /// <summary>The names of the stages that keep steps, each with its last instruction when something of it was left out.</summary>
    private static string[] Kept(string text)
    {
        var reach = new CommitReach(text, ["COMMIT"]);
        return [.. Dockerfile.Parse(text).Stages.Where(reach.LeavesSteps).Select(s =>
            reach.TextUpTo(s) is { } kept ? $"{s.Name} to {Dockerfile.Parse(kept).Stages[s.Index].Instructions[^1].Keyword} {Dockerfile.Parse(kept).Stages[s.Index].Instructions[^1].Text}" : $"{s.Name}")];
    }

    [Theory]
    [InlineData("FROM base AS a\nRUN one\nARG COMMIT\nRUN two\nRUN three", "a to ARG COMMIT")]
    [InlineData("FROM base AS a\nRUN one\nARG OTHER\nRUN two", "a")]
    [InlineData("FROM base AS a\nARG COMMIT\nRUN one", null)]
    [InlineData("ARG COMMIT\nFROM base AS a\nRUN one", "a")]
    [InlineData("ARG COMMIT\nFROM base:${COMMIT} AS a\nRUN one", null)]
    // It is in the environment of a RUN, and only there.
    [InlineData("FROM base AS a\nARG COMMIT=none\nCOPY . .\nRUN one", "a to COPY . .")]
    [InlineData("FROM base AS a\nARG COMMIT\nCOPY one .\nCOPY $COMMIT .\nCOPY two .", "a to COPY one .")]
    [InlineData("FROM base AS a\nARG COMMIT\nCOPY $COMMITS .", "a")]
    [InlineData("FROM base AS a\nARG COMMIT\nENV V=${COMMIT:-x}\nCOPY one .\nWORKDIR /$V\nCOPY two .", "a to COPY one .")]
    [InlineData("FROM base AS a\nARG COMMIT\nENV V $COMMIT\nCOPY $V .", null)]
    [InlineData("FROM base AS a\nRUN one\nARG OTHER COMMIT=x\nRUN two", "a to ARG OTHER COMMIT=x")]
    [InlineData("FROM base AS a\nRUN <<X\nARG COMMIT\nX\nRUN two", "a")]
    public void Stage_IsTheSameForEveryCommitUpToItsFirstStepThatTheArgumentReaches(string text, string? kept) =>
        Assert.Equal(kept is null ? [] : [kept], Kept(text));

    [Theory]
    [InlineData("FROM base AS a\nRUN one\nARG COMMIT\nFROM a AS b\nCOPY x .\nRUN two", "a", "b to COPY x .")]
    [InlineData("FROM base AS a\nRUN one\nARG COMMIT\nRUN two\nFROM A AS b\nRUN three", "a to ARG COMMIT")]
    [InlineData("FROM base AS a\nARG COMMIT\nRUN two\nFROM base AS b\nRUN one\nCOPY --from=a /x /\nRUN three", "b to RUN one")]
    [InlineData("FROM base AS a\nARG COMMIT\nRUN two\nFROM base AS b\nRUN one\nRUN --mount=from=0,target=/x three", "b to RUN one")]
    [InlineData("FROM base AS a\nRUN one\nFROM base AS b\nCOPY --from=a /x /\nRUN three", "a", "b")]
    public void WhatIsMadeFromWhatTheCommitReaches_IsReachedToo(string text, params string[] kept) => Assert.Equal(kept, Kept(text));

    [Fact]
    public void Text_EndsInTheStageAndGoesOnWithTheNext()
    {
        const string Text = "# escape=`\nFROM base AS a\nRUN one `\n  more\nARG COMMIT\nRUN two `\n  more\n# words\n\nFROM base AS b\nCOPY --from=a /x /\n";

        Assert.Equal(
            "# escape=`\nFROM base AS a\nRUN one `\n  more\nARG COMMIT\nFROM base AS b\nCOPY --from=a /x /\n",
            new CommitReach(Text, ["COMMIT"]).TextUpTo(Dockerfile.Parse(Text).Stages[0]));
    }
}

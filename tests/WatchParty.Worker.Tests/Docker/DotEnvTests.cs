using WatchParty.Tools.Docker;

namespace WatchParty.Worker.Tests.Docker;

public sealed class DotEnvTests
{
    [Theory]
    [InlineData("A=1", "1")]
    [InlineData("  export A = 1  ", "1")]
    [InlineData("A: 1", "1")]
    [InlineData("A=", "")]
    [InlineData("A=a b # a comment", "a b")]
    [InlineData("A=a#b", "a#b")]
    [InlineData("# A=0\r\n\r\nA=1\r\n", "1")]
    [InlineData("\uFEFFA=1", "1")]
    [InlineData("A=0\nA=1", "1")]
    [InlineData("A='$B #x'", "$B #x")]
    [InlineData("A=\"x\\ty\\\"z\"", "x\ty\"z")]
    [InlineData("A=\"one\ntwo\" # words\nC=3", "one\ntwo")]
    [InlineData("A=\"\\$B\"", "$B")]
    [InlineData("A=$$B", "$B")]
    [InlineData("A=$HOST-${HOST}", "h-h")]
    [InlineData("B=2\nA=${B}", "2")]
    [InlineData("A=${NONE}", "")]
    [InlineData("A=${NONE:-n}${HOST:-n}${NONE-m}${HOST:+y}${NONE:+y}${NONE+y}", "nhmy")]
    [InlineData("HOST", null)]
    [InlineData("no assignment\nA=1", "1")]
    [InlineData("B=\"never closed\nA=1", "1")]
    public void Value_IsWhatComposeMakesOfIt(string text, string? value)
    {
        var variables = Of(text);

        Assert.Equal(value, variables.Find("A")?.Value);
        if (value is not null) { Assert.Equal(".env", variables.Find("A")!.Value.Source); }
    }

    [Fact]
    public void Environment_GoesBeforeAFileAndALaterFileBeforeAnEarlier()
    {
        var variables = Of("HOST=file\nA=first\nC=kept");
        variables.Add("other.env", "A=second-${A}");

        Assert.Equal(("h", "the environment"), variables.Find("HOST")!.Value);
        Assert.Equal(("second-first", "other.env"), variables.Find("A")!.Value);
        Assert.Equal(("kept", ".env"), variables.Find("C")!.Value);
    }

    [Theory]
    [InlineData("A=${B:?is needed}")]
    [InlineData("A=$")]
    [InlineData("A=${B")]
    [InlineData("B=${C:?is needed}\nA=x$B")]
    public void WhatCannotBeFilledIn_IsAFaultOnlyWhenItIsNeeded(string text)
    {
        var variables = Of(text + "\nD=4");

        Assert.Equal("4", variables.Find("D")!.Value.Value);
        Assert.Contains("A in .env", Assert.Throws<FormatException>(() => variables.Find("A")).Message, StringComparison.Ordinal);
    }

    private static DotEnv Of(string text)
    {
        var variables = new DotEnv(name => name == "HOST" ? "h" : null);
        variables.Add(".env", text);
        return variables;
    }
}

using WatchParty.Worker.Tools;

namespace WatchParty.Worker.Tests.Tools;

public sealed class RedactionTests
{
    [Theory]
    [InlineData("https://user:token@example.org/app.git", "https://***@example.org/app.git")]
    [InlineData("https://token@example.org", "https://***@example.org")]
    [InlineData("HTTPS://u:p@ss@example.org/x", "HTTPS://***@example.org/x")]
    [InlineData("ssh://git@example.org/app.git", "ssh://git@example.org/app.git")]
    [InlineData("ssh://git:pw@example.org/app.git", "ssh://***@example.org/app.git")]
    [InlineData("two http://a:b@c and ftp://d:e@f here", "two http://***@c and ftp://***@f here")]
    [InlineData("https://example.org/users/@ann", "https://example.org/users/@ann")]
    [InlineData("git@example.org:app.git", "git@example.org:app.git")]
    [InlineData("no address here", "no address here")]
    public void Apply_ToText_MasksTheUserPartOfEveryUrl(string text, string expected) => Assert.Equal(expected, Redaction.Apply(text));

    [Theory]
    [InlineData("failed to read .env: line 2: unterminated quoted value 's3cret", "failed to read .env: line 2: unterminated quoted value ***")]
    [InlineData("line 1: unexpected character \"%\" in variable name \"P%=s3cret\"", "line 1: unexpected character \"%\" in variable name ***")]
    [InlineData("Invalid template: \"${s3cret\"\nnext line", "Invalid template: ***\nnext line")]
    [InlineData("line 1: key cannot contain a space", "line 1: key cannot contain a space")]
    public void Apply_ToComposesWords_MasksTheLineOfAnEnvFile(string text, string expected) => Assert.Equal(expected, Redaction.Apply(text));

    [Fact]
    public void ToolCommand_AsText_ShowsNoSecret() =>
        Assert.DoesNotContain("t0ken", new ToolCommand("git", "fetch", "https://u:t0ken@example.org").ToString(), StringComparison.Ordinal);
}

using WatchParty.Tools.Processes;
using WatchParty.Tools.Redacting;

namespace WatchParty.Worker.Tests.Redacting;

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

    [Theory]
    [InlineData("curl -H 'Authorization: Bearer abc.def'", "curl -H 'Authorization: Bearer ***'")]
    [InlineData("API_KEY=abc123 and more", "API_KEY=*** and more")]
    [InlineData("db_password='x y'", "db_password='x y'")]
    [InlineData("RUN echo $TOKEN; TOKEN=$OTHER", "RUN echo $TOKEN; TOKEN=$OTHER")]
    [InlineData("{\"password\": \"hidden\", \"user\": \"ann\"}", "{\"password\": \"***\", \"user\": \"ann\"}")]
    [InlineData("pushed with ghp_0123456789012345678901234567890123456789.", "pushed with ***.")]
    [InlineData("eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0In0.dBjftJeZ4CVPmB92K27uhbUJU1p1r", "***")]
    [InlineData("RUN --mount=type=secret,id=npm_token true", "RUN --mount=type=secret,id=npm_token true")]
    [InlineData("the key of the cache", "the key of the cache")]
    public void Apply_ToWhatHasTheShapeOfASecret_MasksIt(string text, string expected) => Assert.Equal(expected, Redaction.Apply(text));

    [Fact]
    public void Apply_ToALearntValue_MasksItInEveryFormItIsWritten()
    {
        Redaction.Learn(["l3arnt \"v&lue\"", "l3arnt", "l3arnt-longer"]);

        Assert.Equal("a *** b", Redaction.Apply("a l3arnt \"v&lue\" b"));
        Assert.Equal("""{"a":"***"}""", Redaction.Apply("""{"a":"l3arnt \"v&lue\""}"""));
        Assert.Equal("""{"a":"***"}""", Redaction.Apply("""{"a":"l3arnt \u0022v\u0026lue\u0022"}"""));
        Assert.Equal("?q=***", Redaction.Apply("?q=l3arnt%20%22v%26lue%22"));
        Assert.Equal("*** *** ***", Redaction.Apply("l3arnt-longer l3arnt bDNhcm50"));
        Assert.Equal("L3ARNT", Redaction.Apply("L3ARNT"));
    }

    [Theory]
    [InlineData("""{"error":"Invalid template: x","list":["https://u:p@h","a@b"],"n":1.50,"https://u:p@h":null}""", """{"error":"Invalid template: ***","list":["https://***@h","a@b"],"n":1.50,"https://***@h":null}""")]
    [InlineData("[stage 1/2] https://u:p@h", "[stage 1/2] https://***@h")]
    [InlineData("""{"plain":"\u00fc"}""", """{"plain":"\u00fc"}""")]
    public void ApplyToDocument_LeavesJsonADocument(string text, string expected) => Assert.Equal(expected, Redaction.ApplyToDocument(text));

    [Fact]
    public void Shorten_MasksBeforeItCuts()
    {
        Redaction.Learn(["cutInTwo99"]);

        Assert.Equal("12345678**…", Redaction.Shorten("12345678cutInTwo99", 10));
    }

    [Fact]
    public void Apply_ToLongTextOfAnyKind_TakesNoLongerThanItsLength()
    {
        Redaction.Learn(Enumerable.Range(0, 500).Select(i => $"manyS3crets-{i}-{i * 7919}"));
        var started = TimeProvider.System.GetTimestamp();
        foreach (var part in new[] { "a.", "a://", "@", "eyJaaaaaaaa-", "KEY=", "unexpected character \"", "https://x:y", "manyS3crets-" })
        {
            Redaction.Apply(string.Concat(Enumerable.Repeat(part, 50_000)));
        }
        Assert.InRange(TimeProvider.System.GetElapsedTime(started).TotalSeconds, 0, 10);
    }
}

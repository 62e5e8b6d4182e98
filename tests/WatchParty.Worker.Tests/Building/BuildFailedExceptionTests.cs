using WatchParty.Releases.Building;
using WatchParty.Releases.Recording;
using WatchParty.Tools.Failures;

namespace WatchParty.Worker.Tests.Building;

public sealed class BuildFailedExceptionTests
{
    private static BuildStep Step(string text, string? error, params string[] log) =>
        new("backend", "production", 4, 9, "RUN", text, StepState.Failed, TimeSpan.Zero, "sha256:1", error, log);

    [Fact]
    public void Message_OfAStep_SaysWhereWhatAndTheEndOfItsLog()
    {
        var error = BuildFailedException.Of(Step("RUN pip install x", "exit code: 1", [.. Enumerable.Range(1, 12).Select(n => $"line {n}")]), ["ignored"]);

        Assert.Equal(
            $"backend: step [production 4/9] RUN pip install x failed: exit code: 1\n{string.Join('\n', Enumerable.Range(3, 10).Select(n => $"    line {n}"))}",
            error.Message.ReplaceLineEndings("\n"));
        Assert.Equal(Remedy.NeedsNewCommit, error.Remedy);
    }

    [Fact]
    public void Message_OfAStepWithoutAReason_SaysSo() => Assert.EndsWith("RUN x failed: no reason given", BuildFailedException.Of(Step("RUN x", null), []).Message, StringComparison.Ordinal);

    [Fact]
    public void Message_OfALongStep_IsCutAndOnOneLine()
    {
        var message = BuildFailedException.Of(Step("RUN <<EOF\n" + new string('x', 1000), new string('y', 1000)), []).Message;

        Assert.DoesNotContain('\n', message);
        Assert.Contains("RUN <<EOF x", message, StringComparison.Ordinal);
        Assert.Contains("…", message, StringComparison.Ordinal);
        Assert.InRange(message.Length, 600, 700);
    }

    [Theory]
    [InlineData("something\nERROR: target web: failed to solve: no such stage\n", "ERROR: target web: failed to solve: no such stage")]
    [InlineData("something\nERROR: failed to solve: no such stage\n\nView build details\n", "ERROR: failed to solve: no such stage")]
    [InlineData("only words\n", "only words")]
    [InlineData("", "the build ended without a reason")]
    public void Message_WithoutAStep_IsTheWordOfBuildx(string text, string message) => Assert.Equal(message, BuildFailedException.Of(null, text.Split('\n')).Message);

    [Theory]
    [InlineData("write /x: no space left on device", Remedy.RetriedByItself)]
    [InlineData("Disk quota exceeded", Remedy.RetriedByItself)]
    [InlineData("python:3.12: failed to resolve source metadata for docker.io/library/python:3.12: not found", Remedy.RetriedByItself)]
    [InlineData("failed to do request: Head \"https://registry-1.docker.io\"", Remedy.RetriedByItself)]
    [InlineData("dial tcp: lookup registry-1.docker.io: no such host", Remedy.RetriedByItself)]
    [InlineData("read: i/o timeout", Remedy.RetriedByItself)]
    [InlineData("net/http: TLS handshake timeout", Remedy.RetriedByItself)]
    [InlineData("429 Too Many Requests - toomanyrequests: You have reached your pull rate limit", Remedy.RetriedByItself)]
    [InlineData("ERROR: Cannot connect to the Docker daemon at unix:///var/run/docker.sock", Remedy.RetriedByItself)]
    [InlineData("rpc error: code = Unavailable desc = error reading from server: EOF", Remedy.RetriedByItself)]
    [InlineData("failed to receive status: rpc error", Remedy.RetriedByItself)]
    [InlineData("failed to prepare sha256:802e as yy79: parent snapshot sha256:802e does not exist: not found", Remedy.RetriedByItself)]
    [InlineData("failed to stat active key during commit: snapshot trl3 does not exist: not found", Remedy.RetriedByItself)]
    [InlineData("process \"/bin/sh -c make\" did not complete successfully: exit code: 2", Remedy.NeedsNewCommit)]
    [InlineData("failed to compute cache key: \"/app.py\": not found", Remedy.NeedsNewCommit)]
    [InlineData("dockerfile parse error on line 3: unknown instruction: RUM", Remedy.NeedsNewCommit)]
    [InlineData("", Remedy.NeedsNewCommit)]
    public void Remedy_FollowsTheText(string text, object remedy) => Assert.Equal(remedy, BuildFailedException.RemedyFor(text));

    [Theory]
    [InlineData("ERROR: failed to solve: Canceled: context canceled", Remedy.RetriedByItself)]
    [InlineData("ERROR: target web: failed to solve: Canceled: context canceled", Remedy.RetriedByItself)]
    [InlineData("ERROR: failed to solve: Canceled: context canceled\nERROR: failed to solve: dockerfile parse error on line 3", Remedy.NeedsNewCommit)]
    public void Remedy_OfABuildThatWasCancelledFromOutside_IsAnotherTry(string text, object remedy) => Assert.Equal(remedy, BuildFailedException.Of(null, text.Split('\n')).Remedy);

    [Fact]
    public void Remedy_OfAStep_IsAlsoFoundInItsLog() =>
        Assert.Equal(Remedy.RetriedByItself, BuildFailedException.Of(Step("RUN x", "exit code: 1", "tar: write error: No space left on device"), []).Remedy);
}

using WatchParty.Releases.Planning;

namespace WatchParty.Worker.Tests.Planning;

public sealed class HealthChecksTests
{
    [Theory]
    [InlineData("FROM a\nHEALTHCHECK --interval=5s --timeout=1s --retries=2 --start-period=1m CMD true", null, 72, null)]
    [InlineData("FROM a AS x\nHEALTHCHECK CMD true\nFROM x\nRUN b", null, 180, null)]
    [InlineData("FROM a AS x\nHEALTHCHECK CMD true\nFROM b\nCOPY --from=x /c /c", null, null, "b")]
    [InlineData("FROM a AS x\nHEALTHCHECK CMD true\nFROM x\nHEALTHCHECK NONE", null, null, null)]
    [InlineData("FROM a AS x\nHEALTHCHECK CMD true\nFROM b", "X", 180, null)]
    [InlineData("FROM $BASE", null, null, "$BASE")]
    [InlineData("", null, null, null)]
    public void CheckOfADockerfile_IsThatOfTheTarget(string text, string? target, int? seconds, string? from)
    {
        var (check, image) = HealthChecks.Of(Dockerfile.Parse(text), target);

        Assert.Equal((seconds, from), (check is null ? null : (int)HealthChecks.Allows(check).TotalSeconds, image));
    }
}

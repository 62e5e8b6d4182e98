using WatchParty.Worker.Checking;

namespace WatchParty.Worker.Tests.Checking;

public sealed class SupportedToolTests
{
    [Theory]
    [InlineData("20.10.24+dfsg1", "Warning", ": older than 26.1, the oldest that is supported")]
    [InlineData("26.0.2", "Warning", ": older than 26.1, the oldest that is supported")]
    [InlineData("26.1.5+dfsg1", "Ok", "")]
    [InlineData("28.5.2+dfsg4", "Ok", "")]
    [InlineData("29.0.1", "Ok", ": newer than 28.5, the newest that was tested")]
    [InlineData("dev", "Ok", "")]
    public void Engine_IsJudgedByItsVersion(string version, string status, string more) => Judged(SupportedTool.Engine, version, status, more);

    [Theory]
    [InlineData("github.com/docker/buildx 0.12.1+ds1 0.12.1+ds1-3", "Warning", ": older than 0.13, the oldest that is supported")]
    [InlineData("github.com/docker/buildx 0.13.1+ds1 0.13.1+ds1-3", "Ok", "")]
    [InlineData("github.com/docker/buildx v0.29.1 a32761aeb3debd39be1eca514af3693af0db334b", "Ok", "")]
    [InlineData("github.com/docker/buildx v0.30.0-rc1 a32761aeb3debd39be1eca514af3693af0db334b", "Ok", ": newer than 0.29, the newest that was tested")]
    public void Buildx_IsJudgedByItsVersion(string version, string status, string more) => Judged(SupportedTool.Buildx, version, status, more);

    [Theory]
    [InlineData("2.17.3", "Warning", ": older than 2.26, the oldest that is supported")]
    [InlineData("2.26.1-4", "Ok", "")]
    [InlineData("2.40.3-3", "Ok", "")]
    [InlineData("5.0.1", "Ok", ": newer than 2.40, the newest that was tested")]
    public void Compose_IsJudgedByItsVersion(string version, string status, string more) => Judged(SupportedTool.Compose, version, status, more);

    private static void Judged(SupportedTool tool, string version, string status, string more)
    {
        var check = tool.Judge(version, "what it says, API 1.45");
        Assert.Equal((tool.Name, status, $"what it says, API 1.45{more}"), (check.Name, check.Status.ToString(), check.Message));
        Assert.Equal(status == "Warning", check.Fix is not null);
    }
}

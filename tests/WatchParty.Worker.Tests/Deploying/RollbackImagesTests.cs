using WatchParty.Worker.Deploying;

namespace WatchParty.Worker.Tests.Deploying;

public sealed class RollbackImagesTests
{
    [Theory]
    [InlineData("app", 7, "app:watchparty-7")]
    [InlineData("app:latest", 7, "app:watchparty-7")]
    [InlineData("registry:5000/team/app:1.2", 12345, "registry:5000/team/app:watchparty-12345-1.2")]
    [InlineData("registry:5000/app@sha256:0123", 1, "registry:5000/app:watchparty-1")]
    public void Name_OfARelease_IsATagThatSaysWhich(string image, long release, string name)
    {
        Assert.Equal(name, RollbackImages.NameOf(image, release));
        Assert.Equal(release, RollbackImages.ReleaseOf(name));
    }

    [Fact]
    public void Name_OfALongTag_IsNotTooLongForDocker()
    {
        var name = RollbackImages.NameOf($"app:{new string('x', 128)}", 12345);

        Assert.Equal("app:".Length + 128, name.Length);
        Assert.Equal(12345, RollbackImages.ReleaseOf(name));
    }

    [Theory]
    [InlineData("app:latest")]
    [InlineData("app")]
    [InlineData("watchparty-7")]
    [InlineData("app:watchparty-")]
    [InlineData("app:watchparty--7")]
    [InlineData("app:watchparty-7.x")]
    [InlineData("app:watchparty-7x")]
    [InlineData("app:watchparty-99999999999999999999")]
    [InlineData("app:buildcache-7")]
    [InlineData("<none>:<none>")]
    public void Name_OfAnotherKind_BelongsToNoRelease(string name) => Assert.Null(RollbackImages.ReleaseOf(name));
}

using WatchParty.Releases.Deploying;
using WatchParty.Releases.Housekeeping;

namespace WatchParty.Worker.Tests.Deploying;

public sealed class KeptImagesTests
{
    [Theory]
    [InlineData("shop", 7, "web", false, "watchparty-release:shop.7.web")]
    [InlineData("shop", 7, "web", true, "watchparty-release:shop.7-before.web")]
    [InlineData("my-shop_2", 12345, "api.v1", false, "watchparty-release:my-shop_2.12345.api.v1")]
    public void Name_OfAnImage_SaysProjectReleaseAndService(string project, long release, string service, bool before, string name)
    {
        Assert.Equal(name, KeptImages.NameOf(project, release, service, before));
        Assert.Equal(new KeptName(project, release, before, service), KeptImages.Parse(name));
    }

    [Fact]
    public void Name_OfALongService_IsNotTooLongForDockerAndDiffersFromItsLike()
    {
        var first = KeptImages.NameOf("shop", 7, new string('x', 200) + "1");
        var second = KeptImages.NameOf("shop", 7, new string('x', 200) + "2");

        Assert.Equal($"{KeptImages.Repository}:".Length + 128, first.Length);
        Assert.NotEqual(first, second);
        Assert.Equal(("shop", 7L, false), (KeptImages.Parse(first)!.Project, KeptImages.Parse(first)!.Release, KeptImages.Parse(first)!.Before));
    }

    [Theory]
    [InlineData("app:latest")]
    [InlineData("app:shop.7.web")]
    [InlineData("watchparty-release")]
    [InlineData("watchparty-release:shop.x.web")]
    [InlineData("watchparty-release:shop.7")]
    [InlineData("watchparty-release:shop.7-after.web")]
    [InlineData("watchparty-release:shop.99999999999999999999.web")]
    [InlineData("other/watchparty-release:shop.7.web")]
    [InlineData("<none>:<none>")]
    public void Name_OfAnotherKind_IsNotOurs(string name) => Assert.Null(KeptImages.Parse(name));

    [Theory]
    [InlineData("app:watchparty-7", 7L)]
    [InlineData("registry:5000/team/app:watchparty-12345-1.2", 12345L)]
    [InlineData("app:latest", null)]
    [InlineData("app:watchparty-", null)]
    [InlineData("app:watchparty-7x", null)]
    [InlineData("watchparty-release:shop.7.web", null)]
    public void Name_ThatAnEarlierVersionGave_IsStillKnown(string name, long? release) => Assert.Equal(release, ImageRetention.EarlierRelease(name));
}

using WatchParty.Tools.Docker;

namespace WatchParty.Worker.Tests.Docker;

public sealed class ImageNameTests
{
    [Theory]
    [InlineData("app", "app", "latest", false)]
    [InlineData("app:1.2", "app", "1.2", false)]
    [InlineData("team/app:1.2", "team/app", "1.2", false)]
    [InlineData("registry:5000/team/app", "registry:5000/team/app", "latest", true)]
    [InlineData("registry:5000/team/app:1.2", "registry:5000/team/app", "1.2", true)]
    [InlineData("registry.example.org/app", "registry.example.org/app", "latest", true)]
    [InlineData("localhost/app", "localhost/app", "latest", true)]
    [InlineData("localhost", "localhost", "latest", false)]
    [InlineData("app@sha256:0123", "app", "latest", false)]
    [InlineData("app:1.2@sha256:0123", "app", "1.2", false)]
    [InlineData("registry:5000/app@sha256:0123", "registry:5000/app", "latest", true)]
    [InlineData("app.v2/x", "app.v2/x", "latest", true)]
    [InlineData("app.v2", "app.v2", "latest", false)]
    public void Name_OfEachForm_IsTakenApart(string name, string repository, string tag, bool registry)
    {
        Assert.Equal((repository, tag), ImageName.Split(name));
        Assert.Equal(registry, ImageName.NamesRegistry(name));
        Assert.Equal($"{repository}:other", ImageName.WithTag(name, "other"));
    }

    [Theory]
    [InlineData("python", "docker.io/library/python:latest")]
    [InlineData("python:3.12", "docker.io/library/python:3.12")]
    [InlineData("team/app", "docker.io/team/app:latest")]
    [InlineData("registry:5000/app@sha256:0123", "registry:5000/app:latest")]
    [InlineData("ghcr.io/team/app:1", "ghcr.io/team/app:1")]
    public void Name_InFull_IsWhatBuildKitShows(string name, string full) => Assert.Equal(full, ImageName.Full(name));
}

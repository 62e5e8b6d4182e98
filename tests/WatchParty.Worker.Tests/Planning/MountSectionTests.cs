using WatchParty.Releases.Planning;

namespace WatchParty.Worker.Tests.Planning;

public sealed class MountSectionTests
{
    private static ComposeService Web(string service) => ComposeModel.Parse($$"""
        {
          "name": "app",
          "configs": { "site": { "file": "/srv/app/site.json" }, "inline": { "content": "a $$b" }, "given": { "environment": "SITE" } },
          "secrets": { "token": { "file": "/srv/app/token" }, "value": { "environment": "TOKEN" }, "theirs": { "external": true } },
          "volumes": {
            "bound": { "driver_opts": { "type": "none", "o": "ro,bind", "device": "/srv/app/data" } },
            "shared": { "driver_opts": { "type": "nfs", "o": "addr=nfs", "device": ":/export" } },
            "plain": {}
          },
          "services": { "web": {{service}} }
        }
        """).Service("web");

    [Theory]
    [InlineData("""{ "type": "bind", "source": "/srv/app/conf/", "target": "/x" }""", "/srv/app/conf rw")]
    [InlineData("""{ "type": "bind", "source": "/srv/a$$b", "target": "/x", "read_only": true }""", "/srv/a$b ro")]
    [InlineData("""{ "type": "bind", "source": "/a", "target": "/x", "read_only": true }, { "type": "bind", "source": "/a", "target": "/y" }""", "/a rw")]
    [InlineData("""{ "type": "volume", "source": "bound", "target": "/x" }""", "/srv/app/data rw")]
    [InlineData("""{ "type": "volume", "source": "shared", "target": "/x" }, { "type": "volume", "source": "plain", "target": "/y" }""", "")]
    [InlineData("""{ "type": "volume", "target": "/x" }, { "type": "tmpfs", "target": "/y" }""", "")]
    public void Mounts_AreWhatIsOnTheHost(string volumes, string expected) =>
        Assert.Equal(expected, string.Join(", ", Web($$"""{ "volumes": [ {{volumes}} ] }""").Mounts.Select(m => $"{m.Source} {(m.MayWrite ? "rw" : "ro")}")));

    [Fact]
    public void FilesOfSecretsAndConfigs_AreMounts_AndTheirTextsAreCopied()
    {
        var web = Web("""
            {
              "configs": [ { "source": "site", "target": "/site.json" }, { "source": "inline" }, { "source": "inline", "target": "/again" }, { "source": "given" } ],
              "secrets": [ { "source": "token" }, { "source": "value" }, { "source": "theirs" }, { "source": "none" } ]
            }
            """);

        Assert.Equal(["/srv/app/token False", "/srv/app/site.json False"], web.Mounts.Select(m => $"{m.Source} {m.MayWrite}"));
        Assert.Equal(["secret value  TOKEN", "config inline a $b ", "config given  SITE"], web.Copies.Select(c => $"{c.Key} {c.Text} {c.Variable}"));
    }
}

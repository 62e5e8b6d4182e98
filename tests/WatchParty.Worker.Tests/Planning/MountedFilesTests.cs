using WatchParty.Worker.Planning;

namespace WatchParty.Worker.Tests.Planning;

public sealed class MountedFilesTests
{
    private static string Restarts(string service, params string[] changed) =>
        string.Join('\n', MountedFiles.Restarts(ComposeModel.Parse($$"""
            {
              "name": "app",
              "configs": { "site": { "file": "/srv/app/site.json" }, "inline": { "content": "a" } },
              "secrets": { "token": { "file": "/srv/app/token" } },
              "services": { "web": {{service}}, "other": { "image": "redis" } }
            }
            """), "/srv/app", changed).Select(r => $"{r.Key}: {r.Value}"));

    private static string Mounting(string source) => $$"""{ "volumes": [ { "type": "bind", "source": "{{source}}", "target": "/x" } ] }""";

    [Theory]
    [InlineData("/srv/app/nginx.conf", "nginx.conf", "web: it mounts nginx.conf, which changed")]
    [InlineData("/srv/app/conf", "conf/a conf/b README.md", "web: it mounts conf/a and 1 more that changed")]
    [InlineData("/srv/app/conf/", "conf/a", "web: it mounts conf/a, which changed")]
    [InlineData("/srv/app", "README.md", "web: it mounts README.md, which changed")]
    [InlineData("/srv", "README.md", "")]
    [InlineData("/srv/app/a$$b", "a$b", "web: it mounts a$b, which changed")]
    [InlineData("/srv/app/conf", "configuration/a conf.txt docs/conf/a", "")]
    [InlineData("/var/lib/data", "data", "")]
    public void Service_ThatMountsAChangedPath_IsRestarted(string source, string changed, string restarts) => Assert.Equal(restarts, Restarts(Mounting(source), changed.Split(' ')));

    [Theory]
    [InlineData("""{ "configs": [ { "source": "site", "target": "/site.json" }, { "source": "inline" } ] }""", "web: it mounts site.json, which changed")]
    [InlineData("""{ "secrets": [ { "source": "token" } ] }""", "")]
    [InlineData("""{ "volumes": [ { "type": "volume", "source": "site.json", "target": "/x" }, { "type": "tmpfs", "target": "/y" } ] }""", "")]
    [InlineData("{}", "")]
    public void Service_SeesTheFilesOfItsConfigsAndNoVolume(string service, string restarts) => Assert.Equal(restarts, Restarts(service, "site.json"));
}

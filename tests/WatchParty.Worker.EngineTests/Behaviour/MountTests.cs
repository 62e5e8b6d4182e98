using WatchParty.Worker.EngineTests.Harness;

namespace WatchParty.Worker.EngineTests.Behaviour;

[Trait("Store", "Containerd")]
public sealed class MountTests
{
    private const string Idle = "    image: watchparty-sample-base:1\n    init: true\n    command: [sleep, \"600\"]\n    restart: always\n";

    /// <summary>A program that reads its file once, and again at a SIGHUP.</summary>
    private const string Reloading = """
            image: watchparty-sample-base:1
            command: ["sh", "-c", "trap 'cat /conf.d/one > /tmp/seen' HUP; cat /conf.d/one > /tmp/seen; while true; do sleep 0.1; done"]
            stop_signal: SIGKILL
            volumes: ["./current:/conf.d:ro"]
            x-watchparty: {on_mount_change: "signal:SIGHUP"}

        """;

    private const string Compose = "services:\n"
        + "  single:\n" + Idle + "    volumes: [\"./site.conf:/site.conf\", \"./page.local:/page:ro\"]\n"
        + "    post_start: [{command: [sh, -c, \"echo hook >> /hooks\"]}]\n    depends_on: {beside: {condition: service_started}}\n"
        + "  given:\n" + Idle + "    secrets: [token]\n    configs: [{source: text, target: /text}]\n"
        + "  reloading:\n" + Reloading
        + "  beside:\n" + Idle
        + "secrets: {token: {environment: TOKEN}}\nconfigs: {text: {content: \"one\"}}\n";

    private static async Task<Application> OfAsync()
    {
        var app = await Application.OfAsync(
            ("compose.yaml", Compose), ("site.conf", "one\n"), ("conf/one", "one\n"), (".gitignore", "*.local\n.env\ncurrent\n"));
        await File.WriteAllTextAsync(Path.Combine(app.Checkout, "page.local"), "one\n");
        await Command.ShellAsync("ln -s conf current; echo TOKEN=first-token >> .env", app.Checkout);
        (await app.OnceAsync()).Succeeded();
        return app;
    }

    private static Task<string> InAsync(Container container, string command) => Command.ShellAsync($"docker exec {container.Id} {command}");

    /// <summary>Releases, and tells which services are not in the start that they were in, and why.</summary>
    private static async Task<(string Touched, Run Run)> ReleaseAsync(Application app, params (string, string?)[] changes)
    {
        var before = await app.ContainersAsync();
        await app.PushAsync(changes.Length > 0 ? changes : [("docs.md", $"{Guid.NewGuid()}\n")]);
        var run = (await app.OnceAsync()).Succeeded();
        var after = await app.ContainersAsync();
        await NothingStaleAsync(app, after);
        return (string.Join(", ", after.Where(c => before[c.Key] != c.Value).Select(c => $"{c.Key} {(before[c.Key].Id == c.Value.Id ? "restarted" : "made anew")}").Order(StringComparer.Ordinal)), run);
    }

    private static async Task NothingStaleAsync(Application app, IReadOnlyDictionary<string, Container> containers)
    {
        foreach (var (service, inside, outside) in new[] { ("single", "/site.conf", "site.conf"), ("single", "/page", "page.local"), ("reloading", "/conf.d", "current/.") })
        {
            Assert.Equal(await Command.ShellAsync($"stat -c %i {outside}", app.Checkout), await InAsync(containers[service], $"stat -c %i {inside}"));
        }
    }

    [Fact]
    public async Task What_is_mounted_reaches_the_container_and_no_other_is_touched()
    {
        await using var app = await OfAsync();
        Assert.Equal("", (await ReleaseAsync(app)).Touched);

        var (touched, run) = await ReleaseAsync(app, ("site.conf", "two\n"));
        Assert.Equal(("single restarted", "it mounts site.conf, which changed"), (touched, run.Service("single").Reason));
        Assert.Equal("hook\nhook\ntwo", await InAsync((await app.ContainersAsync())["single"], "cat /hooks /site.conf"));

        // What git does not track: replaced as editors do, and written in its place.
        await Command.ShellAsync("echo two > new.local; mv new.local page.local", app.Checkout);
        Assert.Equal("single restarted", (await ReleaseAsync(app)).Touched);
        await Command.ShellAsync("echo three > page.local", app.Checkout);
        Assert.Equal("single restarted", (await ReleaseAsync(app)).Touched);
        Assert.Equal("three", await InAsync((await app.ContainersAsync())["single"], "cat /page"));

        // What compose copies: a restart would not do.
        (touched, run) = await ReleaseAsync(app, ("compose.yaml", Compose.Replace("content: \"one\"", "content: \"two\"", StringComparison.Ordinal)));
        Assert.Equal(("given made anew", "its config text changed"), (touched, run.Service("given").Reason));
        await Command.ShellAsync("sed -i s/first-token/second-token/ .env", app.Checkout);
        (touched, run) = await ReleaseAsync(app);
        Assert.Equal(("given made anew", "its secret token changed"), (touched, run.Service("given").Reason));
        Assert.Equal("two\nsecond-token", await InAsync((await app.ContainersAsync())["given"], "sh -c 'cat /text; echo; cat /run/secrets/token'"));
        Assert.DoesNotContain("second-token", run.All, StringComparison.Ordinal);

        // A signal reaches a folder that is mounted, and not one that the link leads to since.
        (touched, run) = await ReleaseAsync(app, ("conf/one", "two\n"));
        Assert.Equal(("", "it mounts conf/one, which changed, and gets SIGHUP"), (touched, run.Service("reloading").Reason));
        await Eventually.HoldsAsync(async () => await InAsync((await app.ContainersAsync())["reloading"], "cat /tmp/seen") == "two", "what the signal brings about");
        await Command.ShellAsync("cp -r conf conf.local; echo three > conf.local/one; ln -sfn conf.local current", app.Checkout);
        (touched, run) = await ReleaseAsync(app);
        Assert.Equal("reloading restarted", touched);
        Assert.Contains(run.Notes, n => n.StartsWith("reloading is restarted instead of getting SIGHUP, because conf.local was replaced", StringComparison.Ordinal));
        Assert.Equal("three", await InAsync((await app.ContainersAsync())["reloading"], "cat /tmp/seen"));
    }

    [Fact]
    public async Task After_a_stash_and_a_rollback_no_container_has_an_old_file()
    {
        await using var app = await OfAsync();
        await ReleaseAsync(app, ("site.conf", "two\n"));

        // The edit is put away, and the file is the commit's again.
        await Command.ShellAsync("sed -i s/two/edited/ site.conf", app.Checkout);
        Assert.Equal("single restarted", (await ReleaseAsync(app)).Touched);
        Assert.Equal("two", await InAsync((await app.ContainersAsync())["single"], "cat /site.conf"));

        await ReleaseAsync(app, ("site.conf", "three\n"));
        Assert.Equal(0, (await app.RunAsync("rollback")).ExitCode);
        await NothingStaleAsync(app, await app.ContainersAsync());
        Assert.Equal("two", await InAsync((await app.ContainersAsync())["single"], "cat /site.conf"));

        // Refused before anything is done, by file, key and what can stand there.
        var before = await app.ContainersAsync();
        await app.PushAsync("compose.yaml", Compose.Replace("signal:SIGHUP", "signal:HUP", StringComparison.Ordinal));
        var refused = (await app.OnceAsync()).Expect("Failed", 1);
        Assert.Contains("compose.yaml: services.reloading.x-watchparty.on_mount_change is 'signal:HUP', which is not known. Write ", refused.Error, StringComparison.Ordinal);
        Assert.Equal(before, await app.ContainersAsync());
    }
}

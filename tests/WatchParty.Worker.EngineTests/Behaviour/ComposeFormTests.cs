using System.Text.Json.Nodes;
using WatchParty.Worker.EngineTests.Harness;

namespace WatchParty.Worker.EngineTests.Behaviour;

[Trait("Store", "Containerd")]
public sealed class ComposeFormTests
{
    [Fact]
    public async Task Several_files_a_profile_an_include_and_env_files_are_read_as_compose_reads_them()
    {
        await using var app = await Application.OfAsync(
            ("base.yaml", "include: [more/included.yaml]\n" + SmallApplication.Compose(SmallApplication.Service("web"))),
            ("server.yaml", "services:\n  web:\n    ports: [\"127.0.0.1:${WEB_PORT}:8000\"]\n    environment: {GREETING: \"${GREETING:?is not set}\"}\n" + SmallApplication.HealthCheck),
            ("more/included.yaml", "services:\n  extra:\n    image: watchparty-sample-base:1\n    init: true\n    command: [sleep, \"600\"]\n    restart: always\n"),
            ("tools.yaml", "services:\n  tool:\n    image: watchparty-sample-base:1\n    init: true\n    command: [sleep, \"600\"]\n    restart: always\n    profiles: [tools]\n  other:\n    image: watchparty-sample-base:1\n    profiles: [others]\n"),
            ("settings.env", "GREETING=hello\n"),
            ("web/Dockerfile", SmallApplication.Dockerfile), ("web/serve.sh", SmallApplication.Server), ("web/content.txt", "web\n"), ("web/status", "ok\n"));
        app.Configure("Compose:Files", new JsonArray("base.yaml", "server.yaml", "tools.yaml"));
        app.Configure("Compose:Profiles", new JsonArray("tools"));
        app.Configure("Compose:EnvFiles", new JsonArray(".env", "settings.env"));
        var first = (await app.OnceAsync()).Succeeded();
        Assert.Equal(["extra", "tool", "web"], first.Services.Select(s => s.Name).Order(StringComparer.Ordinal));
        Assert.Equal(["extra", "tool", "web"], (await app.ContainersAsync()).Keys.Order(StringComparer.Ordinal));
        Assert.Contains("GREETING=hello", await Command.ShellAsync($"docker exec {(await app.ContainersAsync())["web"].Id} env"), StringComparison.Ordinal);

        // A change of interpolation alone builds nothing and creates the one container again.
        var before = await app.ContainersAsync();
        await app.PushAsync("settings.env", "GREETING=good morning\n");
        var second = (await app.OnceAsync()).Succeeded();
        Assert.Equal(["extra Unchanged", "tool Unchanged", "web Restarted"], second.Counts);
        Assert.Equal("its configuration changed", second.Service("web").Reason);
        Assert.Equal(before["extra"], (await app.ContainersAsync())["extra"]);
    }

    [Fact]
    public async Task Services_without_an_image_name_with_a_shared_build_and_with_a_dot_in_the_name_are_built_and_run()
    {
        const string Build = "    build: {context: ./web}\n    init: true\n    restart: always\n";
        await using var app = await Application.OfAsync([
            .. SmallApplication.Folder("web"),
            ("compose.yaml", $"services:\n  nameless:\n{Build}  one:\n    image: PROJECT-shared:latest\n{Build}  two:\n    image: PROJECT-shared:latest\n{Build}  dot.ted:\n    image: PROJECT-shared:dotted\n{Build}"),
        ]);
        var first = (await app.OnceAsync()).Succeeded();
        Assert.All(first.Services, s => Assert.Equal("Built", s.Action));
        Assert.Equal(["dot.ted", "nameless", "one", "two"], (await app.ContainersAsync()).Keys.Order(StringComparer.Ordinal));
        Assert.Equal(first.Service("nameless").Image, await app.ImageAsync("nameless:latest"));
        Assert.Equal(first.Service("dot.ted").Image, await app.ImageAsync("shared:dotted"));
        // Images that differ in the tag alone are kept apart.
        Assert.Equal(first.Service("one").Image, await app.KeptImageAsync(first.Release, "one"));
        Assert.Equal(first.Service("dot.ted").Image, await app.KeptImageAsync(first.Release, "dot.ted"));
        Assert.Equal(first.Service("one").Image, first.Service("two").Image);
        (await app.OnceAsync()).Expect("NothingToDo", 0);

        var commit = await app.PushAsync("web/content.txt", $"{Guid.NewGuid()}\n");
        app.TakeDockerCalls();
        (await app.OnceAsync()).Succeeded();
        Assert.Matches("^dot_ted-[0-9a-f]{12} nameless one$", Assert.Single(app.TakeBuilds()));
        foreach (var container in (await app.ContainersAsync()).Values)
        {
            Assert.Contains(commit, await Command.ShellAsync($"docker exec {container.Id} cat /tmp/www/version"), StringComparison.Ordinal);
        }

        await app.PushAsync("docs.md", "Words.\n");
        Assert.All((await app.OnceAsync()).Succeeded().Services, s => Assert.Equal("Unchanged", s.Action));
    }

    [Fact]
    [Trait("Engine", "Older")]
    public async Task Only_what_differs_is_replaced_or_restarted_and_what_has_to_follow_follows()
    {
        const string Idle = "    image: watchparty-sample-base:1\n    init: true\n    command: [sleep, \"600\"]\n    restart: always\n";
        var compose = SmallApplication.Compose(
            SmallApplication.Service("web", "    env_file: web.env\n    depends_on: {migrate: {condition: service_completed_successfully}}\n    ports: [\"127.0.0.1:${WEB_PORT}:8000\"]\n" + SmallApplication.HealthCheck),
            "  migrate:\n    image: PROJECT-web:latest\n    command: [\"true\"]\n",
            "  sharing:\n" + Idle + "    network_mode: service:web\n",
            "  restarting:\n" + Idle + "    depends_on: {web: {condition: service_started, restart: true}}\n",
            "  using:\n" + Idle + "    depends_on: {web: {condition: service_healthy}}\n",
            "  mounting:\n" + Idle + "    volumes: [\"./site.conf:/site.conf:ro\", \"./conf.d:/conf.d:ro\"]\n",
            "  beside:\n" + Idle + "    network_mode: service:mounting\n");
        await using var app = await Application.OfAsync([
            .. SmallApplication.Folder("web"), ("compose.yaml", compose), ("web.env", "GREETING=hello\n"), ("site.conf", "first\n"), ("conf.d/one", "first\n"), (".gitignore", ".env\n"),
        ]);
        (await app.OnceAsync()).Succeeded();

        // Each round: what is touched, and that nothing else is.
        var before = await app.ContainersAsync();
        async Task<IEnumerable<string>> TouchedAsync()
        {
            var (was, now) = (before, before = await app.ContainersAsync());
            return now.Keys.Where(s => now[s] != was.GetValueOrDefault(s)).Order(StringComparer.Ordinal);
        }
        Task<string> ConfAsync() => Command.ShellAsync($"docker exec {before["mounting"].Id} sh -c 'cat /site.conf /conf.d/*'");

        // Built: what shares its image and its namespace goes with it, the migration runs before it, what only uses it stays.
        await app.PushAsync("web/content.txt", "another\n");
        var run = (await app.OnceAsync()).Succeeded();
        Assert.Equal(["migrate", "restarting", "sharing", "web"], await TouchedAsync());
        Assert.Equal(("it runs the image of web", "it has to follow web", "it has to follow web"), (run.Service("migrate").Reason, run.Service("sharing").Reason, run.Service("restarting").Reason));

        // A configuration alone: the migration runs again in the container that it has.
        var migration = before["migrate"];
        await app.PushAsync("web.env", "GREETING=good morning\n");
        run = (await app.OnceAsync()).Succeeded();
        Assert.Equal(["migrate", "restarting", "sharing", "web"], await TouchedAsync());
        Assert.Equal(("its configuration changed", "it had ended and runs again"), (run.Service("web").Reason, run.Service("migrate").Reason));
        Assert.Equal(migration.Id, before["migrate"].Id);
        await app.PushAsync("compose.yaml", compose.Replace("  using:\n", "  using:\n    stop_grace_period: 2s\n", StringComparison.Ordinal));
        (await app.OnceAsync()).Succeeded();
        Assert.Contains("using", await TouchedAsync());

        // Files that a service mounts: it starts again in the container that it has, and sees them.
        var mounting = before["mounting"];
        await app.PushAsync(("site.conf", "second\n"), ("conf.d/one", "second\n"), ("docs.md", "Words.\n"));
        const string Reason = "it mounts conf.d/one and 1 more that changed";
        var planned = (await app.RunAsync("plan", "--json")).Json["services"]!.AsArray().Single(s => (string?)s!["name"] == "mounting")!;
        Assert.Equal(("Restarted", Reason), ((string?)planned["action"], (string?)planned["reason"]));
        app.TakeDockerCalls();
        run = (await app.OnceAsync()).Succeeded();
        Assert.DoesNotContain(app.TakeDockerCalls(), c => c.Contains(" up ", StringComparison.Ordinal));
        Assert.Equal(["beside", "mounting"], await TouchedAsync());
        Assert.Equal((mounting.Id, Reason, "it has to follow mounting"), (before["mounting"].Id, run.Service("mounting").Reason, run.Service("beside").Reason));
        Assert.Equal("second\nsecond", await ConfAsync());

        // A release that is taken back takes its files back.
        await app.PushAsync(("site.conf", "third\n"), ("web/status", "broken\n"));
        run = (await app.OnceAsync()).Expect("RolledBack", 1);
        Assert.Equal(["beside", "migrate", "mounting", "restarting", "sharing", "web"], await TouchedAsync());
        Assert.Equal("it was replaced, and brought back with the release before", run.Service("mounting").Reason);
        Assert.Equal("second\nsecond", await ConfAsync());

        app.Configure("Deploy:RestartOnMountChange", false);
        await app.PushAsync(("site.conf", "fourth\n"), ("web/status", "ok\n"));
        (await app.OnceAsync()).Succeeded();
        Assert.Empty(await TouchedAsync());
    }

    [Fact]
    [Trait("Engine", "Older")]
    public async Task A_service_that_left_the_compose_file_goes_and_one_that_came_is_started()
    {
        await using var app = await Application.OfAsync(SmallApplication.WebAndSide);
        (await app.OnceAsync()).Succeeded();
        var web = (await app.ContainersAsync())["web"];
        await app.PushAsync("compose.yaml", SmallApplication.Web[0].Text!);
        var run = (await app.OnceAsync()).Succeeded();
        Assert.Equal(["side Removed", "web Unchanged"], run.Counts);
        Assert.Equal(web, Assert.Single(await app.ContainersAsync()).Value);

        await app.PushAsync("compose.yaml", SmallApplication.WebAndSide[0].Text!);
        Assert.Equal(["side Built", "web Unchanged"], (await app.OnceAsync()).Succeeded().Services.Select(s => $"{s.Name} {s.Action}").Order(StringComparer.Ordinal));
        Assert.Equal(web, (await app.ContainersAsync())["web"]);
    }

    [Fact]
    public async Task Doctor_finds_cache_metadata_in_a_shipped_image_and_the_argument_that_puts_it_there()
    {
        var compose = SmallApplication.Web[0].Text!.Replace("args: {", "args: {BUILDKIT_INLINE_CACHE: \"1\", ", StringComparison.Ordinal);
        await using var app = await Application.OfAsync([.. SmallApplication.Web, ("compose.yaml", compose)]);
        (await app.OnceAsync()).Succeeded();
        async Task<(int ExitCode, string Message)> CheckAsync()
        {
            var run = await app.RunAsync("doctor", "--json");
            var check = run.Json["checks"]!.AsArray().Single(c => (string?)c!["name"] == "cache metadata of web")!;
            Assert.Equal("Error", (string?)check["status"]);
            Assert.NotNull((string?)check["fix"]);
            return (run.ExitCode, (string)check["message"]!);
        }
        Assert.Equal((1, "the build argument BUILDKIT_INLINE_CACHE is set"), await CheckAsync());
        // The file is right now, and the image that runs is still the old one.
        await File.WriteAllTextAsync(Path.Combine(app.Checkout, "compose.yaml"), SmallApplication.Web[0].Text!.Replace("PROJECT", app.Project, StringComparison.Ordinal));
        var (code, message) = await CheckAsync();
        Assert.Equal(1, code);
        Assert.Contains("carries BuildKit's inline cache", message, StringComparison.Ordinal);
    }
}

using System.Globalization;
using System.Text.Json.Nodes;
using WatchParty.Worker.EngineTests.Harness;

namespace WatchParty.Worker.EngineTests.Behaviour;

[Trait("Store", "Containerd")]
public sealed class ServiceTests : IAsyncLifetime
{
    // A step that waits for ever, and can be told from every other on the machine.
    private readonly string _forEver = Random.Shared.Next(1_000_000, 9_000_000).ToString(CultureInfo.InvariantCulture);
    private Application _app = null!;

    private static readonly string[] Prunes = ["Pruned", "LostWarmth"];

    public async Task InitializeAsync() => _app = await Application.OfAsync(SmallApplication.WebAndSide);

    public async Task DisposeAsync() => await _app.DisposeAsync();

    [Fact]
    public async Task It_releases_at_its_start_follows_pushes_tells_systemd_and_ends_quickly_when_idle()
    {
        using var systemd = new ServiceManager(_app.In("notify"));
        var service = await _app.StartServiceAsync(("NOTIFY_SOCKET", systemd.Address), ("WATCHDOG_USEC", "2000000"));
        await _app.ReleasedAsync(await _app.HeadOfCheckoutAsync());
        await systemd.HearsAsync(m => m == "READY=1", "READY=1");
        await systemd.HearsAsync(m => m.StartsWith("STATUS=", StringComparison.Ordinal) && m.Contains("[web ", StringComparison.Ordinal), "a step in the status");
        var head = await _app.PushAsync("web/content.txt", "pushed\n");
        var release = await _app.ReleasedAsync(head);
        Assert.Equal("poll", (string?)release["trigger"]);
        Assert.Contains("pushed", await _app.GetAsync("/version"), StringComparison.Ordinal);
        await systemd.HearsAsync(m => m == $"STATUS=release {release["release"]}: Succeeded", "the release in the status");
        await systemd.HearsAsync(m => m == "WATCHDOG=1", "WATCHDOG=1");

        var status = await _app.StatusAsync();
        Assert.True((bool)status["running"]!);
        Assert.Equal(service.Id, (int)status["service"]!["pid"]!);
        Assert.Equal(head, (string?)status["deployed"]!["commit"]);

        var containers = await _app.ContainersAsync();
        var (code, elapsed) = await service.StopAsync();
        Assert.Equal(0, code);
        Assert.InRange(elapsed, TimeSpan.Zero, TimeSpan.FromSeconds(5));
        Assert.Contains("STOPPING=1", systemd.Messages);
        Assert.False(File.Exists(Path.Combine(_app.State, "worker.sock")));

        // A start brings up what runs already, and so changes nothing.
        var second = await _app.StartServiceAsync();
        await second.SaysAsync($"({head}) is up");
        Assert.Equal(containers, await _app.ContainersAsync());
        Assert.Equal(0, (await second.StopAsync()).ExitCode);
    }

    [Fact]
    public async Task Verbs_go_through_it_and_show_its_progress()
    {
        await using var service = await _app.StartServiceAsync();
        await _app.ReleasedAsync(await _app.HeadOfCheckoutAsync());
        var commit = await _app.PushAsync("web/content.txt", "by a verb\n");
        // The service may release it by itself first, for it sees the push.
        var once = (await _app.OnceAsync("--force-rebuild")).Succeeded();
        Assert.Equal(commit, once.Commit);
        Assert.Contains("RUN sh -n serve.sh", once.Errors, StringComparison.Ordinal);
        Assert.Contains("docker compose up", once.Errors, StringComparison.Ordinal);
        Assert.Contains("Succeeded", once.Errors, StringComparison.Ordinal);
        Assert.Contains($"of commit {commit} begins (once by ", service.Log, StringComparison.Ordinal);
        (await _app.OnceAsync()).Expect("NothingToDo", 0);
        (await _app.RunAsync("rollback", "1", "--json")).Succeeded();
        Assert.DoesNotContain("by a verb", await _app.GetAsync("/version"), StringComparison.Ordinal);
        // On the containerd store a prune may cost the builder its keys; the sealed cache makes up for it.
        Assert.Contains((await _app.RunAsync("prune", "--json")).Outcome, Prunes);
        Assert.Equal("Refused", (await _app.RunAsync("clear-cache", "nobody", "--json")).Outcome);
        Assert.Equal("Cleared", (await _app.RunAsync("clear-cache", "web", "--json")).Outcome);
        Assert.Equal(0, (await service.StopAsync()).ExitCode);
    }

    [Fact]
    [Trait("Engine", "Older")]
    public async Task Drop_files_are_answered_and_a_fresh_build_that_is_owed_survives_a_restart()
    {
        string Flag(string name) => Path.Combine(_app.Checkout, name);
        async Task<JsonObject> AnswerAsync(string name, string text)
        {
            File.Delete(Flag($"{name}.result.json"));
            await File.WriteAllTextAsync(Flag($"{name}.flag"), text);
            await Eventually.HoldsAsync(() => !File.Exists(Flag($"{name}.flag")), $"the end of {name}.flag");
            return JsonNode.Parse(await File.ReadAllTextAsync(Flag($"{name}.result.json")))!.AsObject();
        }
        var service = await _app.StartServiceAsync();
        await _app.ReleasedAsync(await _app.HeadOfCheckoutAsync());
        var before = await _app.ContainersAsync();

        await using (_app.Visit("/version"))
        {
            var refused = await AnswerAsync("clear-cache", "web,nobody\n");
            Assert.Equal("Refused", (string?)refused["outcome"]);
            Assert.Contains("there is no service nobody", (string)refused["error"]!, StringComparison.Ordinal);

            var one = await AnswerAsync("clear-cache", "web\n");
            Assert.Equal(("Cleared", null), ((string?)one["outcome"], (string?)one["error"]));
            Assert.Equal("web", (string?)Assert.Single(one["targets"]!.AsArray()));
            Assert.True((long)one["freedBytes"]! >= 0);
            Assert.Equal(before, await _app.ContainersAsync());
        }
        // The flags are no part of the application: nothing is released for them.
        Assert.Equal(0, (await service.StopAsync()).ExitCode);
        Assert.Equal("web", (string?)Assert.Single((await _app.StatusAsync())["freshBuildPending"]!.AsArray()));

        // A flag that is there at the start counts.
        await File.WriteAllTextAsync(Flag("clear-cache.flag"), "");
        service = await _app.StartServiceAsync();
        await Eventually.HoldsAsync(() => !File.Exists(Flag("clear-cache.flag")), "the end of the flag");
        Assert.Equal(["side", "web"], (await _app.StatusAsync())["freshBuildPending"]!.AsArray().Select(s => (string?)s));
        var release = await _app.ReleasedAsync(await _app.PushAsync("docs/README.md", "A word.\n"));
        Assert.All(release["services"]!.AsArray(), s => Assert.True((bool)s!["fresh"]! && (int)s["steps"]!["cached"]! == 0 && (int)s["steps"]!["total"]! == 2, $"{s}"));

        var forced = await AnswerAsync("force-rebuild", "");
        Assert.Equal("Succeeded", (string?)forced["outcome"]);
        release = (await _app.LastReleaseAsync())!;
        Assert.Equal("force-rebuild.flag", (string?)release["trigger"]);
        Assert.All(release["services"]!.AsArray(), s => Assert.True((bool)s!["fresh"]! && (int)s["steps"]!["cached"]! == 0 && (int)s["steps"]!["total"]! == 2, $"{s}"));

        var target = _app.In("not-to-be-touched");
        await File.WriteAllTextAsync(target, "all\n");
        File.CreateSymbolicLink(Flag("clear-cache.flag"), target);
        await Eventually.HoldsAsync(() => new FileInfo(Flag("clear-cache.flag")).LinkTarget is null, "the end of the link");
        Assert.Contains("it is a link", await File.ReadAllTextAsync(Flag("clear-cache.result.json")), StringComparison.Ordinal);
        Assert.Equal("all\n", await File.ReadAllTextAsync(target));
        Assert.Equal(0, (await service.StopAsync()).ExitCode);
    }

    [Fact]
    public async Task It_prunes_at_the_scheduled_times_and_makes_up_for_a_missed_one_once()
    {
        _app.Configure("Prune:Cron", "0/5 * * * * ?");
        var service = await _app.StartServiceAsync();
        await Eventually.HoldsAsync(async () => (string?)(await _app.StatusAsync())["lastPrune"]?["trigger"] == "schedule", "a scheduled prune", () => service.Log);
        Assert.Contains((string?)(await _app.StatusAsync())["lastPrune"]!["outcome"], Prunes);
        await _app.ReleasedAsync(await _app.HeadOfCheckoutAsync());
        Assert.Equal(0, (await service.StopAsync()).ExitCode);

        // The next time comes while nothing runs, and after it there is none for a day.
        var missed = TimeProvider.System.GetUtcNow().AddSeconds(2);
        _app.Configure("Prune:Cron", missed.ToString("s m H '* * ?'", CultureInfo.InvariantCulture));
        _app.Configure("Prune:TimeZone", "UTC");
        await Eventually.HoldsAsync(() => TimeProvider.System.GetUtcNow() > missed.AddSeconds(1), "the time of the prune");
        service = await _app.StartServiceAsync();
        await Eventually.HoldsAsync(async () => (string?)(await _app.StatusAsync())["lastPrune"]!["trigger"] == "schedule, made up for", "the prune that was missed", () => service.Log);
        Assert.Equal(0, (await service.StopAsync()).ExitCode);
        var last = $"{(await _app.StatusAsync())["lastPrune"]}";
        service = await _app.StartServiceAsync();
        await service.SaysAsync("is up");
        Assert.Equal(0, (await service.StopAsync()).ExitCode);
        Assert.Equal(last, $"{(await _app.StatusAsync())["lastPrune"]}");
    }

    [Fact]
    public async Task A_stop_during_a_build_ends_it_and_the_next_start_releases_the_commit()
    {
        _app.Configure("Build:Arguments:PAUSE", "0.1");
        await _app.PushAsync("side/Dockerfile", WithPause);
        (await _app.OnceAsync()).Succeeded();
        var (head, before, web) = (await _app.HeadOfCheckoutAsync(), await _app.ContainersAsync(), await _app.ImageAsync("web:latest"));
        _app.Configure("Build:Arguments:PAUSE", _forEver);
        var service = await _app.StartServiceAsync();
        var commit = await _app.PushAsync(("side/content.txt", "slow\n"), ("web/content.txt", "changed too\n"));
        await BuildsSlowlyAsync(service);
        var (code, elapsed) = await service.StopAsync();
        Assert.Equal(0, code);
        Assert.InRange(elapsed, TimeSpan.Zero, TimeSpan.FromSeconds(10));
        var last = (await _app.LastReleaseAsync())!;
        Assert.Equal((commit, "Interrupted", "Done"), ((string?)last["commit"], (string?)last["outcome"], (string?)last["state"]));
        Assert.Equal((head, web), (await _app.HeadOfCheckoutAsync(), await _app.ImageAsync("web:latest")));
        Assert.Equal(before, await _app.ContainersAsync());
        // Neither the client nor the step lives on.
        await Eventually.HoldsAsync(async () => (await Command.RunAsync("pgrep", ["-f", $"sleep {_forEver}"])).ExitCode != 0, "the end of the step");

        _app.Configure("Build:Arguments:PAUSE", "0.1");
        service = await _app.StartServiceAsync();
        await _app.ReleasedAsync(commit);
        Assert.Contains("changed too", await _app.GetAsync("/version"), StringComparison.Ordinal);
        Assert.Equal(0, (await service.StopAsync()).ExitCode);
    }

    [Fact]
    public async Task Pushes_during_a_build_wait_and_only_the_newest_is_released_next()
    {
        _app.Configure("Build:Arguments:PAUSE", "0.1");
        await _app.PushAsync("side/Dockerfile", WithPause.Replace("sleep $PAUSE", "sleep $PAUSE || true", StringComparison.Ordinal));
        (await _app.OnceAsync()).Succeeded();
        _app.Configure("Build:Arguments:PAUSE", _forEver);
        // Nothing is polled meanwhile: that pushes are seen is the watch's work.
        _app.Configure("Repository:PollInterval", "00:10:00");
        var service = await _app.StartServiceAsync();
        await service.SaysAsync("is up");
        await Eventually.HoldsAsync(async () => (await _app.StatusAsync())["service"]?["lastPoll"] is not null, "the first poll");
        var started = TimeProvider.System.GetTimestamp();
        var first = await _app.PushAsync("side/content.txt", "first\n");
        await Eventually.HoldsAsync(async () => (string?)(await _app.LastReleaseAsync())!["commit"] == first, "the release of the first", () => service.Log);
        Assert.InRange(TimeProvider.System.GetElapsedTime(started), TimeSpan.Zero, TimeSpan.FromSeconds(30));
        foreach (var text in new[] { "second", "third" })
        {
            var pushed = await _app.PushAsync("side/content.txt", $"{text}\n");
            await Eventually.HoldsAsync(async () => (string?)(await _app.StatusAsync())["service"]!["nextCommit"] == pushed, $"the {text} in the status", () => service.Log);
        }
        var newest = await _app.GitAsync(_app.Clone, "rev-parse", "HEAD");
        for (var builds = 0; builds < 2; builds++) { await EndPauseAsync(service); }
        await _app.ReleasedAsync(newest);
        var (commits, outcomes, errors) = await HistoryAsync();
        Assert.Equal(["Succeeded", "Superseded", "Succeeded", "Succeeded"], outcomes);
        Assert.Equal((newest, first), (commits[0], commits[2]));
        Assert.Equal($"commit {newest[..7]} came before it was released", errors[1]);
        Assert.Equal(0, (await service.StopAsync()).ExitCode);
    }

    [Fact]
    public async Task A_push_ends_a_build_but_no_deployment_where_the_configuration_says_so()
    {
        _app.Configure("Build:CancelOnNewerCommit", true);
        _app.Configure("Build:Arguments:PAUSE", _forEver);
        (await _app.OnceAsync()).Succeeded();
        var (web, side) = (await _app.ImageAsync("web:latest"), await _app.ImageAsync("side:latest"));
        var service = await _app.StartServiceAsync();
        var cancelled = await _app.PushAsync(("side/Dockerfile", WithPause), ("web/content.txt", "never built\n"));
        await BuildsSlowlyAsync(service);
        // The newest takes its time to become healthy, so that one more can be pushed while it is deployed.
        var compose = SmallApplication.WebAndSide[0].Text!.Replace("wget, -q, -O,", "sh, -c, 'sleep 4; exec wget -q -O /dev/null http://127.0.0.1:8000/health', x,", StringComparison.Ordinal)
            .Replace("timeout: 2s", "timeout: 20s", StringComparison.Ordinal);
        var newest = await _app.PushAsync(("side/Dockerfile", SmallApplication.Dockerfile), ("compose.yaml", compose), ("web/content.txt", "newest\n"));
        await Eventually.HoldsAsync(
            async () => await _app.LastReleaseAsync() is { } last && (string?)last["commit"] == newest && (string?)last["state"] is "Deploying" or "Verifying", "the deployment", () => service.Log);
        // It was cancelled, not failed, and left nothing behind.
        var (_, outcomes, errors) = await HistoryAsync();
        Assert.Equal("Superseded", outcomes[1]);
        Assert.Equal($"commit {newest[..7]} came before it was released", errors[1]);
        Assert.NotEqual(0, (await Command.RunAsync("pgrep", ["-f", $"sleep {_forEver}"])).ExitCode);
        var late = await _app.PushAsync("web/content.txt", "late\n");
        await _app.ReleasedAsync(late);
        (var commits, outcomes, _) = await HistoryAsync();
        Assert.Equal(["Succeeded", "Succeeded", "Superseded", "Succeeded"], outcomes);
        Assert.Equal([late, newest, cancelled], commits[..3]);
        Assert.NotEqual((web, side), (await _app.ImageAsync("web:latest"), await _app.ImageAsync("side:latest")));
        Assert.Contains("late", await _app.GetAsync("/version"), StringComparison.Ordinal);
        Assert.Equal(0, (await service.StopAsync()).ExitCode);
    }

    [Fact]
    public async Task After_a_kill_during_a_build_the_deployed_release_is_brought_up_and_the_commit_released()
    {
        _app.Configure("Build:Arguments:PAUSE", "0.1");
        await _app.PushAsync("side/Dockerfile", WithPause);
        (await _app.OnceAsync()).Succeeded();
        _app.Configure("Build:Arguments:PAUSE", _forEver);
        var service = await _app.StartServiceAsync();
        var commit = await _app.PushAsync("side/content.txt", "slow\n");
        await BuildsSlowlyAsync(service);
        await service.KillAsync();
        Assert.Equal("Building", (string?)(await _app.LastReleaseAsync())!["state"]);
        await Command.ShellAsync($"docker rm -f {(await _app.ContainersAsync())["web"].Id}");

        _app.Configure("Build:Arguments:PAUSE", "0.1");
        var once = (await _app.OnceAsync()).Succeeded();
        Assert.Equal(commit, once.Commit);
        Assert.Contains("bringing release 1 up again", once.Errors, StringComparison.Ordinal);
        Assert.Contains("commit: ", await _app.GetAsync("/version"), StringComparison.Ordinal);
        var reports = JsonNode.Parse((await _app.RunAsync("history", "--json")).Output)!.AsArray();
        Assert.Equal(["Succeeded", "Interrupted", "Succeeded"], reports.Select(r => (string?)r!["outcome"]));
        // The build of the one that was killed ended with it.
        await Eventually.HoldsAsync(async () => (await Command.RunAsync("pgrep", ["-f", $"sleep {_forEver}"])).ExitCode != 0, "the end of the step");
    }

    [Fact]
    public async Task Killed_together_with_a_deployment_it_brings_the_deployed_release_up_again()
    {
        (await _app.OnceAsync()).Succeeded();
        var version = await _app.GetAsync("/version");
        // The new container never becomes healthy, and another waits for it, so that the deployment still runs when it is killed.
        var compose = SmallApplication.WebAndSide[0].Text!.Replace("start_period: 1s", "start_period: 300s", StringComparison.Ordinal) + "    depends_on: {web: {condition: service_healthy}}\n";
        await _app.PushAsync(("web/status", "broken\n"), ("compose.yaml", compose));
        var service = await _app.StartServiceAsync();
        await service.SaysAsync("is up");
        var image = (await _app.ContainersAsync())["web"].Image;
        await Eventually.HoldsAsync(async () => (await _app.ContainersAsync()).TryGetValue("web", out var web) && web.Image != image, "the new container", () => service.Log);
        await service.KillAsync();
        Assert.Equal("Deploying", (string?)(await _app.LastReleaseAsync())!["state"]);

        // The commit is given up, so that what is seen is the recovery's work.
        await _app.GitAsync(_app.Clone, "reset", "--quiet", "--hard", "HEAD~1");
        await _app.GitAsync(_app.Clone, "push", "--quiet", "--force", "origin", "HEAD:main");
        service = await _app.StartServiceAsync();
        await service.SaysAsync("is up");
        Assert.Equal(version, await _app.GetAsync("/version"));
        Assert.All((await _app.ContainersAsync()).Values, c => Assert.Equal("running", c.Status));
        Assert.Equal("Interrupted", (string?)(await _app.LastReleaseAsync())!["outcome"]);
        Assert.Equal(image, (await _app.ContainersAsync())["web"].Image);
        Assert.Equal(0, (await service.StopAsync()).ExitCode);
    }

    private async Task<(string[] Commits, string[] Outcomes, string?[] Errors)> HistoryAsync()
    {
        var reports = JsonNode.Parse((await _app.RunAsync("history", "--json")).Output)!.AsArray();
        return ([.. reports.Select(r => (string)r!["commit"]!)], [.. reports.Select(r => (string)r!["outcome"]!)], [.. reports.Select(r => (string?)r!["error"])]);
    }

    private static string WithPause => SmallApplication.Dockerfile.Replace("RUN sh -n", "ARG PAUSE\nRUN sleep $PAUSE\nRUN sh -n", StringComparison.Ordinal);

    private async Task EndPauseAsync(Service service)
    {
        await BuildsSlowlyAsync(service);
        await Command.ShellAsync($"kill $(pgrep -f '^sleep {_forEver}$')");
        await Eventually.HoldsAsync(async () => (await Command.RunAsync("pgrep", ["-f", $"^sleep {_forEver}$"])).ExitCode != 0, "the end of the step");
    }

    private Task BuildsSlowlyAsync(Service service) => Eventually.HoldsAsync(
        async () => (await Command.RunAsync("pgrep", ["-f", $"^sleep {_forEver}$"])).ExitCode == 0 && (await _app.StatusAsync())["service"]?["progress"] is not null, "the slow step", () => service.Log);
}

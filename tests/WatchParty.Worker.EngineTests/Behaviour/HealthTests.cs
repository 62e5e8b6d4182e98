using System.Globalization;
using System.Net;
using System.Net.Sockets;
using System.Text.Json.Nodes;
using WatchParty.Worker.EngineTests.Harness;

namespace WatchParty.Worker.EngineTests.Behaviour;

[Trait("Store", "Containerd")]
public sealed class HealthTests
{
    [Fact]
    public async Task A_service_without_a_health_check_that_crashes_again_and_again_is_taken_back_and_people_are_told()
    {
        using var inbox = new Inbox();
        await using var app = await Application.OfAsync(SmallApplication.WebAndSide);
        app.Configure("Notifications", new JsonArray(new JsonObject { ["Kind"] = "Webhook", ["Url"] = inbox.Address }));
        app.Configure("Deploy:SettleTime", "00:00:03");
        (await app.OnceAsync()).Succeeded();
        var image = await app.ImageAsync("side:latest");
        await app.PushAsync("side/serve.sh", "exit 7\n");
        var run = (await app.OnceAsync()).Expect("RolledBack", 1);
        Assert.Contains("side restarts again and again (exit code 7)", run.Error, StringComparison.Ordinal);
        Assert.Equal(image, (await app.ContainersAsync())["side"].Image);
        Assert.Equal("running", (await app.ContainersAsync())["side"].Status);
        Assert.Contains("commit: ", await app.GetAsync("/version"), StringComparison.Ordinal);
        Assert.Equal("""["Rollback","Quarantine"] Release 2 was taken back ["side"]""", Told(inbox));

        await app.PushAsync("side/serve.sh", $"# better\n{SmallApplication.Server}");
        (await app.OnceAsync()).Succeeded();
        Assert.Equal("""["Recovery","Success"] Release 3 is deployed, all is well again ["side"]""", Told(inbox));
        Assert.Equal(2, inbox.Messages.Count);
    }

    private static string Told(Inbox inbox) => inbox.Messages.Last() is var last ? $"{last["events"]!.ToJsonString()} {last["title"]} {last["services"]!.ToJsonString()}" : "";

    [Fact]
    [Trait("Engine", "Older")]
    public async Task A_port_that_another_program_has_takes_the_release_back()
    {
        await using var app = await Application.OfAsync(SmallApplication.WebAndSide);
        (await app.OnceAsync()).Succeeded();
        var before = await app.ContainersAsync();
        using var other = new TcpListener(IPAddress.Loopback, 0);
        other.Start();
        var taken = string.Create(CultureInfo.InvariantCulture, $"127.0.0.1:{((IPEndPoint)other.LocalEndpoint).Port}:8000");
        var compose = SmallApplication.Compose(
            SmallApplication.Service("web", "    ports: [\"127.0.0.1:${WEB_PORT}:8000\"]\n" + SmallApplication.HealthCheck),
            SmallApplication.Service("renamed", $"    ports: [\"{taken}\"]\n").Replace("./renamed", "./side", StringComparison.Ordinal));
        await app.PushAsync("compose.yaml", compose.Replace("PROJECT", app.Project, StringComparison.Ordinal));
        var run = (await app.OnceAsync()).Expect("RolledBack", 1);
        Assert.Contains("address already in use", run.Error, StringComparison.Ordinal);
        var after = await app.ContainersAsync();
        Assert.Equal(["side running", "web running"], after.Select(c => $"{c.Key} {c.Value.Status}").Order(StringComparer.Ordinal));
        Assert.Equal(before["side"].Image, after["side"].Image);
        Assert.Equal(before["web"], after["web"]);
    }

    [Fact]
    public async Task A_build_that_prints_nothing_any_more_is_ended_and_the_next_commit_goes_through()
    {
        await using var app = await Application.OfAsync(SmallApplication.Web);
        var marker = Random.Shared.Next(1_000_000, 9_000_000).ToString(CultureInfo.InvariantCulture);
        (await app.OnceAsync()).Succeeded();
        var before = await app.ContainersAsync();
        app.Configure("Build:SilenceTimeout", "00:00:05");
        await app.PushAsync("web/Dockerfile", SmallApplication.Dockerfile.Replace("RUN ", $"RUN sleep {marker}; ", StringComparison.Ordinal));
        Assert.Contains("printed nothing for 00:00:05", (await app.OnceAsync()).Expect("Failed", 1).Error, StringComparison.Ordinal);
        await Eventually.HoldsAsync(async () => (await Command.RunAsync("pgrep", ["-f", $"sleep {marker}"])).ExitCode != 0, "the end of the step");
        Assert.Equal(before, await app.ContainersAsync());
        app.Configure("Build:SilenceTimeout", "00:01:00");
        var commit = await app.PushAsync(("web/Dockerfile", SmallApplication.Dockerfile), ("web/content.txt", "goes on\n"));
        Assert.Equal(commit, (await app.OnceAsync()).Succeeded().Commit);
    }

    [Fact]
    [Trait("Engine", "Older")]
    public async Task A_one_shot_service_may_end_with_0_and_with_nothing_else()
    {
        const string Migrate = """
              migrate:
                image: PROJECT-web:latest
                command: [sh, -c, "exit $$(cat migrate)"]
                restart: "no"

            """;
        var compose = SmallApplication.Web[0].Text + Migrate;
        await using var app = await Application.OfAsync([.. SmallApplication.Web, ("compose.yaml", compose), ("web/migrate", "0\n")]);
        Assert.Equal(["migrate Restarted", "web Built 0/2"], (await app.OnceAsync()).Succeeded().Counts);
        Assert.Equal("exited", (await app.ContainersAsync())["migrate"].Status);
        (await app.OnceAsync()).Expect("NothingToDo", 0);

        await app.PushAsync("web/migrate", "3\n");
        var run = (await app.OnceAsync()).Expect("RolledBack", 1);
        Assert.Contains("migrate ended with exit code 3", run.Error, StringComparison.Ordinal);
        Assert.Contains("commit: ", await app.GetAsync("/version"), StringComparison.Ordinal);
    }

    [Fact]
    public async Task An_unhealthy_release_stays_when_there_is_none_before_it_or_when_rollback_is_off()
    {
        await using var app = await Application.OfAsync([.. SmallApplication.Web, ("web/status", "broken\n")]);
        var first = (await app.OnceAsync()).Expect("DeployFailed", 1);
        Assert.Contains("web is unhealthy", first.Error, StringComparison.Ordinal);
        Assert.Contains("no earlier release", first.Error, StringComparison.Ordinal);
        (await app.OnceAsync()).Expect("Quarantined", 1);

        var good = await app.PushAsync("web/status", "ok\n");
        (await app.OnceAsync()).Succeeded();

        app.Configure("Deploy:Rollback", false);
        var bad = await app.PushAsync("web/status", "broken\n");
        Assert.Contains("Deploy:Rollback is false", (await app.OnceAsync()).Expect("DeployFailed", 1).Error, StringComparison.Ordinal);
        Assert.Equal(bad, await app.HeadOfCheckoutAsync());
        Assert.Contains(bad, await app.GetAsync("/version"), StringComparison.Ordinal);
        // The record still says which release was the last healthy one.
        Assert.Equal(good, (string?)(await app.StatusAsync())["deployed"]!["commit"]);
    }

    [Fact]
    public async Task A_probe_that_does_not_answer_well_takes_the_release_back()
    {
        await using var app = await Application.OfAsync(SmallApplication.Web);
        app.Configure("Deploy:WaitTimeout", "00:00:10");
        app.Configure("Deploy:Probes", new System.Text.Json.Nodes.JsonArray($"http://127.0.0.1:{app.Ports["WEB_PORT"]}/version"));
        (await app.OnceAsync()).Succeeded();
        await app.PushAsync("web/serve.sh", SmallApplication.Server.Replace("/tmp/www/version", "/tmp/www/elsewhere", StringComparison.Ordinal));
        Assert.Contains("/version does not answer well: status 404", (await app.OnceAsync()).Expect("RolledBack", 1).Error, StringComparison.Ordinal);
        Assert.Contains("commit: ", await app.GetAsync("/version"), StringComparison.Ordinal);

        // Neither the new release nor the one before it can answer: one way back, and no further attempt at either.
        app.Configure("Deploy:WaitTimeout", "00:00:05");
        app.Configure("Deploy:Probes", new System.Text.Json.Nodes.JsonArray("http://127.0.0.1:1/"));
        var serving = (await app.ContainersAsync())["web"].Image;
        await app.PushAsync(("web/serve.sh", SmallApplication.Server), ("web/content.txt", "as bad\n"));
        Assert.Contains("failed as well", (await app.OnceAsync()).Expect("DeployFailed", 1).Error, StringComparison.Ordinal);
        var after = await app.ContainersAsync();
        Assert.Equal((serving, "running"), (after["web"].Image, after["web"].Status));
        (await app.OnceAsync()).Expect("Quarantined", 1);
        Assert.Equal(after, await app.ContainersAsync());
    }
}

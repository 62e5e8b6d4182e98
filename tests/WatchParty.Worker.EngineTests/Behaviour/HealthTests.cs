using System.Text.Json.Nodes;
using WatchParty.Worker.EngineTests.Harness;

namespace WatchParty.Worker.EngineTests.Behaviour;

[Trait("Store", "Any")]
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
    }
}

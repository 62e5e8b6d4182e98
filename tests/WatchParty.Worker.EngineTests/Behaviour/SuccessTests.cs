using WatchParty.Worker.EngineTests.Harness;

namespace WatchParty.Worker.EngineTests.Behaviour;

/// <summary>What counts as a success, and what is said of one.</summary>
[Trait("Store", "Containerd")]
public sealed class SuccessTests
{
    private const string Job = "    image: watchparty-sample-base:1\n    restart: \"no\"\n    command: [sh, -c, \"sleep 3; exit $CODE\"]\n";

    private const string Server =
        "    image: watchparty-sample-base:1\n    init: true\n    command: [sleep, \"600\"]\n    restart: always\n";

    private static Task<Application> WithSideAsync(string side) =>
        Application.OfAsync([.. SmallApplication.Folder("web"), ("compose.yaml", Compose(side)), (".gitignore", ".env\n")]);

    private static string Compose(string side, string more = "") =>
        $"{SmallApplication.Compose(SmallApplication.Service("web", SmallApplication.HealthCheck))}  side:\n{side}{more}";

    [Fact]
    public async Task A_job_that_fails_late_takes_the_release_back_and_one_that_ends_well_does_not()
    {
        await using var app = await WithSideAsync(Job.Replace("$CODE", "0", StringComparison.Ordinal));
        (await app.OnceAsync()).Succeeded();
        Assert.Equal("exited", (await app.ContainersAsync())["side"].Status);

        await app.PushAsync("compose.yaml", Compose(Job.Replace("$CODE", "4", StringComparison.Ordinal)));
        Assert.Equal("side ended with exit code 4", (await app.OnceAsync()).Expect("RolledBack", 1).Error);
    }

    [Fact]
    public async Task A_health_check_that_is_ignored_has_no_say_and_the_same_one_otherwise_has()
    {
        const string Side = $"{Server}    healthcheck: {{test: [CMD, \"false\"], interval: 500ms, timeout: 1s, retries: 1}}\n";
        await using var app = await WithSideAsync($"{Side}    x-watchparty: {{health: ignore}}\n");
        (await app.OnceAsync()).Succeeded();

        await app.PushAsync("compose.yaml", Compose(Side.Replace("600", "601", StringComparison.Ordinal)));
        Assert.StartsWith("side is unhealthy", (await app.OnceAsync()).Expect("RolledBack", 1).Error, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_container_that_somebody_took_from_its_network_is_made_anew_with_the_next_release()
    {
        await using var app = await WithSideAsync(Server);
        (await app.OnceAsync()).Succeeded();
        var side = (await app.ContainersAsync())["side"].Id;
        await Command.ShellAsync($"docker network disconnect {app.Project}_default {side}");

        await app.PushAsync("web/content.txt", $"{Guid.NewGuid():N}\n");
        (await app.OnceAsync()).Succeeded();
        Assert.NotEqual(side, (await app.ContainersAsync())["side"].Id);
        await ReachesAsync(app);
    }

    [Fact]
    public async Task A_network_that_is_made_anew_has_its_containers_under_their_names_again()
    {
        const string Networks = "networks:\n  default: {driver_opts: {com.docker.network.driver.mtu: \"1400\"}}\n";
        await using var app = await WithSideAsync(Server);
        (await app.OnceAsync()).Succeeded();

        await app.PushAsync("compose.yaml", Compose(Server, Networks));
        var run = (await app.OnceAsync()).Succeeded();
        await ReachesAsync(app);
        Assert.Contains(run.Notes, n => n.Contains($"{app.Project}_default", StringComparison.Ordinal));
    }

    [Fact]
    public async Task Compose_that_refuses_leaves_all_as_it_was_and_the_commit_is_released_when_it_no_longer_does()
    {
        await using var app = await WithSideAsync(Server);
        (await app.OnceAsync()).Succeeded();
        var before = await app.ContainersAsync();

        await app.PushAsync(
            ("compose.yaml", Compose($"{Server}    volumes: [\"shared:/shared\"]\n",
                $"volumes:\n  shared: {{external: true, name: {app.Project}-shared}}\n")),
            ("web/content.txt", $"{Guid.NewGuid():N}\n"));
        Assert.StartsWith("Docker compose refused, and no container was touched", (await app.OnceAsync()).Expect("Failed", 1).Error,
            StringComparison.Ordinal);
        Assert.Equal(before, await app.ContainersAsync());

        await Command.ShellAsync($"docker volume create --label com.docker.compose.project={app.Project} {app.Project}-shared");
        (await app.OnceAsync()).Succeeded();
    }

    [Fact]
    public async Task Doctor_and_plan_tell_what_compose_passes_over()
    {
        await using var app = await WithSideAsync(
            $"{Server}    environment: {{PASSWORD: \"${{NOBODY_SET_IT}}\"}}\n"
            + "    healthcheck: {test: [CMD, \"true\"], interval: 1s, start_period: 10m}\n");
        Assert.Contains("NOBODY_SET_IT", (await app.RunAsync("plan")).All, StringComparison.Ordinal);
        Assert.Contains("the health check of side may take 693 s", (await app.RunAsync("doctor")).All, StringComparison.Ordinal);
    }

    /// <summary>As another service would: by name, over the network.</summary>
    private static async Task ReachesAsync(Application app) =>
        Assert.Contains("commit: ",
            await Command.ShellAsync($"docker exec {(await app.ContainersAsync())["side"].Id} wget -q -O - http://web:8000/version"),
            StringComparison.Ordinal);
}

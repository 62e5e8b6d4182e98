using WatchParty.Worker.EngineTests.Harness;

namespace WatchParty.Worker.EngineTests.Reliability;

/// <summary>What the worker wrote, or built, and somebody else destroyed; and what it cannot write.</summary>
[Trait("Store", "Overlay2")]
public sealed class LossTests
{
    [Fact]
    public async Task After_the_loss_of_the_history_and_then_of_the_images_the_deployed_release_is_known_and_serves()
    {
        await using var app = await Application.OfAsync(SmallApplication.Web);
        await app.PushAsync("web/content.txt", "first\n");
        (await app.OnceAsync()).Succeeded();
        await app.PushAsync("web/content.txt", "second\n");
        var second = (await app.OnceAsync()).Succeeded();
        var containers = await app.ContainersAsync();

        await File.WriteAllTextAsync(Path.Combine(app.State, "history.db"), new string('x', 10_000));
        var nothing = (await app.OnceAsync()).Expect("NothingToDo", 0);
        Assert.Equal((second.Release, second.Commit), (nothing.Release, nothing.Commit));
        Assert.Contains("The history was damaged", nothing.Errors, StringComparison.Ordinal);
        Assert.Equal(containers, await app.ContainersAsync());
        Assert.Single((await app.StatusAsync())["brokenHistories"]!.AsArray());
        Assert.Contains((await app.RunAsync("doctor", "--json")).Json["checks"]!.AsArray(), c => (string?)c!["name"] == "history" && (string?)c["status"] == "Warning");

        var rollback = (await app.RunAsync("rollback", "--json")).Succeeded();
        Assert.Equal("3", rollback.Release);
        Assert.Contains("first", await app.GetAsync("/version"), StringComparison.Ordinal);

        await Command.ShellAsync($"docker rm -f {(await app.ContainersAsync())["web"].Id}; docker image rm -f $(docker image ls -q '{app.Project}-web')");
        await using var service = await app.StartServiceAsync();
        await service.SaysAsync("is up");
        Assert.Contains("are built again from its commit", service.Log, StringComparison.Ordinal);
        Assert.Contains("first", await app.GetAsync("/version"), StringComparison.Ordinal);
        await app.ReleasedAsync(await app.PushAsync("web/content.txt", "third\n"));
        Assert.Contains("third", await app.GetAsync("/version"), StringComparison.Ordinal);
        Assert.Equal(0, (await service.StopAsync()).ExitCode);
    }

    [RootFact]
    public async Task A_full_disk_of_the_state_keeps_releases_back_and_the_site_as_it_is_until_there_is_space()
    {
        var marker = $"{Random.Shared.Next(1_000_000, 9_000_000)}";
        await using var app = await Application.OfAsync(SmallApplication.Web);
        await using var disk = await SmallDisk.MountAsync(app.State);
        await using var service = await app.StartServiceAsync();
        await app.ReleasedAsync(await app.HeadOfCheckoutAsync());
        var containers = await app.ContainersAsync();

        await disk.FillAsync();
        var waiting = await app.PushAsync("web/content.txt", "waiting\n");
        await service.SaysAsync($"Commit {waiting} could not be released and is tried again");
        Assert.Contains($"Free some space on the disk of {app.State}", service.Log, StringComparison.Ordinal);
        Assert.Contains($"Free some space on the disk of {app.State}", (await app.RunAsync("status")).Output, StringComparison.Ordinal);
        Assert.Equal(containers, await app.ContainersAsync());
        disk.Free();
        await app.ReleasedAsync(waiting);

        containers = await app.ContainersAsync();
        var half = await app.PushAsync("web/Dockerfile", SmallApplication.Dockerfile.Replace("RUN ", $"RUN sleep 3; : {marker}; ", StringComparison.Ordinal));
        await Eventually.HoldsAsync(async () => (await Command.RunAsync("pgrep", ["-f", $": {marker}"])).ExitCode == 0, "the slow step", () => service.Log);
        await disk.FillAsync();
        await service.SaysAsync($"Commit {half} could not be released and is tried again");
        Assert.Equal(containers, await app.ContainersAsync());
        Assert.Equal(waiting, await app.HeadOfCheckoutAsync());
        disk.Free();
        await app.ReleasedAsync(half);

        // It answers, but is not healthy, so that there is time to fill the disk in and something to go back from.
        var sick = await app.PushAsync("web/status", "broken\n");
        await Eventually.HoldsAsync(async () => await app.LastReleaseAsync() is { } last && (string?)last["commit"] == sick && (string?)last["state"] is "Deploying" or "Verifying", "the deployment", () => service.Log);
        await disk.FillAsync();
        await service.SaysAsync($"Commit {sick} could not be released and is tried again");
        Assert.Equal(half, await app.HeadOfCheckoutAsync());
        Assert.StartsWith($"commit: {half}", await app.GetAsync("/version"), StringComparison.Ordinal);
        disk.Free();
        await app.ReleasedAsync(sick, "RolledBack");
        Assert.StartsWith($"commit: {half}", await app.GetAsync("/version"), StringComparison.Ordinal);
        Assert.Equal(0, (await service.StopAsync()).ExitCode);
    }
}

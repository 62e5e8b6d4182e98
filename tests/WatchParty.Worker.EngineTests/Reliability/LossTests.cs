using WatchParty.Worker.EngineTests.Harness;

namespace WatchParty.Worker.EngineTests.Reliability;

/// <summary>What the worker wrote, or built, and somebody else destroyed.</summary>
[Trait("Store", "Any")]
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
}

using WatchParty.Worker.EngineTests.Harness;

namespace WatchParty.Worker.EngineTests.Behaviour;

[Trait("Store", "Containerd")]
public sealed class UsageTests : IAsyncLifetime
{
    private Application _app = null!;

    public async Task InitializeAsync() => _app = await Application.OfAsync(("README.md", "No application yet.\n"));

    public async Task DisposeAsync() => await _app.DisposeAsync();

    [Fact]
    public async Task Every_fault_of_the_configuration_is_listed_at_once_with_its_file_and_key()
    {
        _app.Configure("Repository:Path", "not/absolute");
        _app.Configure("Repository:PollIntervall", "00:00:30");
        _app.Configure("Deploy:WaitTimeout", "30");
        _app.Configure("Prune:Cron", "every night");
        foreach (var verb in (string[][])[["once"], ["run"], ["plan"], ["status"], ["doctor", "--json"]])
        {
            var run = await _app.RunAsync([.. verb, "--set", "Prune:KeepReleases=many"]);
            Assert.Equal((2, ""), (run.ExitCode, run.Output));
            Assert.Contains("5 faults", run.Errors, StringComparison.Ordinal);
            foreach (var key in new[] { "Repository:Path", "Repository:PollIntervall", "Deploy:WaitTimeout", "Prune:Cron" })
            {
                Assert.Contains($"{_app.ConfigurationFile}: {key}: ", run.Errors, StringComparison.Ordinal);
            }
            Assert.Contains("flag --set: Prune:KeepReleases: ", run.Errors, StringComparison.Ordinal);
        }
        Assert.False(Directory.Exists(_app.State));
    }

    [Fact]
    public async Task A_configuration_that_is_no_JSON_or_not_there_is_a_fault_too()
    {
        await File.WriteAllTextAsync(_app.ConfigurationFile, "{ \"Worker\": { \"Repository\": ");
        var broken = await _app.RunAsync("once");
        Assert.Equal(2, broken.ExitCode);
        Assert.Contains(_app.ConfigurationFile, broken.Errors, StringComparison.Ordinal);
        File.Delete(_app.ConfigurationFile);
        var missing = await _app.RunAsync("once");
        Assert.Equal(2, missing.ExitCode);
        Assert.Contains("there is no such file", missing.Errors, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Unknown_verbs_and_options_end_with_2()
    {
        foreach (var arguments in (string[][])[["deploy"], ["once", "--fast"], ["rollback", "yesterday"], ["history", "--last", "0"], ["show"]])
        {
            var run = await _app.RunAsync(arguments);
            Assert.Equal((2, ""), (run.ExitCode, run.Output));
            Assert.NotEmpty(run.Errors);
        }
    }

    [Fact]
    public async Task A_repository_without_a_compose_file_fails_in_clear_words_and_goes_through_once_it_has_one()
    {
        var run = (await _app.OnceAsync()).Expect("Failed", 1);
        Assert.Contains("There is no compose file in ", run.Error, StringComparison.Ordinal);
        Assert.Contains("nothing to go back", (await _app.RunAsync("rollback")).Errors, StringComparison.OrdinalIgnoreCase);
        await _app.PushAsync(SmallApplication.Web);
        Assert.Equal(["web Built 0/2"], (await _app.OnceAsync()).Succeeded().Counts);
    }
}

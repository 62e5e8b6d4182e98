using WatchParty.Worker.EngineTests.Harness;

namespace WatchParty.Worker.EngineTests.Behaviour;

/// <summary>A small application of two services, released.</summary>
public sealed class ReleasedSmallApplication : IAsyncLifetime
{
    internal Application Application { get; private set; } = null!;

    public async Task InitializeAsync()
    {
        Application = await Application.OfAsync(SmallApplication.WebAndSide);
        (await Application.OnceAsync()).Succeeded();
    }

    public async Task DisposeAsync() => await Application.DisposeAsync();
}

/// <summary>Each test begins and ends with the head of the branch deployed and healthy.</summary>
public sealed class SmallApplicationTests(ReleasedSmallApplication small) : IClassFixture<ReleasedSmallApplication>
{
    private readonly Application _app = small.Application;

    [Theory]
    [InlineData("FROM watchparty-sample-base:1\nRUN true\nCOYP . .\n", "unknown instruction: COYP")]
    [InlineData("FROM watchparty-sample-base:1\nCOPY no-such-file .\n", "no-such-file")]
    public async Task A_Dockerfile_that_cannot_be_built_fails_with_the_builders_words(string dockerfile, string words)
    {
        var before = await _app.ContainersAsync();
        var head = await _app.HeadOfCheckoutAsync();
        await _app.PushAsync("web/Dockerfile", dockerfile);
        var run = (await _app.OnceAsync()).Expect("BuildFailed", 1);
        Assert.Contains(words, run.Error, StringComparison.Ordinal);
        Assert.Equal(before, await _app.ContainersAsync());
        Assert.Equal(head, await _app.HeadOfCheckoutAsync());
        await _app.PushAsync("web/Dockerfile", SmallApplication.Dockerfile);
        (await _app.OnceAsync()).Succeeded();
        Assert.Equal(before, await _app.ContainersAsync());
    }

    [Fact]
    [Trait("Engine", "Older")]
    public async Task A_compose_file_that_is_not_YAML_leaves_the_site_as_it_was_and_says_what_compose_says()
    {
        var before = await _app.ContainersAsync();
        var head = await _app.HeadOfCheckoutAsync();
        var good = await File.ReadAllTextAsync(Path.Combine(_app.Clone, "compose.yaml"));
        await _app.PushAsync("compose.yaml", good + "  broken: [\n");
        var run = (await _app.OnceAsync()).Expect("Failed", 1);
        Assert.Contains("yaml: ", run.Error, StringComparison.Ordinal);
        Assert.Contains("line ", run.Error, StringComparison.Ordinal);
        Assert.Equal(before, await _app.ContainersAsync());
        Assert.Equal(head, await _app.HeadOfCheckoutAsync());
        Assert.Contains("commit: ", await _app.GetAsync("/version"), StringComparison.Ordinal);

        await _app.PushAsync("compose.yaml", good.Replace("  side:\n", "  side:\n    env_file: side/.env\n", StringComparison.Ordinal));
        var missing = (await _app.OnceAsync()).Expect("Failed", 1);
        Assert.Contains("side/.env", missing.Error, StringComparison.Ordinal);
        Assert.Contains("not found", missing.Error, StringComparison.Ordinal);
        Assert.Equal(before, await _app.ContainersAsync());

        // The operator makes the file: the same commit goes through, without a new one.
        await File.WriteAllTextAsync(Path.Combine(_app.Checkout, "side/.env"), "A=1\n");
        (await _app.OnceAsync()).Succeeded();
        await _app.PushAsync("compose.yaml", good);
        (await _app.OnceAsync()).Succeeded();
        File.Delete(Path.Combine(_app.Checkout, "side/.env"));
    }

    [Fact]
    public async Task Plan_says_what_once_would_do_and_changes_nothing()
    {
        var head = await _app.HeadOfCheckoutAsync();
        var before = await _app.ContainersAsync();
        Assert.Equal("NothingToDo", (await _app.RunAsync("plan", "--json")).Outcome);
        var commit = await _app.PushAsync("web/content.txt", $"{Guid.NewGuid()}\n");
        var releases = (string?)(await _app.LastReleaseAsync())!["release"];
        for (var time = 0; time < 2; time++)
        {
            var plan = await _app.RunAsync("plan", "--json");
            Assert.True(plan.ExitCode == 0 && plan.Outcome == "Release", plan.All);
            Assert.Equal((commit, head), (plan.Commit, (string?)plan.Json["previousCommit"]));
            Assert.Equal(["side Unchanged no input changed", "web Built web/content.txt changed"],
                plan.Json["services"]!.AsArray().Select(s => $"{s!["name"]} {s["action"]} {s["reason"]}").Order(StringComparer.Ordinal));
        }
        Assert.Equal(head, await _app.HeadOfCheckoutAsync());
        Assert.Equal(before, await _app.ContainersAsync());
        Assert.Equal(releases, (string?)(await _app.LastReleaseAsync())!["release"]);
        Assert.Equal(["side Unchanged", "web Built 0/2"], (await _app.OnceAsync()).Succeeded().Counts);
    }

    [Fact]
    public async Task An_edit_of_a_tracked_file_is_set_aside_and_untracked_files_stay()
    {
        var edited = Path.Combine(_app.Checkout, "web/content.txt");
        var environment = await File.ReadAllTextAsync(Path.Combine(_app.Checkout, ".env"));
        await File.WriteAllTextAsync(edited, "edited on the server\n");
        await File.WriteAllTextAsync(Path.Combine(_app.Checkout, "notes.txt"), "mine\n");
        var commit = await _app.PushAsync("web/content.txt", $"from the developer {Guid.NewGuid()}\n");
        var run = (await _app.OnceAsync()).Succeeded();
        Assert.Contains(run.Notes, n => n.Contains("local edits are on git's stash", StringComparison.Ordinal));
        Assert.Contains(commit[..7], await _app.GitAsync(_app.Checkout, "stash", "list"), StringComparison.Ordinal);
        Assert.Contains("+edited on the server", await _app.GitAsync(_app.Checkout, "stash", "show", "-p"), StringComparison.Ordinal);
        Assert.StartsWith("from the developer", await File.ReadAllTextAsync(edited), StringComparison.Ordinal);
        Assert.Equal(environment, await File.ReadAllTextAsync(Path.Combine(_app.Checkout, ".env")));
        Assert.Equal("mine\n", await File.ReadAllTextAsync(Path.Combine(_app.Checkout, "notes.txt")));
        File.Delete(Path.Combine(_app.Checkout, "notes.txt"));
    }

    [Fact]
    [Trait("Engine", "Older")]
    public async Task A_rollback_brings_the_earlier_release_back_and_the_next_once_does_not_undo_it()
    {
        var first = await _app.PushAsync("web/content.txt", "the first\n");
        var release = (string)(await _app.OnceAsync()).Succeeded().Json["release"]!;
        var image = await _app.ImageAsync("web:latest");
        var second = await _app.PushAsync("web/content.txt", "the second\n");
        (await _app.OnceAsync()).Succeeded();

        var unknown = await _app.RunAsync("rollback", "4711", "--json");
        Assert.Equal(1, unknown.ExitCode);
        Assert.Contains("4711", unknown.Errors, StringComparison.Ordinal);
        Assert.Contains("the second", await _app.GetAsync("/version"), StringComparison.Ordinal);

        var back = (await _app.RunAsync("rollback", "--json")).Succeeded();
        Assert.Equal(first, back.Commit);
        Assert.Contains("the first", await _app.GetAsync("/version"), StringComparison.Ordinal);
        Assert.Equal((image, first), (await _app.ImageAsync("web:latest"), await _app.HeadOfCheckoutAsync()));
        Assert.Contains($"a person went back to release {release}", (await _app.OnceAsync()).Expect("Quarantined", 1).Error, StringComparison.Ordinal);
        Assert.Contains("the first", await _app.GetAsync("/version"), StringComparison.Ordinal);

        // A person may want it after all, and a new commit goes on as ever.
        Assert.Equal(second, (await _app.OnceAsync("--force-rebuild")).Succeeded().Commit);
        await _app.PushAsync("web/content.txt", "the third\n");
        Assert.Equal(["side Unchanged", "web Built 0/2"], (await _app.OnceAsync()).Succeeded().Counts);
    }

    [Fact]
    public async Task A_forced_rebuild_uses_no_cache_at_all()
    {
        var commit = await _app.HeadOfCheckoutAsync();
        var run = (await _app.OnceAsync("--force-rebuild")).Succeeded();
        Assert.Equal(["side Built 0/2", "web Built 0/2"], run.Counts);
        Assert.All(run.Services, s => Assert.True(s.Fresh && s.Reason == "a forced rebuild was asked for", run.All));
        Assert.Equal(commit, run.Commit);
        (await _app.OnceAsync()).Expect("NothingToDo", 0);
    }

    [Fact]
    [Trait("Engine", "Older")]
    public async Task A_clear_of_one_service_makes_its_next_build_fresh_and_no_other()
    {
        var before = await _app.ContainersAsync();
        var clear = await _app.RunAsync("clear-cache", "side", "--json");
        Assert.True(clear is { ExitCode: 0, Outcome: "Cleared" }, clear.All);
        Assert.Equal(before, await _app.ContainersAsync());
        Assert.Equal("side", Assert.Single((await _app.StatusAsync())["freshBuildPending"]!.AsArray())!.ToString());
        // A build that fails is none that was fresh: the mark stays.
        await _app.PushAsync("side/serve.sh", "if then\n");
        (await _app.OnceAsync()).Expect("BuildFailed", 1);
        Assert.Single((await _app.StatusAsync())["freshBuildPending"]!.AsArray());
        await _app.PushAsync("side/serve.sh", SmallApplication.Server);
        var run = (await _app.OnceAsync()).Succeeded();
        Assert.Equal(["side Built 0/2", "web Unchanged"], run.Counts);
        Assert.True(run.Service("side").Fresh, run.All);
        Assert.Equal("its cache was cleared", run.Service("side").Reason);
        Assert.Empty((await _app.StatusAsync())["freshBuildPending"]!.AsArray());
    }

    [Fact]
    public async Task A_clear_of_an_unknown_service_clears_nothing()
    {
        const string Records = "docker buildx du --verbose | grep '^ID:' | sort";
        var records = await Command.ShellAsync(Records);
        Assert.NotEmpty(records);
        var clear = await _app.RunAsync("clear-cache", "web,nobody", "--json");
        Assert.True(clear is { ExitCode: 2, Outcome: "Refused" }, clear.All);
        Assert.Contains("there is no service nobody", clear.Error, StringComparison.Ordinal);
        Assert.Contains("side, web", clear.Error, StringComparison.Ordinal);
        Assert.Equal(records, await Command.ShellAsync(Records));
        Assert.Empty((await _app.StatusAsync())["freshBuildPending"]!.AsArray());
    }

    [Fact]
    [Trait("Engine", "Older")]
    public async Task A_prune_removes_what_nobody_needs_and_keeps_the_cache_in_use()
    {
        string[] fields = ["outcome", "recordsBefore", "recordsAfter", "freedBytes", "markSeconds", "sweepSeconds"];
        // Somebody else's build on the same engine, of which only the cache is left.
        await File.WriteAllTextAsync(_app.In("Dockerfile"), $"FROM watchparty-sample-base:1\nRUN echo {Guid.NewGuid()} > file\nRUN echo more >> file\n");
        await Command.OutputAsync("docker", ["buildx", "build", "--output", "type=cacheonly", "--file", _app.In("Dockerfile"), _app.In("clone/docs")]);
        var before = await _app.ContainersAsync();

        var dry = await _app.RunAsync("prune", "--dry-run", "--json");
        Assert.True(dry is { ExitCode: 0, Outcome: "DryRun" }, dry.All);
        Assert.Equal(fields, fields.Intersect(dry.Json.Select(p => p.Key)));
        Assert.True((int)dry.Json["recordsAfter"]! <= (int)dry.Json["recordsBefore"]! - 2, dry.All);
        Assert.Equal(before, await _app.ContainersAsync());

        var prune = await _app.RunAsync("prune", "--json");
        // On the containerd store a prune may cost the builder its keys; the sealed cache makes up for it, as the next build shows.
        Assert.True(prune is { ExitCode: 0, Outcome: "Pruned" } || (prune.Outcome == "LostWarmth" && Environment.GetEnvironmentVariable("WATCHPARTY_TEST_STORE") == "containerd"), prune.All);
        Assert.Equal(fields, fields.Intersect(prune.Json.Select(p => p.Key)));
        Assert.True((int)prune.Json["recordsAfter"]! <= (int)prune.Json["recordsBefore"]! - 2, prune.All);
        Assert.Equal(before, await _app.ContainersAsync());

        // The step before the one that changes is still cached.
        await _app.PushAsync("web/Dockerfile", SmallApplication.Dockerfile.Replace("RUN sh -n serve.sh", $"RUN sh -n serve.sh\nRUN echo {Guid.NewGuid()}", StringComparison.Ordinal));
        Assert.Equal(["side Unchanged", "web Built 2/3"], (await _app.OnceAsync()).Succeeded().Counts);
        await _app.PushAsync("web/Dockerfile", SmallApplication.Dockerfile);
        (await _app.OnceAsync()).Succeeded();
    }

    [Fact]
    public async Task Only_the_images_of_the_releases_to_keep_stay()
    {
        _app.Configure("Prune:KeepReleases", 1);
        for (var release = 0; release < 3; release++)
        {
            await _app.PushAsync("web/content.txt", $"{Guid.NewGuid()}\n");
            (await _app.OnceAsync()).Succeeded();
        }
        _app.Configure("Prune:KeepReleases", null);
        var tags = await Command.OutputAsync("docker", ["image", "ls", "--format", "{{.Tag}}", "watchparty-release"]);
        Assert.Equal(2, tags.Split('\n').Count(t => t.StartsWith($"{_app.Project}.", StringComparison.Ordinal) && t.EndsWith(".web", StringComparison.Ordinal)));
    }

    [Fact]
    public async Task While_another_program_holds_the_lock_a_verb_says_who_and_ends_with_4()
    {
        using var holder = Command.Start("flock", [Path.Combine(_app.State, "worker.lock"), "sleep", "60"], null, null);
        await Eventually.HoldsAsync(async () => (await Command.RunAsync("flock", ["-n", Path.Combine(_app.State, "worker.lock"), "true"])).ExitCode != 0, "the lock");
        foreach (var verb in (string[][])[["once"], ["clear-cache"], ["prune"], ["rollback"]])
        {
            var busy = await _app.RunAsync([.. verb, "--json"]);
            Assert.Equal((4, "Busy"), (busy.ExitCode, busy.Outcome));
            Assert.Contains($"process {holder.Id} (flock)", busy.Errors, StringComparison.Ordinal);
        }
        Assert.Equal(4, (await _app.RunAsync("run")).ExitCode);
        // What only reads is not kept waiting.
        Assert.Equal(0, (await _app.RunAsync("status")).ExitCode);
        holder.Kill(entireProcessTree: true);
        await holder.WaitForExitAsync();
        (await _app.OnceAsync()).Expect("NothingToDo", 0);
    }

    [Fact]
    public async Task Doctor_warns_of_a_drop_folder_that_everybody_may_write_and_of_a_state_folder_too()
    {
        await Command.ShellAsync($"chmod o+w '{_app.Checkout}' '{_app.State}'");
        var run = await _app.RunAsync("doctor", "--json");
        await Command.ShellAsync($"chmod o-w '{_app.Checkout}' '{_app.State}'");
        foreach (var name in new[] { "drop files", "state folder" })
        {
            var check = run.Json["checks"]!.AsArray().Single(c => (string?)c!["name"] == name)!;
            Assert.Equal("Warning", (string?)check["status"]);
            Assert.StartsWith("chmod ", (string?)check["fix"], StringComparison.Ordinal);
        }
        Assert.Equal(0, run.ExitCode);
    }
}

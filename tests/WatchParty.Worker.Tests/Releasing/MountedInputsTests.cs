using WatchParty.Releases.Planning;
using WatchParty.Releases.Recording;
using WatchParty.Tools.Git;
using WatchParty.Worker.Tests.Fakes;

namespace WatchParty.Worker.Tests.Releasing;

/// <summary>What containers read from outside of their images is an input of their services.</summary>
public sealed class MountedInputsTests : IDisposable
{
    private readonly Flow _flow = new();
    private readonly string _outside = Directory.CreateTempSubdirectory("outside-").FullName;

    public void Dispose()
    {
        _flow.Dispose();
        Directory.Delete(_outside, recursive: true);
    }

    private string InCheckout(string path) => Path.Combine(_flow.Git.Checkout, path);

    private string Bind(string source, string more = "") => $$"""
        {"type": "bind", "source": "{{Path.GetFullPath(source, _flow.Git.Checkout)}}", "target": "/x{{source.Length}}", "bind": {"create_host_path": true}{{more}}}
        """;

    /// <param name="web">Keys of the service web.</param>
    /// <param name="sections">Sections beside the services.</param>
    private async Task ReleaseFirstAsync(string web, string sections = "")
    {
        _flow.With(
            ("compose.yaml", FlowApplication.ComposeWith(sections, FlowApplication.Ready("web", "postgres:16", web), FlowApplication.Ready("side", "postgres:16"))),
            ("conf/site.conf", "one\n"), ("conf/other.conf", "one\n"), ("docs.md", "one\n"), (".gitignore", "*.local\n"));
        Put("page.local", "one\n");
        File.CreateSymbolicLink(InCheckout("current.local"), InCheckout("conf"));
        File.WriteAllText(Path.Combine(_outside, "key"), "one\n");
        Assert.Equal((ReleaseOutcome.Succeeded, null), await _flow.ReleaseAsync() is var report ? (report.Outcome, report.Error) : default);
    }

    private void Put(string path, string content) => File.WriteAllText(InCheckout(path), content);

    private static void Replace(string path, string content)
    {
        File.WriteAllText(path + ".new", content);
        File.Move(path + ".new", path, overwrite: true);
    }

    /// <summary>Releases a commit of documents, or of these changes, and says what became of the service web.</summary>
    private async Task<string> ReleaseAsync(params (string, string?)[] changes)
    {
        var before = Seen();
        var report = await _flow.ReleaseAsync(changes.Length > 0 ? changes : [("docs.md", $"{Guid.NewGuid()}\n")]);
        Assert.Equal(ReleaseOutcome.Succeeded, report.Outcome);
        var after = Seen();
        Assert.Equal(before["side"], after["side"]);
        var done = after["web"].Id != before["web"].Id ? "made anew" : after["web"].Started != before["web"].Started ? "restarted" : "left";
        var service = report.Services.Single(s => s.Name == "web");
        Assert.Equal(done == "left" ? ServiceAction.Unchanged : ServiceAction.Restarted, service.Action);
        return $"{done}: {service.Reason}";
    }

    private Dictionary<string, (string Id, string Started)> Seen() =>
        _flow.Engine.Containers.ToDictionary(c => c.Service, c => (c.Id, c.State(_flow.Clock.GetUtcNow()).StartedAt));

    private const string NotBuilt = "left: it is not built here";

    [Fact]
    public async Task Nothing_is_touched_when_nothing_changed_of_all_that_is_mounted()
    {
        await ReleaseFirstAsync(
            $$"""
            "volumes": [{{Bind("./conf/site.conf")}}, {{Bind("./conf")}}, {{Bind("./page.local")}}, {{Bind("./current.local/site.conf")}}, {{Bind(_outside)}},
              {"type": "volume", "source": "bound", "target": "/bound"}],
            "secrets": [{"source": "key"}, {"source": "token"}], "configs": [{"source": "text"}]
            """,
            $$$"""
            "secrets": {"key": {"file": "{{{_outside}}}/key"}, "token": {"environment": "TOKEN"}}, "configs": {"text": {"content": "one"}},
            "volumes": {"bound": {"driver_opts": {"type": "none", "o": "bind", "device": "{{{_outside}}}" } } }
            """);

        Assert.Equal(NotBuilt, await ReleaseAsync());
        Assert.Equal(NotBuilt, await ReleaseAsync());
    }

    [Theory]
    [InlineData("./conf", "conf/other.conf")]
    [InlineData("./conf/site.conf", "conf/site.conf")]
    [InlineData("./current.local/site.conf", "conf/site.conf")]
    [InlineData("./current.local", "conf/new.conf")]
    [InlineData(".", "conf/site.conf")]
    public async Task A_tracked_file_that_is_mounted_is_handed_on_by_a_restart(string source, string changed)
    {
        await ReleaseFirstAsync($"\"volumes\": [{Bind(source)}]");

        Assert.Equal($"restarted: it mounts {changed}, which changed", await ReleaseAsync((changed, "two\n")));
        if (source != ".") { Assert.Equal(NotBuilt, await ReleaseAsync()); }
    }

    [Fact]
    public async Task Of_several_containers_those_get_it_that_go_on_when_compose_makes_another()
    {
        await ReleaseFirstAsync($"\"volumes\": [{Bind("./conf/site.conf")}]");
        var first = _flow.Engine.Containers.Single(c => c.Service == "web");
        var started = first.State(_flow.Clock.GetUtcNow()).StartedAt;
        var compose = File.ReadAllText(InCheckout("compose.yaml")).Replace("\"volumes\"", "\"scale\": 2, \"volumes\"", StringComparison.Ordinal);

        Assert.Equal(ReleaseOutcome.Succeeded, (await _flow.ReleaseAsync(("compose.yaml", compose), ("conf/site.conf", "two\n"))).Outcome);

        Assert.Equal(2, _flow.Engine.Containers.Count(c => c.Service == "web"));
        Assert.NotEqual(started, first.State(_flow.Clock.GetUtcNow()).StartedAt);
        Assert.Contains(first, _flow.Engine.Containers);
    }

    [Theory]
    [InlineData("in place")]
    [InlineData("replaced")]
    public async Task A_file_that_git_does_not_track_is_handed_on_as_well(string how)
    {
        await ReleaseFirstAsync($"\"volumes\": [{Bind("./page.local")}]");

        if (how == "replaced") { Replace(InCheckout("page.local"), "two\n"); } else { Put("page.local", "two\n"); }

        Assert.Equal("restarted: it mounts page.local, which changed", await ReleaseAsync());
        Assert.Equal(NotBuilt, await ReleaseAsync());
    }

    [Theory]
    [InlineData("secrets")]
    [InlineData("configs")]
    public async Task A_file_of_a_secret_or_config_outside_of_the_checkout_is_handed_on(string kind)
    {
        await ReleaseFirstAsync($$"""  "{{kind}}": [{"source": "key"}]""", $$$""" "{{{kind}}}": {"key": {"file": "{{{_outside}}}/key"}}""");

        Replace(Path.Combine(_outside, "key"), "two\n");

        Assert.Equal($"restarted: it mounts {Path.Combine(_outside, "key")}, which changed", await ReleaseAsync());
    }

    [Fact]
    public async Task A_link_that_leads_elsewhere_is_handed_on()
    {
        await ReleaseFirstAsync($"\"volumes\": [{Bind("./current.local/site.conf")}]");
        Directory.CreateDirectory(InCheckout("conf2"));
        Put("conf2/site.conf", "one\n");
        File.Delete(InCheckout("current.local"));
        File.CreateSymbolicLink(InCheckout("current.local"), InCheckout("conf2"));

        Assert.StartsWith("restarted: it mounts conf/site.conf and 1 more", await ReleaseAsync(), StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_folder_that_is_made_anew_is_mounted_anew()
    {
        await ReleaseFirstAsync($"\"volumes\": [{Bind(_outside)}]");
        Directory.Delete(_outside, recursive: true);
        Directory.CreateDirectory(_outside);

        Assert.Equal($"restarted: it mounts {_outside}, which was replaced, so that it still has the one of before", await ReleaseAsync());
    }

    [Fact]
    public async Task A_file_that_was_replaced_by_the_same_is_mounted_anew()
    {
        await ReleaseFirstAsync($"\"volumes\": [{Bind("./page.local")}]");

        Replace(InCheckout("page.local"), "one\n");

        Assert.Equal("restarted: it mounts page.local, which was replaced, so that it still has the one of before", await ReleaseAsync());
    }

    [Fact]
    public async Task Data_of_the_application_in_a_folder_is_its_own()
    {
        await ReleaseFirstAsync($"\"volumes\": [{Bind(".")}, {Bind("./conf")}, {Bind(_outside)}]");
        await ReleaseAsync();
        Put("conf/data.local", "two\n");
        File.WriteAllText(Path.Combine(_outside, "key"), "two\n");
        File.Delete(InCheckout("page.local"));

        var report = await ReleaseAsync();

        Assert.StartsWith("restarted: it mounts docs.md, which changed", report, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_file_that_the_application_was_seen_to_write_is_its_own()
    {
        _flow.At("after compose up", () => Put("page.local", "written while it started\n"));
        await ReleaseFirstAsync($"\"volumes\": [{Bind("./page.local")}]");

        Put("page.local", "written later\n");
        Assert.Equal(NotBuilt, await ReleaseAsync());

        Replace(InCheckout("page.local"), "by a person\n");
        Assert.StartsWith("restarted", await ReleaseAsync(), StringComparison.Ordinal);
        Put("page.local", "written again\n");
        Assert.Equal(NotBuilt, await ReleaseAsync());
    }

    [Fact]
    public async Task The_same_file_mounted_to_be_read_is_not()
    {
        await ReleaseFirstAsync($"\"volumes\": [{Bind("./page.local", """, "read_only": true""")}]");
        _flow.At("after compose restart", () => Put("page.local", "three\n"));
        Put("page.local", "two\n");

        Assert.StartsWith("restarted", await ReleaseAsync(), StringComparison.Ordinal);

        // It was changed after the restart, so there was another one.
        Assert.Equal(2, _flow.Points.Count(p => p == "after compose restart"));
        Assert.Equal(NotBuilt, await ReleaseAsync());
    }

    [Theory]
    [InlineData("configs", "config", """{"content": "ONE"}""", """{"content": "two"}""")]
    [InlineData("configs", "config", """{"content": "${TEXT}"}""", null)]
    [InlineData("configs", "config", """{"environment": "TEXT"}""", null)]
    [InlineData("secrets", "secret", """{"environment": "TEXT"}""", null)]
    public async Task A_text_that_compose_copies_needs_a_new_container(string section, string kind, string before, string? after)
    {
        Put(".env", "TEXT=one\n");
        var compose = FlowApplication.ComposeWith(
            $$""" "{{section}}": {"page": {{before}}}""",
            FlowApplication.Ready("web", "postgres:16", $$""" "{{section}}": [{"source": "page", "target": "/page"}]"""), FlowApplication.Ready("side", "postgres:16"));
        _flow.With(("compose.yaml", compose), ("docs.md", "one\n"));
        await _flow.ReleaseAsync();
        Assert.Equal(NotBuilt, await ReleaseAsync());

        if (after is null) { Put(".env", "TEXT=two\n"); }
        var done = await (after is null ? ReleaseAsync() : ReleaseAsync(("compose.yaml", compose.Replace(before, after, StringComparison.Ordinal))));

        Assert.Equal($"made anew: its {kind} page changed", done);
        Assert.Equal(NotBuilt, await ReleaseAsync());

        // Nobody knows what a container has that somebody else started, or an earlier version of the worker.
        _flow.Database.Execute("DELETE FROM mounted");
        Assert.Equal($"made anew: its {kind} page is not known to be as it was", await ReleaseAsync());
        Assert.Equal(NotBuilt, await ReleaseAsync());
        Assert.DoesNotContain("two", string.Join('\n', _flow.Database.Query("SELECT mounts FROM mounted", r => r.GetString(0))), StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("recreate", "made anew: it mounts conf/site.conf, which changed")]
    [InlineData("restart", "restarted: it mounts conf/site.conf, which changed")]
    [InlineData("ignore", "left: it mounts conf/site.conf, which changed, and is left as it is")]
    [InlineData("signal:SIGHUP", "left: it mounts conf/site.conf, which changed, and gets SIGHUP")]
    public async Task A_service_gets_what_its_file_says(string says, string done)
    {
        await ReleaseFirstAsync($$""" "volumes": [{{Bind("./conf")}}], "x-watchparty": {"on_mount_change": "{{says}}"}""");

        Assert.Equal(done, await ReleaseAsync(("conf/site.conf", "two\n")));

        Assert.Equal(says.StartsWith("signal", StringComparison.Ordinal) ? [("web", "kill -HUP 1")] : [], _flow.Engine.Executed);
        Assert.Equal(says == "ignore" ? done : NotBuilt, await ReleaseAsync());
    }

    [Fact]
    public async Task A_setting_for_all_gives_way_to_what_a_service_says()
    {
        _flow.Options.Deploy.RestartOnMountChange = false;
        await ReleaseFirstAsync($"\"volumes\": [{Bind("./conf/site.conf")}]");
        Assert.StartsWith("left", await ReleaseAsync(("conf/site.conf", "two\n")), StringComparison.Ordinal);

        await ReleaseAsync(("compose.yaml", FlowApplication.Compose(
            FlowApplication.Ready("web", "postgres:16", $$""" "volumes": [{{Bind("./conf/site.conf")}}], "x-watchparty": {"on_mount_change": "restart"}"""),
            FlowApplication.Ready("side", "postgres:16"))));

        Assert.Equal(NotBuilt, await ReleaseAsync());
        Assert.StartsWith("restarted", await ReleaseAsync(("conf/site.conf", "three\n")), StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_signal_is_not_enough_for_a_single_file_that_was_replaced()
    {
        await ReleaseFirstAsync($$""" "volumes": [{{Bind("./page.local")}}], "x-watchparty": {"on_mount_change": "signal:SIGHUP"}""");
        Replace(InCheckout("page.local"), "two\n");

        Assert.StartsWith("restarted", await ReleaseAsync(), StringComparison.Ordinal);

        Assert.Contains("web is restarted instead of getting SIGHUP, because page.local was replaced", string.Join('\n', _flow.History.Last(1)[0].Notes!), StringComparison.Ordinal);
        Assert.Empty(_flow.Engine.Executed);
        Put("page.local", "in its place\n");
        Assert.StartsWith("left: it mounts page.local, which changed, and gets SIGHUP", await ReleaseAsync(), StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_signal_goes_by_the_shell_where_there_is_no_program_for_it_and_gives_way_to_a_restart()
    {
        await ReleaseFirstAsync($$""" "volumes": [{{Bind("./conf")}}], "x-watchparty": {"on_mount_change": "signal:SIGUSR1"}""");
        const string Missing = "OCI runtime exec failed: exec: \"kill\": executable file not found in $PATH";
        _flow.Tools.Fail("docker exec", Missing, 127);
        Assert.StartsWith("left", await ReleaseAsync(("conf/site.conf", "two\n")), StringComparison.Ordinal);
        Assert.Equal([("web", "sh -c kill -USR1 1")], _flow.Engine.Executed);

        _flow.Tools.Fail("docker exec", Missing, 127);
        _flow.Tools.Fail("docker exec", Missing, 127);
        Assert.StartsWith("restarted", await ReleaseAsync(("conf/site.conf", "three\n")), StringComparison.Ordinal);
        Assert.Contains($"web is restarted, because it could not be given SIGUSR1: {Missing}", _flow.History.Last(1)[0].Notes!);
    }

    [Fact]
    public async Task A_value_that_is_not_known_fails_the_release_before_anything_is_touched_and_names_the_file()
    {
        await ReleaseFirstAsync($"\"volumes\": [{Bind("./conf")}]");
        var before = Seen();

        var report = await _flow.ReleaseAsync(("compose.yaml", FlowApplication.Compose(FlowApplication.Ready("web", "postgres:16", """ "x-watchparty": {"on_mount_change": "reload"}"""))));

        Assert.Equal(ReleaseOutcome.Failed, report.Outcome);
        Assert.Equal($"{InCheckout("compose.yaml")}: services.web.x-watchparty.on_mount_change is 'reload', which is not known. Write {OnMountChange.Allowed}", report.Error);
        Assert.Equal(before, Seen());
    }

    [Fact]
    public async Task Hooks_run_around_a_restart_and_one_that_fails_takes_the_release_back()
    {
        await ReleaseFirstAsync($$""" "volumes": [{{Bind("./conf")}}], "post_start": [{"command": ["sh", "-c", "prepare"]}]""");
        Assert.Equal([("web", "sh -c prepare")], _flow.Engine.Hooks);

        Assert.StartsWith("restarted", await ReleaseAsync(("conf/site.conf", "two\n")), StringComparison.Ordinal);
        Assert.Equal([("web", "sh -c prepare"), ("web", "sh -c prepare")], _flow.Engine.Hooks);

        _flow.Tools.Fail("compose restart", "Error response from daemon: web hook exited with status 3\n");
        var report = await _flow.ReleaseAsync(("conf/site.conf", "three\n"));
        Assert.Equal(ReleaseOutcome.RolledBack, report.Outcome);
        Assert.Contains("web hook exited with status 3", report.Error, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_release_that_is_taken_back_takes_its_files_back()
    {
        await ReleaseFirstAsync($"\"volumes\": [{Bind("./conf/site.conf")}]");
        var first = Seen()["web"];
        var unhealthy = FlowApplication.Compose(
            FlowApplication.Ready("web", "postgres:16", $"\"volumes\": [{Bind("./conf/site.conf")}]"), FlowApplication.Ready("side", "postgres:16", "\"command\": [\"false\"]"));

        var report = await _flow.ReleaseAsync(("compose.yaml", unhealthy), ("conf/site.conf", "two\n"));

        Assert.Equal(ReleaseOutcome.RolledBack, report.Outcome);
        Assert.Equal("one\n", await File.ReadAllTextAsync(InCheckout("conf/site.conf")));
        Assert.Equal(2, _flow.Points.Count(p => p == "after compose restart"));
        Assert.Equal(first.Id, Seen()["web"].Id);
        Assert.Equal(NotBuilt, await ReleaseAsync(("compose.yaml", _flow.Git.Commit(_flow.Git.Head).Files["compose.yaml"]), ("conf/site.conf", "one\n")));
    }

    [Fact]
    public async Task A_rollback_restarts_what_mounts_the_files_that_go_back()
    {
        await ReleaseFirstAsync($"\"volumes\": [{Bind("./conf/site.conf")}]");
        await ReleaseAsync(("conf/site.conf", "two\n"));
        var before = Seen();

        Assert.Equal(ReleaseOutcome.Succeeded, (await _flow.RollBackAsync()).Outcome);

        Assert.NotEqual(before["web"], Seen()["web"]);
        Assert.Equal(before["side"], Seen()["side"]);
    }

    [Fact]
    public async Task A_plan_knows_what_a_commit_that_is_not_checked_out_changes()
    {
        await ReleaseFirstAsync($"\"volumes\": [{Bind("./conf")}, {Bind("./current.local/site.conf")}]");
        var commit = _flow.Git.Push(("conf/site.conf", "two\n"));
        await _flow.RunAsync(() => _flow.Get<GitRepository>().FetchAsync(commit, _flow.Stop));

        var plan = await _flow.RunAsync(() =>
            _flow.Get<WatchParty.Releases.Releasing.ReleasePlanning>().PlanAsync(commit, _flow.History.Deployed(), new("plan"), _flow.Stop));

        Assert.Equal("it mounts conf/site.conf, which changed", plan.Services.Single(s => s.Name == "web").Reaction!.Reason);
    }
}

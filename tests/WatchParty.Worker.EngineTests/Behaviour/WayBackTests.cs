using WatchParty.Worker.EngineTests.Harness;

namespace WatchParty.Worker.EngineTests.Behaviour;

/// <summary>Ways back that are not tied to the name of a built image.</summary>
public sealed class WayBackTests
{
    private const string Idle = "    init: true\n    command: [sleep, \"600\"]\n    stop_signal: SIGKILL\n    restart: always\n";

    [Fact]
    public async Task What_ran_before_the_worker_came_comes_back_when_the_first_release_is_bad()
    {
        await using var app = await Application.OfAsync(SmallApplication.WebAndSide);
        await Command.ShellAsync($"docker compose -p {app.Project} up -d --build --wait", app.Checkout);
        var before = (await app.ContainersAsync()).ToDictionary(c => c.Key, c => c.Value.Image);
        var commit = await app.HeadOfCheckoutAsync();
        await app.PushAsync(("web/status", "sick\n"), ("side/content.txt", "other\n"));

        var run = (await app.OnceAsync()).Expect("RolledBack", 1);

        Assert.Contains("web is unhealthy", run.Error, StringComparison.Ordinal);
        Assert.Equal(before, (await app.ContainersAsync()).ToDictionary(c => c.Key, c => c.Value.Image));
        Assert.All((await app.ContainersAsync()).Values, c => Assert.Equal("running", c.Status));
        Assert.Equal(commit, await app.HeadOfCheckoutAsync());
        Assert.StartsWith("commit: unknown", await app.GetAsync("/version"), StringComparison.Ordinal);
        // It is no release of ours.
        Assert.Null((await app.StatusAsync())["deployed"]);
    }

    [Fact]
    public async Task A_pulled_name_that_others_use_stays_theirs_and_the_service_goes_back_under_a_name_of_ours()
    {
        var name = $"shared-{Guid.NewGuid():N}:latest";
        await using var app = await Application.OfAsync([
            .. SmallApplication.Folder("web"),
            ("compose.yaml", SmallApplication.Compose(SmallApplication.Service("web", SmallApplication.HealthCheck), $"  side:\n    image: {name}\n{Idle}")),
        ]);
        async Task<string> MakeAsync(string word) => await Command.ShellAsync($"printf 'FROM watchparty-sample-base:1\\nRUN echo {word} > /word\\n' | docker build -q -t {name} -");
        var first = await MakeAsync("first");
        (await app.OnceAsync()).Succeeded();
        var theirs = await Command.ShellAsync($"docker run -d --stop-signal SIGKILL {name} sleep 600");
        var second = await MakeAsync("second");
        try
        {
            await app.PushAsync("web/status", "sick\n");
            var run = (await app.OnceAsync()).Expect("RolledBack", 1);

            Assert.Contains(run.Notes, n => n.StartsWith("side runs the image of before as watchparty-release:", StringComparison.Ordinal) && n.Contains(name, StringComparison.Ordinal));
            Assert.Equal(first, (await app.ContainersAsync())["side"].Image);
            Assert.Equal(second, await Command.ShellAsync($"docker image inspect -f '{{{{.Id}}}}' {name}"));
            Assert.Equal("running", await Command.ShellAsync($"docker inspect -f '{{{{.State.Status}}}}' {theirs}"));

            // A start brings the release up as it is.
            var back = await app.ContainersAsync();
            var service = await app.StartServiceAsync();
            await service.SaysAsync("is up");
            await service.StopAsync();
            Assert.Equal(back["side"], (await app.ContainersAsync())["side"]);

            await app.PushAsync("web/status", "ok\n");
            var next = (await app.OnceAsync()).Succeeded();
            var side = (await app.ContainersAsync())["side"].Image;
            Assert.True(side == second, $"{side} is neither {second} of now ({first} was before): {next.All}");
        }
        finally
        {
            await Command.ShellAsync($"docker rm -f {theirs}; docker image rm -f {name}");
        }
    }

    [Fact]
    public async Task A_commit_that_renames_the_project_and_is_bad_leaves_nothing_under_the_new_name()
    {
        await using var app = await Application.OfAsync(SmallApplication.WebAndSide);
        app.Configure("Compose:ProjectName", null);
        var compose = await File.ReadAllTextAsync(Path.Combine(app.Clone, "compose.yaml"));
        await app.PushAsync("compose.yaml", $"name: PROJECT\n{compose}");
        (await app.OnceAsync()).Succeeded();
        var before = await app.ContainersAsync();
        await app.PushAsync(("compose.yaml", $"name: PROJECT-new\n{compose.Replace("127.0.0.1:${WEB_PORT}:", "", StringComparison.Ordinal)}"), ("web/status", "sick\n"));

        (await app.OnceAsync()).Expect("RolledBack", 1);

        Assert.Equal("", await Command.ShellAsync($"docker ps -aq --filter label=com.docker.compose.project={app.Project}-new"));
        Assert.Equal(before.ToDictionary(c => c.Key, c => c.Value.Image), (await app.ContainersAsync()).ToDictionary(c => c.Key, c => c.Value.Image));
        await Command.ShellAsync($"docker network rm {app.Project}-new_default");
    }

    [Fact]
    public async Task A_person_goes_back_over_a_tag_of_an_image_made_elsewhere()
    {
        await using var app = await Application.OfAsync(("compose.yaml", $"services:\n  side:\n    image: PROJECT-side:1\n{Idle}"));
        foreach (var tag in (string[])["1", "2"])
        {
            await Command.ShellAsync($"printf 'FROM watchparty-sample-base:1\\nRUN echo {tag} > /word\\n' | docker build -q -t {app.Project}-side:{tag} -");
        }
        (await app.OnceAsync()).Succeeded();
        var first = await app.ImageAsync("side:1");
        await app.PushAsync("compose.yaml", $"services:\n  side:\n    image: PROJECT-side:2\n{Idle}");
        (await app.OnceAsync()).Succeeded();
        Assert.NotEqual(first, (await app.ContainersAsync())["side"].Image);
        // Somebody cleans up by name; the worker has a name of its own.
        await Command.ShellAsync($"docker image rm {app.Project}-side:1");

        (await app.RunAsync("rollback", "--json")).Succeeded();

        Assert.Equal(first, (await app.ContainersAsync())["side"].Image);
        Assert.Equal(first, await app.ImageAsync("side:1"));
    }

    [Fact]
    public async Task A_state_and_an_engine_as_an_earlier_version_left_them_go_on()
    {
        await using var app = await Application.OfAsync([
            .. SmallApplication.Folder("web"),
            ("compose.yaml", SmallApplication.Compose(SmallApplication.Service("web", SmallApplication.HealthCheck), $"  side:\n    image: watchparty-sample-base:1\n{Idle}")),
        ]);
        List<string?> images = [];
        for (var release = 1; release <= 3; release++)
        {
            await app.PushAsync("web/content.txt", $"content {release}\n");
            (await app.OnceAsync()).Succeeded();
            images.Add(await app.ImageAsync("web:latest"));
        }
        await AsBeforeAsync(app);
        var before = await app.ContainersAsync();

        (await app.OnceAsync()).Expect("NothingToDo", 0);
        var service = await app.StartServiceAsync();
        await service.SaysAsync("is up");
        await service.StopAsync();
        Assert.Equal(before, await app.ContainersAsync());
        foreach (var release in (int[])[1, 2, 3])
        {
            (await app.RunAsync("rollback", $"{release}", "--json")).Succeeded();
            Assert.Equal(images[release - 1], (await app.ContainersAsync())["web"].Image);
        }
    }

    /// <summary>Makes the history format 3 and the kept names those of then.</summary>
    private static async Task AsBeforeAsync(Application app)
    {
        await Command.ShellAsync($"""
            for kept in $(docker image ls --format '{"{{.Repository}}:{{.Tag}}"}' 'watchparty-release:{app.Project}.*'); do
              case $kept in *-before.*|*.side) ;; *) release=$(echo $kept | cut -d. -f2); docker tag $kept {app.Project}-web:watchparty-$release ;; esac
              docker image rm $kept
            done
            python3 - '{Path.Combine(app.State, "history.db")}' <<'PYTHON'
            import sqlite3, sys
            history = sqlite3.connect(sys.argv[1])
            history.executescript('DROP INDEX service_image; DROP TABLE mounted; UPDATE service SET image_id = NULL WHERE inputs IS NULL; PRAGMA user_version = 3;')
            for column in ('project', 'source', 'before'): history.execute('ALTER TABLE release DROP COLUMN ' + column)
            history.commit()
            PYTHON
            """);
    }
}

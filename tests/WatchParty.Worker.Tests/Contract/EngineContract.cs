using System.Text.Json.Nodes;
using WatchParty.Releases.Baking;
using WatchParty.Releases.Planning;
using WatchParty.Tools.Configuration;
using WatchParty.Tools.Docker;
using WatchParty.Tools.Failures;
using WatchParty.Tools.Processes;

namespace WatchParty.Worker.Tests.Contract;

/// <summary>What the worker relies on of an engine, compose and buildx. It is asked of the fakes and of real ones, so that the fakes stay
/// true.</summary>
public abstract class EngineContract : IAsyncLifetime
{
    private const string Commit = "1111111111111111111111111111111111111111";
    private static readonly CancellationToken None = CancellationToken.None;

    private readonly string _folder = Directory.CreateTempSubdirectory("contract-").FullName;
    private ImageStore _store;

    private protected abstract IDockerEngine Engine { get; }

    private protected abstract IToolRunner Runner { get; }

    private protected string Name { get; } = $"wpc{Guid.NewGuid().ToString("N")[..8]}";

    private ComposeProject Project =>
        ComposeProject.From(new WorkerOptions { Repository = { Path = _folder }, Compose = { ProjectName = Name } });

    private string Web => $"{Name}-web:latest";

    /// <summary>Lets time pass until something holds.</summary>
    private protected abstract Task UntilAsync(Func<Task<bool>> holds);

    public async Task InitializeAsync()
    {
        _store = (await Engine.InfoAsync(None)).Store;
        Directory.CreateDirectory(Path.Combine(_folder, "web"));
        Write("one");
        Compose();
    }

    public async Task DisposeAsync()
    {
        foreach (var container in await Engine.ContainersAsync(Name, None)) { await Engine.RemoveContainerAsync(container.Id, None); }
        foreach (var image in (await Engine.ImagesAsync($"{Name}-*", None)).SelectMany(i => i.RepoTags ?? []))
        {
            await Engine.RemoveImageAsync(image, None);
        }
        await CleanUpAsync();
        Directory.Delete(_folder, recursive: true);
    }

    private protected virtual Task CleanUpAsync() => Task.CompletedTask;

    [Fact]
    public async Task Building_a_name_again_leaves_the_image_before_without_a_name_or_takes_it_away_at_once()
    {
        var first = await BuildAsync();
        Write("two");

        var second = await BuildAsync();

        Assert.NotEqual(first, second);
        Assert.Equal(second, (await Engine.FindImageAsync(Web, None))!.Id);
        Assert.Equal(_store == ImageStore.GraphDriver, await Engine.FindImageAsync(first, None) is not null);
    }

    [Fact]
    public async Task An_image_with_another_name_outlives_the_building_of_its_first()
    {
        var first = await BuildAsync();
        await Engine.TagAsync(first, $"{Name}-kept:1", None);
        Write("two");

        await BuildAsync();

        Assert.Equal([$"{Name}-kept:1"], (await Engine.FindImageAsync(first, None))!.RepoTags!);
        Assert.Equal(first, (await Engine.FindImageAsync($"{Name}-kept:1", None))!.Id);
    }

    [Fact]
    public async Task Building_the_same_again_gives_the_same_image_and_without_cache_another()
    {
        var first = await BuildAsync();

        Assert.Equal(first, await BuildAsync());
        Assert.NotEqual(first, await BuildAsync(withoutCache: true));
    }

    [Fact]
    public async Task A_name_can_be_moved_and_leaves_the_image_that_had_it()
    {
        var first = await BuildAsync();
        Write("two");
        await Engine.TagAsync(first, $"{Name}-kept:1", None);
        var second = await BuildAsync();

        await Engine.TagAsync(second, $"{Name}-kept:1", None);

        Assert.Equal(second, (await Engine.FindImageAsync($"{Name}-kept:1", None))!.Id);
        Assert.NotNull(await Engine.FindImageAsync(first, None));
        await Assert.ThrowsAsync<WorkerException>(() => Engine.TagAsync($"{Name}-none:1", $"{Name}-kept:2", None));
    }

    [Fact]
    public async Task Images_are_found_by_a_pattern_of_their_names()
    {
        var id = await BuildAsync();
        await Engine.TagAsync(id, $"{Name}-kept:app.1.web", None);
        await Engine.TagAsync(id, $"{Name}-kept:other.1.web", None);

        var found = await Engine.ImagesAsync($"{Name}-kept:app.*", None);

        Assert.Equal([id], found.Select(i => i.Id));
        Assert.Contains($"{Name}-kept:app.1.web", found[0].RepoTags!);
        Assert.Empty(await Engine.ImagesAsync($"{Name}-kept:none.*", None));
    }

    [Fact]
    public async Task The_last_name_of_an_image_that_a_container_runs_is_not_given_away()
    {
        var id = await BuildAsync();
        await UpAsync();

        Assert.False(await Engine.RemoveImageAsync(Web, None));
        await Engine.TagAsync(id, $"{Name}-kept:1", None);
        Assert.True(await Engine.RemoveImageAsync(Web, None));
        Assert.False(await Engine.RemoveImageAsync(id, None));
        Assert.False(await Engine.RemoveImageAsync($"{Name}-none:1", None));
        Assert.NotNull(await Engine.FindImageAsync(id, None));
    }

    [Fact]
    public async Task An_image_with_two_names_is_not_removed_by_its_id()
    {
        var id = await BuildAsync();
        await Engine.TagAsync(id, $"{Name}-kept:1", None);

        Assert.False(await Engine.RemoveImageAsync(id, None));
        Assert.True(await Engine.RemoveImageAsync(Web, None));
        Assert.True(await Engine.RemoveImageAsync($"{Name}-kept:1", None));
        Assert.Null(await Engine.FindImageAsync(id, None));
    }

    [Fact]
    public async Task A_prune_of_nameless_images_takes_those_with_the_label_that_nobody_runs()
    {
        var first = await BuildAsync();
        await Engine.TagAsync(first, $"{Name}-kept:1", None);
        Write("two");
        var second = await BuildAsync();
        await Engine.TagAsync(second, $"{Name}-kept:1", None);

        await Engine.PruneDanglingImagesAsync($"{Bake.ProjectLabel}=another", None);
        Assert.NotNull(await Engine.FindImageAsync(first, None));
        await Engine.PruneDanglingImagesAsync($"{Bake.ProjectLabel}={Name}", None);

        Assert.Null(await Engine.FindImageAsync(first, None));
        Assert.NotNull(await Engine.FindImageAsync(second, None));
    }

    [Fact]
    public async Task Up_makes_the_containers_with_what_compose_says_of_them_and_touches_them_no_more()
    {
        var id = await BuildAsync();
        await UpAsync();

        var made = Assert.Single(await Engine.ContainersAsync(Name, None));
        var details = (await Engine.FindContainerAsync(made.Id, None))!;
        Assert.Equal(("web", id, "running", Web), (made.Service, made.ImageID, made.State, made.Image));
        Assert.Equal([$"/{Name}-web-1"], made.Names);
        Assert.Equal(await HashAsync("web"), made.Labels["com.docker.compose.config-hash"]);
        Assert.Equal((id, _folder), (made.Labels["com.docker.compose.image"], made.Labels["com.docker.compose.project.working_dir"]));
        Assert.Equal((id, "running", Web), (details.Image, details.State.Status, details.Config!.Image));
        Assert.Equal((await Engine.FindNetworkAsync($"{Name}_default", None))!.Id,
            details.NetworkSettings!.Networks![$"{Name}_default"].NetworkID);
        Assert.Contains("web", details.NetworkSettings.Networks[$"{Name}_default"].DNSNames!);

        await UpAsync();
        Assert.Equal(made.Id, Assert.Single(await Engine.ContainersAsync(Name, None)).Id);
    }

    [Fact]
    public async Task Up_makes_anew_what_has_another_configuration_and_no_other()
    {
        await BuildAsync();
        Compose(("db", Sleeping()));
        await UpAsync();
        var before = await IdsAsync();
        Compose(("db", Sleeping(""", "environment": {"A": "1"}""")));

        await UpAsync();

        var after = await IdsAsync();
        Assert.Equal(before["web"], after["web"]);
        Assert.NotEqual(before["db"], after["db"]);
    }

    [Fact]
    public async Task Up_makes_anew_what_runs_another_image_than_its_name_stands_for()
    {
        var first = await BuildAsync();
        await UpAsync();
        await Engine.TagAsync(first, $"{Name}-kept:1", None);
        Write("two");
        var second = await BuildAsync();
        await UpAsync();
        Assert.Equal(second, Assert.Single(await Engine.ContainersAsync(Name, None)).ImageID);

        await Engine.TagAsync(first, Web, None);
        await UpAsync();

        Assert.Equal(first, Assert.Single(await Engine.ContainersAsync(Name, None)).ImageID);
    }

    [Fact]
    public async Task Up_of_named_services_leaves_the_others_alone()
    {
        await BuildAsync();
        Compose(("db", Sleeping()));
        await UpAsync();
        var before = await IdsAsync();
        Compose(("db", Sleeping(""", "environment": {"A": "1"}""")));

        await UpAsync("web");

        Assert.Equal(before, await IdsAsync());
    }

    [Fact]
    public async Task Up_without_its_image_fails_and_touches_nothing()
    {
        await BuildAsync();
        await UpAsync();
        var before = await IdsAsync();
        Compose(("other", $$"""{"image": "{{Name}}-none:1"}"""));

        var result = await Runner.RunAsync(
            DockerCommands.ComposeUp(Project, Commit, TimeSpan.FromMinutes(1), new UpOptions(false, Pull: false)), None);

        Assert.NotEqual(0, result.ExitCode);
        Assert.Contains($"{Name}-none", result.ErrorTail, StringComparison.Ordinal);
        Assert.Equal(before, await IdsAsync());
    }

    [Fact]
    public async Task Up_starts_what_was_stopped_and_leaves_what_is_in_no_file_any_more()
    {
        await BuildAsync();
        Compose(("db", """{"image": "watchparty-sample-base:1", "command": ["sh", "-c", "exit 3"]}"""), ("old", Sleeping()));
        await UpAsync();
        await UntilAsync(async () => (await ContainerAsync("db")).State.Status == "exited");
        var before = await IdsAsync();
        Assert.Equal(3, (await ContainerAsync("db")).State.ExitCode);
        var started = (await ContainerAsync("db")).State.StartedAt;
        Compose(("db", """{"image": "watchparty-sample-base:1", "command": ["sh", "-c", "exit 3"]}"""));

        await UpAsync();

        Assert.Equal(before, await IdsAsync());
        await UntilAsync(async () => (await ContainerAsync("db")).State is { Status: "exited", StartedAt: var again } && again != started);
    }

    [Fact]
    public async Task Up_can_be_told_to_make_a_container_anew()
    {
        await BuildAsync();
        await UpAsync();
        var before = await IdsAsync();

        await RunAsync(DockerCommands.ComposeUp(Project, Commit, TimeSpan.FromMinutes(1), new UpOptions(Recreate: true, Pull: false),
            "web"));

        Assert.NotEqual(before["web"], (await IdsAsync())["web"]);
    }

    [Fact]
    public async Task Up_fails_when_what_others_wait_for_is_not_healthy()
    {
        await BuildAsync();
        Compose(
            ("db", Sleeping(""", "healthcheck": {"test": ["CMD", "false"], "interval": "200ms", "retries": 2}""")),
            ("late", Sleeping(""", "depends_on": {"db": {"condition": "service_healthy"}}""")));

        ToolResult? result = null;
        var up = Runner.RunAsync(DockerCommands.ComposeUp(Project, Commit, TimeSpan.FromMinutes(1), new UpOptions(false, false)), None);
        await UntilAsync(() => Task.FromResult(up.IsCompleted));
        result = await up;

        Assert.NotEqual(0, result.ExitCode);
        Assert.Contains("unhealthy", result.ErrorTail, StringComparison.Ordinal);
        Assert.Equal("created", (await ContainerAsync("late")).State.Status);
    }

    [Fact]
    public async Task A_health_check_says_what_it_finds()
    {
        await BuildAsync();
        Compose(("good", Sleeping(""", "healthcheck": {"test": ["CMD", "true"], "interval": "200ms"}""")),
            ("bad", Sleeping(""", "healthcheck": {"test": ["CMD", "false"], "interval": "200ms", "retries": 2}""")));

        await UpAsync();

        await UntilAsync(async () => (await ContainerAsync("good")).State.Health?.Status == "healthy");
        await UntilAsync(async () => (await ContainerAsync("bad")).State.Health?.Status == "unhealthy");
        Assert.Null((await ContainerAsync("web")).State.Health);
    }

    [Fact]
    public async Task A_container_that_ends_again_and_again_is_started_again_and_again()
    {
        await BuildAsync();
        Compose(("loop", """{"image": "watchparty-sample-base:1", "command": ["sh", "-c", "exit 3"], "restart": "always"}"""));

        await UpAsync();

        await UntilAsync(async () => (await ContainerAsync("loop")).RestartCount > 1);
    }

    [Fact]
    public async Task A_restart_leaves_the_container_and_starts_it_anew_and_no_other()
    {
        await BuildAsync();
        await UpAsync();
        var before = await ContainerAsync("web");
        await UntilAsync(() => Task.FromResult(true));

        Assert.Equal(0, (await Runner.RunAsync(DockerCommands.ComposeRestart(Project, "abc", TimeSpan.FromMinutes(1), "web"), None)).ExitCode);

        var after = await ContainerAsync("web");
        Assert.Equal((before.Id, "running"), (after.Id, after.State.Status));
        Assert.NotEqual(before.State.StartedAt, after.State.StartedAt);
    }

    [Fact]
    public async Task A_container_that_is_removed_is_gone_and_may_be_so_already()
    {
        await BuildAsync();
        await UpAsync();
        var id = (await IdsAsync())["web"];

        await Engine.RemoveContainerAsync(id, None);
        await Engine.RemoveContainerAsync(id, None);

        Assert.Empty(await Engine.ContainersAsync(Name, None));
        Assert.Null(await Engine.FindContainerAsync(id, None));
        Assert.Null(await Engine.FindNetworkAsync($"{Name}_none", None));
        Assert.Null(await Engine.FindVolumeAsync($"{Name}_none", None));
    }

    [Fact]
    public async Task Networks_volumes_and_ports_are_those_of_the_file()
    {
        await BuildAsync();
        File.WriteAllText(Path.Combine(_folder, "compose.yaml"), $$"""
            {"services": {"db": {"image": "watchparty-sample-base:1", "command": ["sleep", "1d"], "init": true, "networks": ["back"], "volumes": ["data:/data", "/scratch"],
              "ports": ["127.0.0.1::8000"]} }, "networks": {"back": {} }, "volumes": {"data": {} } }
            """);

        await UpAsync();

        var db = await ContainerAsync("db");
        Assert.Equal([$"{Name}_back"], db.NetworkSettings!.Networks!.Keys);
        Assert.Equal("back", (await Engine.FindNetworkAsync($"{Name}_back", None))!.Labels!["com.docker.compose.network"]);
        Assert.Equal("data", (await Engine.FindVolumeAsync($"{Name}_data", None))!.Labels!["com.docker.compose.volume"]);
        Assert.Contains(db.Mounts!, m => (m.Type, m.Name, m.Destination) == ("volume", $"{Name}_data", "/data"));
        Assert.Equal(64, db.Mounts!.Single(m => m.Destination == "/scratch").Name!.Length);
        Assert.NotNull(db.NetworkSettings.Ports!["8000/tcp"]);
    }

    [Fact]
    public async Task Records_of_the_builder_go_by_their_ids_and_no_other_goes()
    {
        await BuildAsync();
        var records = await Engine.CacheRecordsAsync(None);
        Assert.NotEmpty(records);

        var unused = records.Where(r => records.All(c => c.Parents?.Contains(r.ID) != true)).Select(r => r.ID).First();

        Assert.Equal(0, await Engine.PruneCacheAsync(["nobody"], null, None));
        Assert.Equal(1, await Engine.PruneCacheAsync([unused], null, None));

        Assert.Equal(records.Select(r => r.ID).Except([unused]).Order(), (await Engine.CacheRecordsAsync(None)).Select(r => r.ID).Order());
    }

    private static string Sleeping(string more = "") => $$"""{"image": "watchparty-sample-base:1", "command": ["sleep", "1d"], "init": true{{more}} }""";

    private void Write(string content) => File.WriteAllText(Path.Combine(_folder, "web", "content.txt"), $"{Name} {content}\n");

    /// <summary>The service <c>web</c>, which is built, and these.</summary>
    private void Compose(params (string Name, string Section)[] others)
    {
        var web = $$"""
            "web": {"image": "{{Web}}", "build": {"context": "./web", "dockerfile_inline": "FROM watchparty-sample-base:1\nCOPY . .\n"},
              "command": ["sleep", "1d"], "init": true}
            """;
        File.WriteAllText(Path.Combine(_folder, "compose.yaml"), $$"""{"services": { {{string.Join(",\n", others.Select(o => $"\"{o.Name}\": {o.Section}").Prepend(web))}} } }""");
    }

    private async Task<string> BuildAsync(bool withoutCache = false)
    {
        var model = ComposeModel.Parse(await Runner.OutputOfAsync(DockerCommands.ComposeConfig(Project, Commit), None));
        var service = model.Services.Single(s => s.Name == "web");
        var definitions = await new BuildDefinitions(Project, Runner).OfAsync(model, None);
        var file = Bake.File(model, definitions, [new BakeTarget("web", service, Commit, []) { Image = service.Image }], new BuildOptions());
        await RunAsync(DockerCommands.Bake(Project, new BuildOptions(), file, ["web"], withoutCache, pull: false));
        return (await Engine.FindImageAsync(Web, None))!.Id;
    }

    private Task UpAsync(params string[] services) =>
        RunAsync(DockerCommands.ComposeUp(Project, Commit, TimeSpan.FromMinutes(1), new UpOptions(false, Pull: false), services));

    private async Task<string> HashAsync(string service)
    {
        var model = await Runner.OutputOfAsync(DockerCommands.ComposeConfig(Project, Commit), None);
        var lines = await Runner.OutputOfAsync(DockerCommands.ComposeHashes(Project, Name, JsonNode.Parse(model)!.ToJsonString()), None);
        return lines.Split('\n').Single(l => l.StartsWith($"{service} ", StringComparison.Ordinal)).Split(' ')[1].Trim();
    }

    private async Task<IReadOnlyDictionary<string, string>> IdsAsync() =>
        (await Engine.ContainersAsync(Name, None)).ToDictionary(c => c.Service, c => c.Id);

    private async Task<ContainerDetails> ContainerAsync(string service) =>
        (await Engine.FindContainerAsync((await IdsAsync())[service], None))!;

    private async Task RunAsync(ToolCommand command)
    {
        var result = await Runner.RunAsync(command, None);
        Assert.True(result.ExitCode == 0, $"{command}: {result.ErrorTail}");
    }
}

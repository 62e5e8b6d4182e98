using System.Collections.Immutable;
using System.Globalization;
using System.Text.Json;
using WatchParty.Releases.Deploying;
using WatchParty.Releases.Planning;
using WatchParty.Releases.Recording;
using WatchParty.Tools.Configuration;
using WatchParty.Tools.Docker;
using WatchParty.Tools.Failures;
using WatchParty.Tools.Files;
using WatchParty.Tools.Processes;
using WatchParty.Worker.Tests.Fakes;
using WatchParty.Worker.Tests.Planning;
using WatchParty.Worker.Tests.Recording;

namespace WatchParty.Worker.Tests.Deploying;

public sealed class OwnershipTests : IDisposable
{
    private readonly string _root = PhysicalPath.Of(Directory.CreateTempSubdirectory("whose-").FullName);
    private readonly RecordBench _bench = new();
    private readonly FakeEngine _fake;
    private readonly DockerEngine _engine;
    private readonly Services _services = new();
    private readonly List<Seen> _containers = [];

    public OwnershipTests()
    {
        _fake = new FakeEngine(Answer);
        _engine = _fake.Connect();
        Write("app/compose.yaml");
    }

    private string App => Path.Combine(_root, "app");

    private string Other => Path.Combine(_root, "other");

    private ComposeOptions Options { get; } = new();

    private Ownership Ownership => new(
        new ComposeProject(App, Options, "GIT_COMMIT_HASH", ImmutableDictionary<string, string?>.Empty), _services, _engine, _bench.History,
        StateFolder.Open(Path.Combine(_root, "state")));

    // RecordBench's plans have the services backend, frontend and redis; this is what is left of them.
    private static ComposeModel Model { get; } =
        ComposeModels.Of(("backend", """{ "image": "app-backend", "build": { "context": "/srv/app" } }"""));

    public void Dispose()
    {
        _engine.Dispose();
        _fake.Dispose();
        _bench.Dispose();
        Directory.Delete(_root, recursive: true);
    }

    [Fact]
    public async Task ContainersOfAnotherFolder_AreRefusedByName()
    {
        Runs("backend", Other);
        Runs("redis", Other);

        var message = (await Assert.ThrowsAsync<WorkerException>(CheckAsync)).Message;
        Assert.Contains(
            $"The compose project {Model.Project} runs already, from another folder: {Other} (containers c-backend-1, c-redis-2), "
            + $"and not from {App}", message, StringComparison.Ordinal);
        Assert.Contains("Compose:ProjectName", message, StringComparison.Ordinal);
        Assert.Contains($"set Compose:AdoptFrom to {Other}", message, StringComparison.Ordinal);
        // Neither is anything of theirs removed when nobody has planned before.
        await Assert.ThrowsAsync<WorkerException>(() => Ownership.MakeRoomAsync(Model, "c1", default));
        Assert.Empty(Removed);
        Assert.NotNull(await Ownership.OtherFolderAsync(Model, default));
    }

    [Fact]
    public async Task ContainersOfAFolderThatIsTakenOver_AreAcceptedAndTold()
    {
        Options.AdoptFrom = Other + "/";
        Runs("backend", Other);
        Runs("frontend", App);

        Assert.Contains(await CheckAsync(), n => n.Contains("(Compose:AdoptFrom): c-backend-1", StringComparison.Ordinal));
        Assert.Null(await Ownership.OtherFolderAsync(Model, default));

        Runs("redis", Path.Combine(_root, "third"));
        await Assert.ThrowsAsync<WorkerException>(CheckAsync);
    }

    [Fact]
    public async Task OurFolder_IsOursUnderEveryPathThatLeadsThere()
    {
        Directory.CreateSymbolicLink(Path.Combine(_root, "link"), App);
        Runs("backend", Path.Combine(_root, "link"));
        // Where the compose file was before it moved.
        Runs("backend", Path.Combine(App, "deploy"));
        // What compose of long ago did not write.
        Runs("backend", null);
        Assert.Empty(await CheckAsync());

        // A checkout in the checkout is another one.
        Directory.CreateDirectory(Path.Combine(App, "vendor/.git"));
        Runs("backend", Path.Combine(App, "vendor"));
        await Assert.ThrowsAsync<WorkerException>(CheckAsync);
    }

    [Fact]
    public async Task TheFolderOfAComposeFileThatIsConfiguredElsewhere_IsOurs()
    {
        Write("etc/compose.yaml");
        Options.Files = [Path.Combine(_root, "etc/compose.yaml")];
        Runs("backend", Path.Combine(_root, "etc"));

        Assert.Empty(await CheckAsync());
    }

    [Fact]
    public async Task AServiceThatTheModelHasNoMore_IsRemovedWhenAReleaseOfOursHadIt()
    {
        _bench.Release(RecordBench.Commit, ReleaseOutcome.Succeeded);
        Runs("backend", App);
        Runs("frontend", App);
        Runs("frontend", App, files: Path.Combine(App, "docker-compose.yml"));
        Runs("redis", App, files: Path.Combine(App, "docker-compose.yml") + "," + Path.Combine(_root, "state/back.yaml"));
        Write("state/back.yaml");
        Runs("metrics", App);

        Assert.Null(await Ownership.MakeRoomAsync(Model, "c1", default));

        // The compose file had another name then, which is gone; one of our own does not count.
        Assert.Equal(["c-frontend-2", "c-frontend-3", "c-redis-4"], Removed);
        Assert.StartsWith("metrics bears the name of the project", Assert.Single(await CheckAsync()), StringComparison.Ordinal);
    }

    [Fact]
    public async Task WhatAPersonStartedFromAnotherFile_StaysAlsoWhenAReleaseOfOursOnceHadIt()
    {
        _bench.Release(RecordBench.Commit, ReleaseOutcome.Succeeded);
        Write("app/monitoring.yml");
        Runs("redis", App, files: Path.Combine(App, "monitoring.yml"));

        Assert.Null(await Ownership.MakeRoomAsync(Model, "c1", default));

        Assert.Empty(Removed);
        Assert.Contains(await CheckAsync(), n => n.StartsWith("redis bears the name", StringComparison.Ordinal));
    }

    [Fact]
    public async Task AServiceBehindAProfile_StaysAndIsTold()
    {
        _bench.Release(RecordBench.Commit, ReleaseOutcome.Succeeded);
        _services.All = "backend\nredis\n";
        Runs("redis", App);
        Runs("frontend", App);

        Assert.Contains(await CheckAsync(), n => n.StartsWith("redis is behind a profile that is not active now",
            StringComparison.Ordinal));
        await Ownership.MakeRoomAsync(Model, "c1", default);
        Assert.Equal(["c-frontend-2"], Removed);
        Assert.Equal(["c-frontend-2"], (await Ownership.LeftOverAsync(Model, "c1", default)).Select(c => c.Names[0].Trim('/')));
    }

    [Fact]
    public async Task ContainersThatWereMadeByHandAndEnded_AreNeverTouched()
    {
        _bench.Release(RecordBench.Commit, ReleaseOutcome.Succeeded);
        Runs("redis", App, oneOff: true, state: "exited");

        await Ownership.MakeRoomAsync(Model, "c1", default);
        Assert.Empty(Removed);
        Assert.Empty(await CheckAsync());
    }

    [Fact]
    public async Task ServicesOfAProjectThatIsTakenBack_AreRemovedAsFarAsTheyAreOfOurFolder()
    {
        Runs("backend", App, project: "renamed");
        Runs("redis", App, project: "renamed");
        Runs("backend", Other, project: "renamed");
        Runs("backend", App);

        Assert.Null(await Ownership.RemoveAsync("renamed", ["backend"], default));
        Assert.Equal(["c-backend-1"], Removed);
    }

    [Fact]
    public async Task OnTheWayBack_TheFilesCountThatTheReleaseWasMadeWith()
    {
        _bench.Release(RecordBench.Commit, ReleaseOutcome.Succeeded);
        // Configured since, and not in the commit that is checked out again.
        Options.Files = ["deploy/compose.yaml"];
        var back = Model with { Source = new ModelSource([], [], [], null, "GIT_COMMIT_HASH", new Dictionary<string, string>()) };
        Runs("redis", App, files: Path.Combine(App, "deploy/compose.yaml"));
        Runs("redis", App, project: "renamed");

        Assert.Null(await Ownership.MakeRoomAsync(back, "c1", default));
        Assert.Null(await Ownership.RemoveAsync("renamed", ["redis"], default));

        Assert.Equal(["c-redis-1", "c-redis-2"], Removed);
    }

    [Fact]
    public async Task AContainerThatCannotBeRemoved_IsAComplaintAndNotTheEnd()
    {
        _bench.Release(RecordBench.Commit, ReleaseOutcome.Succeeded);
        Runs("redis", App, stuck: true);

        Assert.Contains("refused DELETE", await Ownership.MakeRoomAsync(Model, "c1", default), StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("app-backend", "running")]
    [InlineData("docker.io/library/app-backend:latest", "running")]
    [InlineData("app-backend:latest", "restarting")]
    [InlineData("app-backend:latest", "paused")]
    public async Task ABuiltNameThatAnotherProjectRuns_IsRefusedByBothNames(string image, string state)
    {
        Runs("site", Other, project: "staging", image: image, state: state);

        var message = (await Assert.ThrowsAsync<WorkerException>(CheckAsync)).Message;
        Assert.Contains(
            $"The image app-backend that is built for backend of {Model.Project} is the one of site of the compose project staging as well",
            message, StringComparison.Ordinal);
        Assert.Contains("c-site-1", message, StringComparison.Ordinal);
        Assert.Contains($"image: {Model.Project}-backend:latest", message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task ABuiltNameThatHasMovedOn_IsStillTheOneOfWhoWasMadeWithIt()
    {
        Runs("site", Other, project: "staging", image: "sha256:0123", madeWith: "app-backend:latest");

        await Assert.ThrowsAsync<WorkerException>(CheckAsync);
    }

    [Theory]
    [InlineData("app-backend:next", "running", "staging")]
    [InlineData("redis:7", "running", "staging")]
    [InlineData("app-backend", "exited", "staging")]
    [InlineData("app-backend", "running", "")]
    public async Task WhatDoesNotExchangeAnImage_IsNoReasonToRefuse(string image, string state, string project)
    {
        Runs("site", Other, project: project, image: image, state: state);

        Assert.Empty(await CheckAsync());
    }

    [Fact]
    public async Task TheApplicationUnderTheNameThatItHadBefore_IsTold()
    {
        Runs("backend", App, project: "before", image: "app-backend:latest");

        Assert.Contains("docker compose --project-name before down", Assert.Single(await CheckAsync()), StringComparison.Ordinal);
    }

    private IEnumerable<string> Removed => _fake.Requests.Where(r => r.StartsWith("DELETE", StringComparison.Ordinal))
        .Select(r => r.Split("containers/")[1].Split('?')[0]).Order(StringComparer.Ordinal);

    private async Task<IReadOnlyList<string>> CheckAsync() => await Ownership.CheckAsync(Model, "c1", default);

    private void Runs(
        string service, string? folder, string? files = null, string? project = null, string image = "any", string state = "running",
        bool oneOff = false, string? madeWith = null, bool stuck = false)
    {
        Dictionary<string, string> labels = new()
        {
            ["com.docker.compose.service"] = service,
            ["com.docker.compose.oneoff"] = oneOff ? "True" : "False",
        };
        if (project != "") { labels["com.docker.compose.project"] = project ?? Model.Project; }
        if (folder is not null)
        {
            labels["com.docker.compose.project.working_dir"] = folder;
            labels["com.docker.compose.project.config_files"] = files ?? Path.Combine(folder, "compose.yaml");
        }
        var name = string.Create(CultureInfo.InvariantCulture, $"c-{service}-{_containers.Count + 1}");
        _containers.Add(new Seen(name, labels, image, state, madeWith, stuck));
    }

    private string? Answer(string request)
    {
        if (request.EndsWith("/version", StringComparison.Ordinal) || request == "GET version") { return FakeEngine.Version(); }
        if (request.Contains("containers/json", StringComparison.Ordinal))
        {
            const string project = "com.docker.compose.project";
            var wanted = Uri.UnescapeDataString(request).Split($"{project}=") is [_, var rest] ? rest.Split('"')[0] : null;
            return FakeEngine.Json(JsonSerializer.Serialize(_containers
                .Where(c => wanted is null || c.Labels.GetValueOrDefault(project) == wanted)
                .Select(c => new { Id = c.Name, Names = new[] { "/" + c.Name }, ImageID = "sha256:1", c.Image, c.State, c.Labels })));
        }
        var container = _containers.FirstOrDefault(c => request.Contains($"containers/{c.Name}", StringComparison.Ordinal));
        return request.StartsWith("GET", StringComparison.Ordinal) && container is not null
            ? FakeEngine.Json(JsonSerializer.Serialize(new
            {
                Id = container.Name,
                container.Name,
                Image = "sha256:1",
                RestartCount = 0,
                State = new { Status = "running" },
                HostConfig = new { },
                Config = new { Image = container.MadeWith },
            }))
            : request.StartsWith("DELETE", StringComparison.Ordinal) && container is { Stuck: true }
                ? FakeEngine.Json("""{ "message": "device is busy" }""", 500)
            : FakeEngine.Json("", 204);
    }

    private void Write(string path)
    {
        var file = Path.Combine(_root, path);
        Directory.CreateDirectory(Path.GetDirectoryName(file)!);
        File.WriteAllText(file, "services: {}\n");
    }

    private sealed record Seen(string Name, Dictionary<string, string> Labels, string Image, string State, string? MadeWith, bool Stuck);

    /// <summary>Compose, asked for all services.</summary>
    private sealed class Services : IToolRunner
    {
        public string All { get; set; } = "backend\n";

        public Task<ToolResult> RunAsync(ToolCommand command, StreamReading? standardError, CancellationToken cancellationToken) =>
            Task.FromResult(new ToolResult(0, All, "", TimeSpan.Zero));
    }
}

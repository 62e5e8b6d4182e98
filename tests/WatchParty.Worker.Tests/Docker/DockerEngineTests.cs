using WatchParty.Tools.Docker;
using WatchParty.Tools.Failures;
using WatchParty.Worker.Tests.Fakes;

namespace WatchParty.Worker.Tests.Docker;

/// <summary>What becomes of answers that a real engine cannot be made to give.</summary>
public sealed class DockerEngineTests
{
    private static readonly CancellationToken None = CancellationToken.None;

    private static FakeEngine Engine(Func<string, string?> answer) => new(request => request == "GET /version" ? FakeEngine.Version() : answer(request));

    private static async Task<WorkerException> ErrorOfAsync(FakeEngine fake, Func<DockerEngine, Task> call)
    {
        using var engine = fake.Connect();
        var error = await Assert.ThrowsAsync<WorkerException>(() => call(engine));
        Assert.Equal(Remedy.RetriedByItself, error.Remedy);
        return error;
    }

    [Theory]
    [InlineData("""{ "message": "layer does not exist" }""", "layer does not exist")]
    [InlineData("proxy says no\n", "500 proxy says no")]
    [InlineData("", "500 ")]
    [InlineData("[]", "500 []")]
    [InlineData("{}", "{}")]
    public async Task ServerError_IsRetriedAndSaysWhatTheEngineSays(string body, string words)
    {
        using var fake = Engine(_ => FakeEngine.Answer(body, 500, "text/plain"));

        var error = await ErrorOfAsync(fake, e => e.FindImageAsync("app:1", None));

        Assert.Equal($"The Docker Engine refused GET /v1.45/images/app:1/json: {words}", error.Message);
    }

    [Theory]
    [InlineData("<html>")]
    [InlineData("null")]
    [InlineData("[]")]
    [InlineData("")]
    [InlineData("""{ "Id": 5 }""")]
    public async Task Answer_ThatIsNotWhatTheApiSays_IsRetriedAndNamesTheCall(string body)
    {
        using var fake = Engine(_ => FakeEngine.Answer(body, 200, "text/html"));

        Assert.Contains("/images/app:1/json", (await ErrorOfAsync(fake, e => e.FindImageAsync("app:1", None))).Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("garbage\r\n\r\n")]
    [InlineData("HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{ \"Id\":")]
    [InlineData(null)]
    public async Task Connection_ThatBreaks_IsRetriedAndNamesTheEndpoint(string? answer)
    {
        using var fake = Engine(_ => answer);

        var error = await ErrorOfAsync(fake, e => e.FindImageAsync("app:1", None));

        Assert.StartsWith($"The Docker Engine at {fake.Endpoint} cannot be reached (", error.Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("garbage")]
    [InlineData("""{ "Version": "1", "ApiVersion": "new" }""")]
    [InlineData("{}")]
    public async Task Version_ThatCannotBeRead_IsRetriedAndAskedForAgain(string body)
    {
        var answers = new Queue<string>([FakeEngine.Json(body), FakeEngine.Version(), FakeEngine.Json("", 404)]);
        using var fake = new FakeEngine(_ => answers.Dequeue());
        using var engine = fake.Connect();

        Assert.Equal(Remedy.RetriedByItself, (await Assert.ThrowsAsync<WorkerException>(() => engine.FindImageAsync("app:1", None))).Remedy);
        Assert.Null(await engine.FindImageAsync("app:1", None));
    }

    [Fact]
    public async Task Socket_ThatIsNotThere_IsRetriedAndSaysWhatToCheck()
    {
        using var engine = new DockerEngine(_ => Task.FromResult(new Uri("unix:///nowhere/docker.sock")), TimeProvider.System);

        var error = await Assert.ThrowsAsync<WorkerException>(() => engine.InfoAsync(None));

        Assert.Contains("cannot be reached (there is no such socket)", error.Message, StringComparison.Ordinal);
        Assert.Contains("Is it running, and may this user open its socket (group docker)?", error.Message, StringComparison.Ordinal);
        Assert.Equal(Remedy.RetriedByItself, error.Remedy);
    }

    [Theory]
    [InlineData(null)]
    [InlineData("""{ "message": "no such image" }""")]
    public async Task Saving_ThatFails_IsRetried(string? body)
    {
        using var fake = Engine(_ => body is null ? null : FakeEngine.Json(body, 404));

        await ErrorOfAsync(fake, e => e.LayerBytesAsync(None));
    }

    [Fact]
    public async Task Engine_ThatDoesNotAnswer_IsGivenUpAtTheLimit()
    {
        var asked = new TaskCompletionSource();
        using var fake = new FakeEngine(async request =>
        {
            if (request == "GET /version") { return FakeEngine.Version(); }
            asked.SetResult();
            await Task.Delay(Timeout.InfiniteTimeSpan, TimeProvider.System);
            return null;
        });
        var time = new ManualTimeProvider();
        using var engine = fake.Connect(time);

        var call = engine.FindImageAsync("app:1", None);
        await asked.Task;
        time.Advance(TimeSpan.FromSeconds(59));
        Assert.False(call.IsCompleted);
        time.Advance(TimeSpan.FromSeconds(1));

        Assert.Contains("no answer within 60 s", (await Assert.ThrowsAsync<WorkerException>(() => call)).Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Call_ThatIsCancelled_IsNotAnError()
    {
        using var stop = new CancellationTokenSource();
        using var fake = Engine(_ =>
        {
            stop.Cancel();
            return FakeEngine.Json("", 404);
        });
        using var engine = fake.Connect();

        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => engine.PruneCacheAsync(null, null, stop.Token));
    }

    [Fact]
    public async Task Prune_WhileAnotherRuns_WaitsAndTriesAgain()
    {
        var answers = new Queue<string>([Running, Running, FakeEngine.Json("""{ "CachesDeleted": ["a", "b"], "SpaceReclaimed": 5 }""")]);
        using var fake = Engine(_ => answers.Dequeue());
        var time = new HurriedTime();
        using var engine = fake.Connect(time);

        Assert.Equal(2, await engine.PruneCacheAsync(["one", "tw.o"], null, None));
        Assert.Equal([TimeSpan.FromSeconds(2), TimeSpan.FromSeconds(2)], time.Waits);
        Assert.Equal("""POST /v1.45/build/prune?all=1&filters={"id":["^(one|tw\\.o)$"]} HTTP/1.1""", Uri.UnescapeDataString(fake.Requests.Last()));
    }

    [Fact]
    public async Task Prune_WhileAnotherNeverEnds_GivesUp()
    {
        using var fake = Engine(_ => Running);
        var time = new HurriedTime();
        using var engine = fake.Connect(time);

        var error = await Assert.ThrowsAsync<WorkerException>(() => engine.PruneCacheAsync(null, null, None));

        Assert.EndsWith("a prune operation is already running", error.Message, StringComparison.Ordinal);
        Assert.Equal(29, time.Waits.Count);
    }

    [Fact]
    public async Task Prune_ThatFailsOtherwise_IsNotTriedAgain()
    {
        using var fake = Engine(_ => FakeEngine.Json("""{ "message": "disk error" }""", 500));

        await ErrorOfAsync(fake, e => e.PruneCacheAsync(null, null, None));
        Assert.Equal(2, fake.Requests.Count);
    }

    [Theory]
    [InlineData(404, false)]
    [InlineData(409, false)]
    [InlineData(200, true)]
    public async Task Removal_ThatIsRefused_IsAnAnswer(int status, bool removed)
    {
        using var fake = Engine(_ => FakeEngine.Json("[]", status));
        using var engine = fake.Connect();

        Assert.Equal(removed, await engine.RemoveImageAsync("registry:5000/app:1", None));
        Assert.Equal("DELETE /v1.45/images/registry:5000/app:1 HTTP/1.1", fake.Requests.Last());
    }

    [Theory]
    [InlineData("1.41", "v1.41")]
    [InlineData("1.51", "v1.51")]
    [InlineData("1.52", "v1.51")]
    [InlineData("2.0", "v1.51")]
    public async Task Version_IsTheNewestThatBothKnow(string theirs, string used)
    {
        using var fake = new FakeEngine(request => request == "GET /version" ? FakeEngine.Version(theirs) : FakeEngine.Json("{}"));
        using var engine = fake.Connect();

        Assert.Empty(await engine.CacheRecordsAsync(None));
        Assert.Equal([$"GET /version HTTP/1.1", $"GET /{used}/system/df?type=build-cache HTTP/1.1"], fake.Requests);
    }

    /// <summary>Engine 29 accepts 1.44 and newer, and has the records of the builder in other fields from 1.52 on.</summary>
    [Theory]
    [InlineData("1.44", "GET /v1.51/system/df?type=build-cache HTTP/1.1")]
    [InlineData("1.52", "GET /v1.52/system/df?type=build-cache&verbose=1 HTTP/1.1")]
    public async Task Records_AreThoseThatEngine29HasByItsVersionOfTheApi(string oldest, string asked)
    {
        const string record = """
            { "ID": "ndlpt0hhvkqcdfkputsk4cq9c", %PARENTS%: ["hw53o5aio51xtltp5xjp8v7fx"], "Type": "regular", "Description": "mount / from exec /bin/sh -c make",
              "InUse": false, "Shared": true, "Size": 51, "CreatedAt": "2026-11-20T07:37:43.9Z", "LastUsedAt": "2026-11-20T07:37:45.1Z", "UsageCount": 26 }
            """;
        using var fake = new FakeEngine(request => request switch
        {
            "GET /version" => FakeEngine.Json($$"""{ "Version": "29.1.2", "ApiVersion": "1.52", "MinAPIVersion": "{{oldest}}", "Os": "linux" }"""),
            "GET /system/df?type=build-cache" => FakeEngine.Json($$"""{ "BuilderSize": 51, "BuildCache": [{{record.Replace("%PARENTS%", "\" Parents\"", StringComparison.Ordinal)}}] }"""),
            "GET /system/df?type=build-cache&verbose=1" => FakeEngine.Json($$"""
                { "BuildCacheUsage": { "ActiveCount": 0, "Items": [{{record.Replace("%PARENTS%", "\"Parents\"", StringComparison.Ordinal)}}],
                  "Reclaimable": 0, "TotalCount": 1, "TotalSize": 51 } }
                """),
            _ => null,
        });
        using var engine = fake.Connect();

        var found = Assert.Single(await engine.CacheRecordsAsync(None));

        Assert.Equal(("ndlpt0hhvkqcdfkputsk4cq9c", 51, new DateTimeOffset(2026, 11, 20, 7, 37, 45, 100, TimeSpan.Zero)), (found.ID, found.Size, found.LastUsedAt));
        Assert.Equal("hw53o5aio51xtltp5xjp8v7fx", Assert.Single(found.Parents!));
        Assert.Equal(asked, fake.Requests.Last());
    }

    [Fact]
    public async Task Container_OfEngine29_IsReadWithItsNetworksAndPorts()
    {
        using var fake = Engine(_ => FakeEngine.Json("""
            { "Id": "4f1c", "Created": "2026-11-20T07:37:43.9Z", "Name": "/app-web-1", "Image": "sha256:1", "RestartCount": 0, "Platform": "linux",
              "ImageManifestDescriptor": { "mediaType": "application/vnd.oci.image.manifest.v1+json", "digest": "sha256:2", "size": 480 },
              "State": { "Status": "running", "Running": true, "Restarting": false, "ExitCode": 0, "Error": "", "StartedAt": "2026-11-20T07:37:44Z",
                "Health": { "Status": "healthy", "FailingStreak": 0, "Log": [] } },
              "HostConfig": { "RestartPolicy": { "Name": "unless-stopped", "MaximumRetryCount": 0 } },
              "Config": { "Image": "app-web:latest", "Labels": {} },
              "Mounts": [{ "Type": "volume", "Name": "app_data", "Source": "/var/lib/docker/volumes/app_data/_data", "Destination": "/data", "Mode": "z", "RW": true }],
              "NetworkSettings": { "SandboxID": "9", "Ports": { "8000/tcp": [{ "HostIp": "127.0.0.1", "HostPort": "8080" }], "9000/tcp": null },
                "Networks": { "app_default": { "NetworkID": "7", "Aliases": ["app-web-1", "web"], "DNSNames": ["app-web-1", "web", "4f1c"], "IPAddress": "172.18.0.2" } } } }
            """));
        using var engine = fake.Connect();

        var found = (await engine.FindContainerAsync("4f1c", None))!;

        Assert.Equal(("healthy", "7", "app_data"), (found.State.Health!.Status, found.NetworkSettings!.Networks!["app_default"].NetworkID, found.Mounts!.Single().Name));
        Assert.Equal("8080", found.NetworkSettings.Ports!["8000/tcp"]!.Single().HostPort);
        Assert.Null(found.NetworkSettings.Ports["9000/tcp"]);
    }

    [Theory]
    [InlineData("""[["driver-type", "io.containerd.snapshotter.v1"]]""", ImageStore.Containerd)]
    [InlineData("""[["Backing Filesystem", "extfs"]]""", ImageStore.GraphDriver)]
    [InlineData("null", ImageStore.GraphDriver)]
    public async Task Store_IsDetected(string status, object store)
    {
        using var fake = Engine(_ => FakeEngine.Json($$"""{ "Driver": "overlay2", "DriverStatus": {{status}}, "DockerRootDir": "/var/lib/docker" }"""));
        using var engine = fake.Connect();

        Assert.Equal(store, (await engine.InfoAsync(None)).Store);
    }

    [Fact]
    public async Task Names_AreEscapedInQueriesAndPaths()
    {
        using var fake = Engine(request => request.StartsWith("POST", StringComparison.Ordinal) ? FakeEngine.Json("", 201) : FakeEngine.Json("[]"));
        using var engine = fake.Connect();

        await engine.TagAsync("sha256:1", "registry:5000/team/app:x&y", None);
        Assert.Equal("POST /v1.45/images/sha256:1/tag?repo=registry%3A5000%2Fteam%2Fapp&tag=x%26y HTTP/1.1", fake.Requests.Last());
        await engine.ImagesAsync("a\"b?c", None);
        Assert.Equal("""GET /v1.45/images/json?filters={"reference":["a\u0022b?c"]} HTTP/1.1""", Uri.UnescapeDataString(fake.Requests.Last()));
    }

    [Fact]
    public async Task Containers_OfTheProject_AreThoseWithoutRuns()
    {
        using var fake = Engine(_ => FakeEngine.Json("""
            [
              { "Id": "1", "Names": ["/app-web-1"], "ImageID": "sha256:1", "State": "running", "Labels": { "com.docker.compose.service": "web", "com.docker.compose.oneoff": "False" } },
              { "Id": "2", "Names": ["/app-web-run-1"], "ImageID": "sha256:1", "State": "exited", "Labels": { "com.docker.compose.service": "web", "com.docker.compose.oneoff": "True" } }
            ]
            """));
        using var engine = fake.Connect();

        Assert.Equal([("1", "web")], (await engine.ContainersAsync("app", None)).Select(c => (c.Id, c.Service)));
    }

    [Fact]
    public async Task Container_ThatCannotBeRestarted_IsAnErrorWithTheEnginesWords()
    {
        using var fake = Engine(_ => FakeEngine.Json("""{ "message": "not a directory" }""", 500));
        using var engine = fake.Connect();

        Assert.Contains("not a directory", (await Assert.ThrowsAsync<WorkerException>(() => engine.RemoveContainerAsync("abc", None))).Message, StringComparison.Ordinal);
        Assert.Equal("POST /v1.45/containers/abc/stop HTTP/1.1", fake.Requests.Last());
    }

    private static string Running => FakeEngine.Json("""{ "message": "a prune operation is already running" }""", 409);

    /// <summary>Passes short waits at once, and counts them.</summary>
    private sealed class HurriedTime : TimeProvider
    {
        public List<TimeSpan> Waits { get; } = [];

        public override ITimer CreateTimer(TimerCallback callback, object? state, TimeSpan dueTime, TimeSpan period)
        {
            if (dueTime > TimeSpan.FromSeconds(10)) { return base.CreateTimer(callback, state, dueTime, period); }
            Waits.Add(dueTime);
            return base.CreateTimer(callback, state, TimeSpan.Zero, period);
        }
    }
}

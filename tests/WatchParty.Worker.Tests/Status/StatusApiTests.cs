using System.Net;
using System.Text;
using System.Text.Json;
using System.Text.Json.Nodes;
using WatchParty.Releases.Recording;
using WatchParty.Worker.Control;
using WatchParty.Worker.Tests.Recording;

namespace WatchParty.Worker.Tests.Status;

public sealed class StatusApiTests : IAsyncLifetime
{
    private const string Authorized = $"Bearer {StatusBench.Token}";
    private StatusBench _bench = null!;

    public async Task InitializeAsync() => _bench = await StatusBench.StartAsync();

    public Task DisposeAsync() => _bench.DisposeAsync().AsTask();

    private Task<HttpResponseMessage> ActAsync(string path, string body, params (string, string?)[] headers) =>
        _bench.SendAsync(HttpMethod.Post, path, StatusBench.Json(body), headers.Length > 0 ? headers : [("Authorization", Authorized)]);

    [Fact]
    public async Task Documents_AreThoseOfTheVerbs()
    {
        var first = _bench.Release(RecordBench.Commit, ReleaseOutcome.Succeeded);
        var second = _bench.Release(RecordBench.Other, ReleaseOutcome.BuildFailed, error: "exit code 1");
        _bench.FreshMarks.Add(["backend"], "test");

        var status = JsonNode.Parse(await _bench.ReadAsync("/api/status"))!;
        Assert.Equal($"{first}", (string?)status["deployed"]!["release"]);
        Assert.Equal($"{second}", (string?)status["last"]!["release"]);
        Assert.Equal("""["backend"]""", status["freshBuildPending"]!.ToJsonString());
        Assert.Equal(Environment.ProcessId, (int)status["service"]!["pid"]!);

        Assert.Equal(JsonSerializer.Serialize(_bench.History.Find(first), RecordJson.Readable.ReleaseReport!), await _bench.ReadAsync($"/api/releases/{first}"));
        Assert.Equal($"{second}", (string?)JsonNode.Parse(await _bench.ReadAsync("/api/releases/2222"))!["release"]);
        Assert.Equal([$"{second}"], JsonNode.Parse(await _bench.ReadAsync("/api/releases?last=1"))!.AsArray().Select(r => (string?)r!["release"]));
        Assert.Equal([$"{first}"], JsonNode.Parse(await _bench.ReadAsync($"/api/releases?before={second}"))!.AsArray().Select(r => (string?)r!["release"]));
        Assert.Equal(["COPY . .", "RUN make"], JsonNode.Parse(await _bench.ReadAsync($"/api/releases/{first}/steps"))!.AsArray().Select(s => (string?)s!["text"]));
        Assert.Equal("#1 make\n", await _bench.ReadAsync($"/api/releases/{first}/log"));
        Assert.Equal("[]", await _bench.ReadAsync("/api/housekeeping"));
    }

    [Theory]
    [InlineData("/api/releases/77", HttpStatusCode.NotFound)]
    [InlineData("/api/releases/77/log", HttpStatusCode.NotFound)]
    [InlineData("/api/releases/%2e%2e%2f/log", HttpStatusCode.NotFound)]
    [InlineData("/api/releases?last=0", HttpStatusCode.BadRequest)]
    [InlineData("/api/releases?last=1001", HttpStatusCode.BadRequest)]
    [InlineData("/api/releases?last=99999999999999999999", HttpStatusCode.BadRequest)]
    [InlineData("/api/releases?before=x", HttpStatusCode.BadRequest)]
    [InlineData("/api/nothing", HttpStatusCode.NotFound)]
    public async Task Questions_ThatMakeNoSense_GetASayingStatus(string path, HttpStatusCode expected)
    {
        using var answer = await _bench.GetAsync(path, ("Authorization", Authorized));
        Assert.Equal(expected, answer.StatusCode);
        Assert.NotEmpty(await answer.Content.ReadAsStringAsync());
    }

    [Fact]
    public async Task Log_OfARecordThatNamesAFileElsewhere_IsNotShown()
    {
        var id = _bench.Release(RecordBench.Commit, ReleaseOutcome.Succeeded);
        _bench.History.SaveLog(id, "/etc/passwd");
        using var answer = await _bench.GetAsync($"/api/releases/{id}/log", ("Authorization", Authorized));
        Assert.Equal(HttpStatusCode.NotFound, answer.StatusCode);
    }

    [Fact]
    public async Task Actions_AskForExactlyWhatTheVerbsAskFor()
    {
        foreach (var (path, body) in new[]
        {
            ("/api/once", "{}"), ("/api/once", """{"forceRebuild":true}"""), ("/api/clear-cache", "{}"), ("/api/clear-cache", """{"targets":["backend"]}"""),
            ("/api/prune", """{"dryRun":true}"""), ("/api/rollback", "{}"), ("/api/rollback", """{"release":3}"""),
        })
        {
            using var answer = await ActAsync(path, body);
            Assert.Equal((path, HttpStatusCode.OK), (path, answer.StatusCode));
            Assert.Equal(path is "/api/once" or "/api/rollback" ? "Succeeded" : "Pruned", (string?)JsonNode.Parse(await answer.Content.ReadAsStringAsync())!["outcome"]);
        }
        const string By = "the HTTP API";
        Assert.Equal(
            [
                new("once", By), new("once", By, ForceRebuild: true), new("clear-cache", By), new("clear-cache", By), new("prune", By, DryRun: true), new("rollback", By), new("rollback", By, Release: 3),
            ],
            _bench.Requests.Select(r => r with { Targets = null }));
        Assert.Equal(["all"], _bench.Requests[2].Targets);
        Assert.Equal(["backend"], _bench.Requests[3].Targets);

        using var poll = await ActAsync("/api/poll", "{}");
        Assert.Equal((HttpStatusCode.Accepted, 1), (poll.StatusCode, _bench.Polls));
    }

    [Fact]
    public async Task Actions_OfAnybodyElse_AreRefused()
    {
        var session = await _bench.SignInAsync();
        foreach (var path in _bench.Server.Routes.Where(r => r.StartsWith("POST /api/", StringComparison.Ordinal)).Select(r => r[5..]))
        {
            async Task RefusedAsync(HttpStatusCode expected, HttpMethod method, HttpContent? content, params (string, string?)[] headers)
            {
                using var answer = await _bench.SendAsync(method, path, content, headers);
                Assert.Equal((path, expected), (path, answer.StatusCode));
            }
            await RefusedAsync(HttpStatusCode.Unauthorized, HttpMethod.Post, StatusBench.Json("{}"));
            await RefusedAsync(HttpStatusCode.Unauthorized, HttpMethod.Post, StatusBench.Json("{}"), ("Authorization", "Bearer wrong"));
            // The browser sends the cookie by itself, so it is not enough.
            await RefusedAsync(HttpStatusCode.Unauthorized, HttpMethod.Post, StatusBench.Json("{}"), ("Cookie", session));
            await RefusedAsync(HttpStatusCode.Forbidden, HttpMethod.Post, StatusBench.Json("{}"), ("Authorization", Authorized), ("Origin", "https://evil.example.org"));
            await RefusedAsync(HttpStatusCode.Forbidden, HttpMethod.Post, StatusBench.Json("{}"), ("Authorization", Authorized), ("Origin", "null"));
            await RefusedAsync(HttpStatusCode.Forbidden, HttpMethod.Post, StatusBench.Json("{}"), ("Authorization", Authorized), ("Sec-Fetch-Site", "cross-site"));
            await RefusedAsync(HttpStatusCode.MethodNotAllowed, HttpMethod.Get, null, ("Authorization", Authorized));
            await RefusedAsync(HttpStatusCode.MethodNotAllowed, HttpMethod.Put, StatusBench.Json("{}"), ("Authorization", Authorized));
            await RefusedAsync(HttpStatusCode.UnsupportedMediaType, HttpMethod.Post, new StringContent("{}"), ("Authorization", Authorized));
            await RefusedAsync(HttpStatusCode.UnsupportedMediaType, HttpMethod.Post, StatusBench.Form(("a", "b")), ("Authorization", Authorized));
            foreach (var body in new[] { "", "[]", "null", "{", """{"unknown":1}""", """{"release":1,"dryRun":true}""", """{"targets":"all"}""" })
            {
                await RefusedAsync(HttpStatusCode.BadRequest, HttpMethod.Post, StatusBench.Json(body), ("Authorization", Authorized));
            }
        }
        using var large = await ActAsync("/api/clear-cache", $$"""{"targets":["{{new string('x', 70_000)}}"]}""");
        Assert.Equal(HttpStatusCode.RequestEntityTooLarge, large.StatusCode);
        Assert.Empty(_bench.Requests);
        Assert.Equal(0, _bench.Polls);
    }

    [Theory]
    [InlineData(ExitCode.Failed, HttpStatusCode.InternalServerError)]
    [InlineData(ExitCode.BadUsage, HttpStatusCode.BadRequest)]
    [InlineData(ExitCode.Interrupted, HttpStatusCode.ServiceUnavailable)]
    public async Task Actions_ThatFail_SaySoInTheStatusAndInTheDocument(int exitCode, HttpStatusCode expected)
    {
        _bench.Work = (_, _) => Task.FromResult(new VerbResult(exitCode, null, "the reason"));
        using var answer = await ActAsync("/api/rollback", "{}");
        Assert.Equal(expected, answer.StatusCode);
        Assert.Equal("the reason", (string?)JsonNode.Parse(await answer.Content.ReadAsStringAsync())!["error"]);
    }

    [Fact]
    public async Task Actions_GoOnWithoutTheirCaller_AreBounded_AndEndWithTheService()
    {
        var begun = 0;
        var ended = 0;
        _bench.Work = async (_, token) =>
        {
            Interlocked.Increment(ref begun);
            await Task.Delay(Timeout.InfiniteTimeSpan, TimeProvider.System, token).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
            Interlocked.Increment(ref ended);
            return new VerbResult(ExitCode.Interrupted, null, "stopped");
        };
        for (var i = 0; i < 8; i++)
        {
            using var answer = await ActAsync("/api/prune?wait=false", "{}");
            Assert.Equal(HttpStatusCode.Accepted, answer.StatusCode);
        }
        using var tooMuch = await ActAsync("/api/prune?wait=false", "{}");
        Assert.Equal(HttpStatusCode.TooManyRequests, tooMuch.StatusCode);
        await _bench.Server.StopAsync(CancellationToken.None);
        Assert.Equal((8, 8), (begun, ended));
    }

    [Fact]
    public async Task Events_TellProgressAndLog_AndThatSomethingChanged()
    {
        using var request = new HttpRequestMessage(HttpMethod.Get, "/api/events");
        request.Headers.TryAddWithoutValidation("Authorization", Authorized);
        using var answer = await _bench.Http.SendAsync(request, HttpCompletionOption.ResponseHeadersRead);
        Assert.Equal("text/event-stream", answer.Content.Headers.ContentType?.ToString());
        using var reader = new StreamReader(await answer.Content.ReadAsStreamAsync(), Encoding.UTF8);
        async Task<JsonNode> NextAsync(string name)
        {
            using var limit = new CancellationTokenSource(TimeSpan.FromSeconds(20), TimeProvider.System);
            while (true)
            {
                if (await reader.ReadLineAsync(limit.Token) != $"event: {name}") { continue; }
                return JsonNode.Parse((await reader.ReadLineAsync(limit.Token))!["data: ".Length..])!;
            }
        }
        Assert.Null((await NextAsync("changed"))["release"]);

        var id = _bench.Begin(RecordBench.Commit, ReleaseState.Building);
        await _bench.LogAsync(id, "first\nsecond\nbegun");
        _bench.Progress.Report("[backend 2/4] RUN <make>");
        Assert.Equal("Building", (string?)(await NextAsync("changed"))["state"]);
        Assert.Equal("[backend 2/4] RUN <make>", (string?)await NextAsync("progress"));
        Assert.Equal("first\nsecond\n", (string?)(await NextAsync("log"))["text"]);
        await _bench.LogAsync(id, " and ended\n");
        Assert.Equal("begun and ended\n", (string?)(await NextAsync("log"))["text"]);
        _bench.History.Finish(id, ReleaseOutcome.Succeeded, null, RecordBench.Seconds);
        Assert.Equal("Succeeded", (string?)(await NextAsync("changed"))["outcome"]);
    }

    [Fact]
    public async Task OpenApiDocument_CoversEveryRoute()
    {
        var paths = JsonNode.Parse(await _bench.ReadAsync("/openapi.json"))!["paths"]!.AsObject();
        var described = paths.SelectMany(p => p.Value!.AsObject().Select(m => $"{m.Key.ToUpperInvariant()} {p.Key}")).Order(StringComparer.Ordinal);
        string[] pages = ["/act/", "/assets/", "/sign-", "/releases", "/cache", "/settings"];
        var served = _bench.Server.Routes.Where(r => r != "GET /" && !pages.Any(p => r.Contains($" {p}", StringComparison.Ordinal))).Order(StringComparer.Ordinal);
        Assert.Equal(served, described);
    }
}

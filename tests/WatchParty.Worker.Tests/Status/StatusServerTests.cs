using System.Net;
using System.Net.Sockets;
using WatchParty.Releases.Recording;
using WatchParty.Tools.Configuration;
using WatchParty.Worker.Status;
using WatchParty.Worker.Telemetry;
using WatchParty.Worker.Tests.Fakes;
using WatchParty.Worker.Tests.Recording;

namespace WatchParty.Worker.Tests.Status;

public sealed class StatusServerTests
{
    private static readonly string[] Pages = ["/", "/releases", "/releases/1", "/cache", "/settings", "/act/clear", "/act/rollback", "/sign-in"];

    [Fact]
    public async Task Server_SaysTheSameRulesWithEveryAnswer_AndNotItsName()
    {
        await using var bench = await StatusBench.StartAsync();
        foreach (var path in new[] { "/", "/sign-in", "/api/status", "/healthz", "/nowhere", "/assets/style.css" })
        {
            using var answer = await bench.GetAsync(path);
            var policy = Assert.Single(answer.Headers.GetValues("Content-Security-Policy"));
            Assert.StartsWith("default-src 'none'; script-src 'self'; style-src 'self';", policy, StringComparison.Ordinal);
            Assert.DoesNotContain("unsafe", policy, StringComparison.Ordinal);
            Assert.Contains("frame-ancestors 'none'", policy, StringComparison.Ordinal);
            Assert.Equal(["nosniff"], answer.Headers.GetValues("X-Content-Type-Options"));
            Assert.False(answer.Headers.Contains("Server"));
        }
    }

    [Theory]
    [InlineData("evil.example.org", HttpStatusCode.MisdirectedRequest)]
    [InlineData("localhost.evil.example.org", HttpStatusCode.MisdirectedRequest)]
    [InlineData("localhost", HttpStatusCode.OK)]
    [InlineData("127.0.0.1:99", HttpStatusCode.OK)]
    [InlineData("[::1]:8080", HttpStatusCode.OK)]
    [InlineData("Status.Example.org", HttpStatusCode.OK)]
    public async Task Server_AnswersOnlyUnderItsOwnNames(string host, HttpStatusCode expected)
    {
        await using var bench = await StatusBench.StartAsync(o => o.Status.Hosts = ["status.example.org"]);
        using var answer = await bench.GetAsync("/healthz", ("Host", host));
        Assert.Equal(expected, answer.StatusCode);
        if (expected == HttpStatusCode.MisdirectedRequest) { Assert.Contains("Status:Hosts", await answer.Content.ReadAsStringAsync(), StringComparison.Ordinal); }
    }

    [Fact]
    public async Task Server_WithAToken_ShowsNothingWithoutIt()
    {
        await using var bench = await StatusBench.StartAsync();
        bench.Release(RecordBench.Commit, ReleaseOutcome.Succeeded);
        foreach (var path in Pages.Where(p => p != "/sign-in"))
        {
            using var page = await bench.GetAsync(path);
            Assert.Equal((HttpStatusCode.Redirect, "/sign-in"), (page.StatusCode, page.Headers.Location?.ToString()));
            using var forged = await bench.GetAsync(path, ("Cookie", $"{StatusAccess.Cookie}=99999999999.AAAA"), ("Authorization", "Bearer " + StatusBench.Token[..^1]));
            Assert.Equal(HttpStatusCode.Redirect, forged.StatusCode);
        }
        foreach (var path in bench.Server.Routes.Where(r => r.StartsWith("GET /api/", StringComparison.Ordinal)).Select(r => r[4..].Replace("{release}", "1", StringComparison.Ordinal)))
        {
            using var answer = await bench.GetAsync(path);
            Assert.Equal((HttpStatusCode.Unauthorized, "Bearer"), (answer.StatusCode, answer.Headers.WwwAuthenticate.ToString()));
        }
    }

    [Fact]
    public async Task Server_WithoutAToken_ShowsAllAndLetsNobodyAct()
    {
        await using var bench = await StatusBench.StartAsync(o => o.Status.Token = null);
        bench.Release(RecordBench.Commit, ReleaseOutcome.Succeeded);
        foreach (var path in Pages.Where(p => !p.StartsWith("/act", StringComparison.Ordinal)))
        {
            using var answer = await bench.GetAsync(path);
            Assert.Equal(HttpStatusCode.OK, answer.StatusCode);
            Assert.DoesNotContain("/act/", await answer.Content.ReadAsStringAsync(), StringComparison.Ordinal);
        }
        using var api = await bench.SendAsync(HttpMethod.Post, "/api/prune", StatusBench.Json("{}"), ("Authorization", "Bearer "));
        using var form = await bench.SendAsync(HttpMethod.Post, "/act/prune", StatusBench.Form(("form", "")), ("Cookie", $"{StatusAccess.Cookie}=99999999999."));
        using var signIn = await bench.SendAsync(HttpMethod.Post, "/sign-in", StatusBench.Form(("token", "")));
        Assert.All([api, form, signIn], a => Assert.Equal(HttpStatusCode.Forbidden, a.StatusCode));
        Assert.Empty(bench.Requests);
    }

    [Fact]
    public async Task Session_EndsAfterItsTime_AndIsOnlyForThisSite()
    {
        var time = new ManualTimeProvider();
        await using var bench = await StatusBench.StartAsync(time: time);
        using var wrong = await bench.SendAsync(HttpMethod.Post, "/sign-in", StatusBench.Form(("token", "not-the-token-at-all-but-long")));
        using var foreign = await bench.SendAsync(HttpMethod.Post, "/sign-in", StatusBench.Form(("token", StatusBench.Token)), ("Origin", "http://evil.example.org"));
        Assert.All([wrong, foreign], a => Assert.Equal(HttpStatusCode.Forbidden, a.StatusCode));
        using var good = await bench.SendAsync(HttpMethod.Post, "/sign-in", StatusBench.Form(("token", StatusBench.Token)), ("Origin", bench.Server.Address!.GetLeftPart(UriPartial.Authority)));
        var cookie = Assert.Single(good.Headers.GetValues("Set-Cookie"));
        Assert.Contains("samesite=strict", cookie, StringComparison.OrdinalIgnoreCase);
        Assert.Contains("httponly", cookie, StringComparison.OrdinalIgnoreCase);
        Assert.DoesNotContain(StatusBench.Token, cookie, StringComparison.Ordinal);

        async Task<HttpStatusCode> LookAsync(string session)
        {
            using var answer = await bench.GetAsync("/settings", ("Cookie", session));
            return answer.StatusCode;
        }
        var session = cookie.Split(';')[0];
        Assert.Equal(HttpStatusCode.OK, await LookAsync(session));
        Assert.Equal(HttpStatusCode.Redirect, await LookAsync(session.Replace("=", "=1", StringComparison.Ordinal)));
        time.Advance(TimeSpan.FromHours(13));
        Assert.Equal(HttpStatusCode.Redirect, await LookAsync(session));
    }

    [Theory]
    [InlineData("https://127.0.0.1:{0}", null, true)]
    [InlineData(null, "https", true)]
    [InlineData(null, "HTTPS, http", true)]
    [InlineData("http://127.0.0.1:{0}", null, false)]
    [InlineData(null, "http", false)]
    [InlineData(null, "http, https", false)]
    [InlineData(null, null, false)]
    public async Task Session_OpenedByHttps_NeverTravelsInTheClear(string? origin, string? forwarded, bool secure)
    {
        await using var bench = await StatusBench.StartAsync();
        (string, string?)[] headers = [("Cookie", await bench.SignInAsync()), ("Origin", origin?.Replace("{0}", $"{bench.Server.Address!.Port}", StringComparison.Ordinal)), ("X-Forwarded-Proto", forwarded)];
        foreach (var path in new[] { "/sign-in", "/sign-out" })
        {
            using var answer = await bench.SendAsync(HttpMethod.Post, path, StatusBench.Form(("token", StatusBench.Token)), headers);
            Assert.Equal(HttpStatusCode.SeeOther, answer.StatusCode);
            Assert.Equal(secure, Assert.Single(answer.Headers.GetValues("Set-Cookie")).Contains("; secure", StringComparison.OrdinalIgnoreCase));
        }
        // It opens no door: what a page of another site sends is refused whatever it says of itself.
        using var foreign = await bench.SendAsync(HttpMethod.Post, "/sign-in", StatusBench.Form(("token", StatusBench.Token)), ("Origin", "https://evil.example.org"), ("X-Forwarded-Proto", "https"));
        Assert.Equal(HttpStatusCode.Forbidden, foreign.StatusCode);
    }

    [Fact]
    public async Task Head_IsAnsweredAsGetWithoutABody_AndChangesNothing()
    {
        await using var bench = await StatusBench.StartAsync();
        bench.Release(RecordBench.Commit, ReleaseOutcome.Succeeded);
        var session = await bench.SignInAsync();
        (string, string?)[] who = [("Cookie", session), ("Authorization", $"Bearer {StatusBench.Token}")];
        foreach (var route in bench.Server.Routes.Where(r => r != $"GET {LiveEvents.Path}"))
        {
            var (method, path) = (route.Split(' ')[0], route.Split(' ')[1].Replace("{release}", "1", StringComparison.Ordinal).Replace("{action}", "clear", StringComparison.Ordinal));
            if (method != "GET" && bench.Server.Routes.Contains($"GET {route.Split(' ')[1]}")) { continue; }
            using var head = await bench.SendAsync(HttpMethod.Head, path, null, who);
            using var get = await bench.GetAsync(path, who);
            Assert.Equal((path, get.StatusCode, get.Content.Headers.ContentType), (path, head.StatusCode, head.Content.Headers.ContentType));
            Assert.Equal(method == "GET", head.StatusCode is not HttpStatusCode.MethodNotAllowed);
            Assert.Empty(await head.Content.ReadAsByteArrayAsync());
        }
        using var events = await bench.SendAsync(HttpMethod.Head, LiveEvents.Path, null, who);
        Assert.Equal(HttpStatusCode.MethodNotAllowed, events.StatusCode);
        using var stranger = await bench.SendAsync(HttpMethod.Head, "/api/status");
        Assert.Equal(HttpStatusCode.Unauthorized, stranger.StatusCode);
        Assert.Empty(bench.Requests);
        Assert.Equal(0, bench.Polls);
    }

    [Fact]
    public async Task Monitors_HearWhetherItLivesAndWhetherItIsReady()
    {
        using var engine = new FakeEngine(r => r.EndsWith("/version", StringComparison.Ordinal) ? FakeEngine.Version()
            : FakeEngine.Json("""{ "Driver": "overlay2", "DockerRootDir": "/var/lib/docker", "SystemTime": "2026-03-01T12:00:00Z" }"""));
        await using var bench = await StatusBench.StartAsync(engine: engine.Connect());
        async Task<(HttpStatusCode, string)> AskAsync(StatusBench at, string path)
        {
            using var answer = await at.GetAsync(path);
            return (answer.StatusCode, (await answer.Content.ReadAsStringAsync()).Trim());
        }
        Assert.Equal((HttpStatusCode.OK, "live"), await AskAsync(bench, "/healthz"));
        Assert.Equal((HttpStatusCode.OK, "ready"), await AskAsync(bench, "/readyz"));
        Assert.Equal(HttpStatusCode.Unauthorized, (await AskAsync(bench, "/metrics")).Item1);
        using var metrics = await bench.GetAsync("/metrics", ("Authorization", $"Bearer {StatusBench.Token}"));
        Assert.Equal((PrometheusText.ContentType, "watchparty_info 1\n"), (metrics.Content.Headers.ContentType!.ToString(), await metrics.Content.ReadAsStringAsync()));

        var finish = new TaskCompletionSource<int>();
        var recovery = bench.Gate.RunAsync("recovery", _ => finish.Task, CancellationToken.None);
        Assert.Equal((HttpStatusCode.ServiceUnavailable, "the deployed release is being brought up again"), await AskAsync(bench, "/readyz"));
        finish.SetResult(1);
        await recovery;

        bench.Heartbeat.Expect("poller", TimeSpan.Zero);
        Assert.Equal((HttpStatusCode.ServiceUnavailable, "no sign of life from: poller"), await AskAsync(bench, "/healthz"));
        await using var without = await StatusBench.StartAsync();
        var (status, words) = await AskAsync(without, "/readyz");
        Assert.Equal(HttpStatusCode.ServiceUnavailable, status);
        Assert.Contains("the engine does not answer", words, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Start_OnATakenPort_GoesOnWithoutAPage()
    {
        using var taken = new TcpListener(IPAddress.Loopback, 0);
        taken.Start();
        await using var bench = await StatusBench.StartAsync(o => o.Status.Address = $"http://{taken.LocalEndpoint}");
        Assert.Null(bench.Server.Address);
    }

    [Fact]
    public void Secrets_ComeFromFiles_AndAFileThatCannotBeUsedNamesKeyAndFix()
    {
        var folder = Directory.CreateTempSubdirectory("secrets-").FullName;
        try
        {
            string Write(string text)
            {
                var file = Path.Combine(folder, "secret");
                File.WriteAllText(file, text);
                return file;
            }
            Assert.Equal(StatusBench.Token, StatusSecrets.Read(new StatusOptions { TokenFile = Write(StatusBench.Token + "\n") }).Token);
            foreach (var (file, problem) in new[] { (Path.Combine(folder, "none"), "there is no such file"), (Write("short\n"), "too short"), (folder, "there is no such file") })
            {
                if (problem == "too short") { Write("short\n"); }
                var fault = Assert.Single(Assert.Throws<ConfigurationFaultsException>(() => StatusSecrets.Read(new StatusOptions { TokenFile = file })).Faults);
                Assert.Equal("Status:TokenFile", fault.Key);
                Assert.Contains(problem, fault.Problem, StringComparison.Ordinal);
                Assert.Contains("openssl rand", fault.Fix, StringComparison.Ordinal);
            }
        }
        finally
        {
            Directory.Delete(folder, recursive: true);
        }
    }
}

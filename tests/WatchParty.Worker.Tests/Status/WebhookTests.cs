using System.Net;
using System.Net.Sockets;
using System.Security.Cryptography;
using System.Text;
using WatchParty.Worker.Status;
using WatchParty.Worker.Tests.Fakes;

namespace WatchParty.Worker.Tests.Status;

public sealed class WebhookTests
{
    private static readonly ManualTimeProvider Time = new();

    private static string Sign(string body, string secret = StatusBench.Secret) => Convert.ToHexStringLower(HMACSHA256.HashData(Encoding.UTF8.GetBytes(secret), Encoding.UTF8.GetBytes(body)));

    private static async Task<HttpStatusCode> SendAsync(StatusBench bench, string body, params (string, string?)[] headers)
    {
        using var answer = await bench.SendAsync(HttpMethod.Post, Webhook.Path, StatusBench.Json(body), headers);
        return answer.StatusCode;
    }

    private static async Task<int> PollsAsync(StatusBench bench)
    {
        Time.Advance(Webhook.Gathering);
        // The look follows on another thread.
        for (var i = 0; i < 20 && bench.Polls == 0; i++) { await Task.Delay(TimeSpan.FromMilliseconds(10), TimeProvider.System); }
        return bench.Polls;
    }

    [Theory]
    [InlineData("X-Hub-Signature-256", "sha256=")]
    [InlineData("X-Gitea-Signature", "")]
    [InlineData("X-Forgejo-Signature", "")]
    public async Task Webhook_SignedWithTheSecret_PollsNow(string header, string prefix)
    {
        await using var bench = await StatusBench.StartAsync(time: Time);
        Assert.Equal(HttpStatusCode.Accepted, await SendAsync(bench, """{"ref":"refs/heads/main"}""", (header, prefix + Sign("""{"ref":"refs/heads/main"}"""))));
        Assert.Equal(1, await PollsAsync(bench));
    }

    [Fact]
    public async Task Webhook_OfGitLab_ShowsTheSecretItself()
    {
        await using var bench = await StatusBench.StartAsync(time: Time);
        Assert.Equal(HttpStatusCode.Accepted, await SendAsync(bench, "{}", ("X-Gitlab-Token", StatusBench.Secret), ("X-Gitlab-Event-UUID", "1")));
        Assert.Equal(HttpStatusCode.Conflict, await SendAsync(bench, "{}", ("X-Gitlab-Token", StatusBench.Secret), ("X-Gitlab-Event-UUID", "1")));
        Assert.Equal(HttpStatusCode.Accepted, await SendAsync(bench, "{}", ("X-Gitlab-Token", StatusBench.Secret), ("X-Gitlab-Event-UUID", "2")));
        Assert.Equal(HttpStatusCode.Unauthorized, await SendAsync(bench, "{}", ("X-Gitlab-Token", StatusBench.Secret + "x")));
        Assert.Equal(1, await PollsAsync(bench));
    }

    [Fact]
    public async Task Webhook_ThatIsForgedReplayedOversizedOrEncoded_IsRefused()
    {
        await using var bench = await StatusBench.StartAsync(time: Time);
        const string Body = """{"ref":"refs/heads/main"}""";
        var genuine = "sha256=" + Sign(Body);
        Assert.Equal(HttpStatusCode.Unauthorized, await SendAsync(bench, Body));
        Assert.Equal(HttpStatusCode.Unauthorized, await SendAsync(bench, Body, ("X-Hub-Signature-256", "")));
        Assert.Equal(HttpStatusCode.Unauthorized, await SendAsync(bench, Body, ("X-Hub-Signature-256", "sha256=")));
        Assert.Equal(HttpStatusCode.Unauthorized, await SendAsync(bench, Body, ("X-Hub-Signature-256", "sha256=" + Sign(Body, ""))));
        Assert.Equal(HttpStatusCode.Unauthorized, await SendAsync(bench, Body, ("X-Hub-Signature-256", "sha256=" + Sign(Body, StatusBench.Token))));
        Assert.Equal(HttpStatusCode.Unauthorized, await SendAsync(bench, Body, ("X-Hub-Signature-256", genuine[..^1])));
        Assert.Equal(HttpStatusCode.Unauthorized, await SendAsync(bench, Body, ("X-Hub-Signature-256", "sha256=" + new string('z', 64))));
        Assert.Equal(HttpStatusCode.Unauthorized, await SendAsync(bench, Body, ("X-Hub-Signature", "sha1=0000000000000000000000000000000000000000")));
        Assert.Equal(HttpStatusCode.Unauthorized, await SendAsync(bench, Body + " ", ("X-Hub-Signature-256", genuine)));
        // A forged one of one kind is not saved by a good one of another.
        Assert.Equal(HttpStatusCode.Unauthorized, await SendAsync(bench, Body, ("X-Hub-Signature-256", "sha256=00"), ("X-Gitea-Signature", Sign(Body))));
        Assert.Equal(HttpStatusCode.Unauthorized, await SendAsync(bench, Body, ("X-Gitlab-Token", "")));
        Assert.Equal(HttpStatusCode.Unauthorized, await SendAsync(bench, Body, ("Authorization", $"Bearer {StatusBench.Token}")));
        var large = new string(' ', 1024 * 1024 + 1);
        Assert.Equal(HttpStatusCode.RequestEntityTooLarge, await SendAsync(bench, large, ("X-Hub-Signature-256", "sha256=" + Sign(large))));
        using var encoded = StatusBench.Json(Body);
        encoded.Headers.ContentEncoding.Add("gzip");
        using var refused = await bench.SendAsync(HttpMethod.Post, Webhook.Path, encoded, ("X-Hub-Signature-256", genuine));
        Assert.Equal(HttpStatusCode.UnsupportedMediaType, refused.StatusCode);
        using var byGet = await bench.GetAsync(Webhook.Path, ("X-Hub-Signature-256", genuine));
        Assert.Equal(HttpStatusCode.MethodNotAllowed, byGet.StatusCode);
        Assert.Equal(0, await PollsAsync(bench));

        Assert.Equal(HttpStatusCode.Accepted, await SendAsync(bench, Body, ("X-Hub-Signature-256", genuine), ("X-GitHub-Delivery", "1")));
        Assert.Equal(HttpStatusCode.Conflict, await SendAsync(bench, Body, ("X-Hub-Signature-256", genuine), ("X-GitHub-Delivery", "1")));
        // The number of a delivery is not signed: another one makes no new delivery.
        Assert.Equal(HttpStatusCode.Conflict, await SendAsync(bench, Body, ("X-Hub-Signature-256", genuine), ("X-GitHub-Delivery", "2")));
        Assert.Equal(1, await PollsAsync(bench));
    }

    [Fact]
    public async Task Webhook_ThatIsCutOff_DoesNothing()
    {
        await using var bench = await StatusBench.StartAsync(time: Time);
        const string Body = """{"ref":"refs/heads/main"}""";
        using var socket = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
        await socket.ConnectAsync(IPAddress.Loopback, bench.Server.Address!.Port);
        await socket.SendAsync(Encoding.ASCII.GetBytes($"POST /webhook HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: {Body.Length + 5}\r\nX-Hub-Signature-256: sha256={Sign(Body)}\r\n\r\n{Body}"));
        socket.Shutdown(SocketShutdown.Send);
        try
        {
            var buffer = new byte[1024];
            var length = await socket.ReceiveAsync(buffer);
            Assert.DoesNotContain("202", Encoding.ASCII.GetString(buffer, 0, length), StringComparison.Ordinal);
        }
        catch (SocketException)
        {
            // The server hung up, which is an answer as well.
        }
        Assert.Equal(0, await PollsAsync(bench));
    }

    [Fact]
    public async Task Webhooks_AThousandInASecond_AreOnePoll()
    {
        await using var bench = await StatusBench.StartAsync(time: Time);
        await Parallel.ForEachAsync(Enumerable.Range(0, 1000), new ParallelOptions { MaxDegreeOfParallelism = 8 }, async (i, _) =>
        {
            var body = $$"""{"after":"{{i}}"}""";
            Assert.Equal(HttpStatusCode.Accepted, await SendAsync(bench, body, ("X-Hub-Signature-256", "sha256=" + Sign(body))));
        });
        Assert.Equal(1, await PollsAsync(bench));
        Time.Advance(TimeSpan.FromMinutes(1));
        Assert.Equal(1, bench.Polls);
    }

    [Fact]
    public async Task Webhook_WithoutASecret_IsNotThere()
    {
        await using var bench = await StatusBench.StartAsync(o => o.Status.WebhookSecret = null);
        Assert.Equal(HttpStatusCode.NotFound, await SendAsync(bench, "{}", ("X-Hub-Signature-256", "sha256=" + Sign("{}", ""))));
        Assert.Equal(HttpStatusCode.NotFound, await SendAsync(bench, "{}", ("X-Gitlab-Token", "")));
    }
}

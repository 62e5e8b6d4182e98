using System.Security.Cryptography;
using System.Text;
using System.Text.Json.Nodes;
using WatchParty.Tools.Configuration;
using WatchParty.Worker.Notifying;
using WatchParty.Worker.Tests.Fakes;

namespace WatchParty.Worker.Tests.Notifying;

/// <summary>What each receiver gets, over HTTP.</summary>
public sealed class ChannelTests : IDisposable
{
    private static readonly Notification Message = new(
        [NotificationKind.Rollback, NotificationKind.Quarantine], "watch-party", "server", "Release 12 was taken back", "It was not healthy: commit 2222222 serves again.",
        "See `watchparty-worker show 12`.", "12", "1111111111111111111111111111111111111111", ["backend", "web"],
        "backend: <b>&unhealthy</b> @everyone ```", "https://deploy.example.org/releases/12", new DateTimeOffset(2026, 3, 1, 12, 0, 0, TimeSpan.Zero));

    private readonly HttpReceiver _receiver = new();
    private readonly Courier _courier = new(TimeProvider.System);
    private readonly string _folder = Directory.CreateTempSubdirectory("channels-").FullName;

    public void Dispose()
    {
        _courier.Dispose();
        _receiver.Dispose();
        Directory.Delete(_folder, recursive: true);
    }

    private async Task<Received> SendAsync(NotificationOptions channel, Notification? message = null)
    {
        await Notifier.SendAsync(message ?? Message, channel, _courier, CancellationToken.None);
        return await _receiver.NextAsync();
    }

    [Fact]
    public async Task Webhook_GetsTheWholeMessageAsJson()
    {
        var got = await SendAsync(new NotificationOptions { Kind = NotificationChannel.Webhook, Url = $"{_receiver.Address}/hook?x=1" });

        Assert.Equal(("POST", "/hook?x=1", "application/json"), (got.Method, got.Path, got.Headers["Content-Type"]));
        Assert.False(got.Headers.ContainsKey(ChatMessages.SignatureHeader));
        Assert.Equal(Message.Id, got.Headers[ChatMessages.DeliveryHeader]);
        Assert.Equal(JsonNode.Parse(
            $$"""
            {"id":"{{Message.Id}}","event":"Rollback","events":["Rollback","Quarantine"],"application":"watch-party","host":"server","title":"Release 12 was taken back",
            "meaning":"It was not healthy: commit 2222222 serves again.","whatToDo":"See `watchparty-worker show 12`.","release":"12","commit":"1111111111111111111111111111111111111111",
            "services":["backend","web"],"reason":"backend: <b>&unhealthy</b> @everyone ```","link":"https://deploy.example.org/releases/12","at":"2026-03-01T12:00:00.0000000+00:00"}
            """)!.ToJsonString(), JsonNode.Parse(got.Body)!.ToJsonString());
    }

    [Fact]
    public async Task Webhook_WithASecretInAFile_IsSignedOverItsBody_AndANewSecretCountsAtOnce()
    {
        var file = Path.Combine(_folder, "secret");
        var channel = new NotificationOptions { Kind = NotificationChannel.Webhook, Url = _receiver.Address, SecretFile = file };
        foreach (var secret in new[] { "first", "second" })
        {
            await File.WriteAllTextAsync(file, secret + "\n");
            var got = await SendAsync(channel);
            Assert.Equal($"sha256={Convert.ToHexStringLower(HMACSHA256.HashData(Encoding.UTF8.GetBytes(secret), got.Body))}", got.Headers[ChatMessages.SignatureHeader]);
        }
    }

    [Fact]
    public async Task Slack_GetsATextAndBlocks_InWhichNothingOfTheReasonHasAMeaning()
    {
        var file = Path.Combine(_folder, "url");
        await File.WriteAllTextAsync(file, $"{_receiver.Address}/services/T/B/X\n");
        var got = await SendAsync(new NotificationOptions { Kind = NotificationChannel.Slack, UrlFile = file });

        Assert.Equal("/services/T/B/X", got.Path);
        Assert.Equal("[watch-party] Release 12 was taken back. It was not healthy: commit 2222222 serves again.", got.Json.GetProperty("text").GetString());
        var blocks = got.Json.GetProperty("blocks").EnumerateArray().ToList();
        Assert.Equal(["section", "section", "section", "context"], blocks.Select(b => b.GetProperty("type").GetString()));
        Assert.Equal("```backend: &lt;b&gt;&amp;unhealthy&lt;/b&gt; @everyone '''```", blocks[1].GetProperty("text").GetProperty("text").GetString());
        Assert.Equal("commit 1111111 · backend, web · server · <https://deploy.example.org/releases/12|open>", blocks[3].GetProperty("elements")[0].GetProperty("text").GetString());
    }

    [Fact]
    public async Task Discord_GetsOneEmbedWithinItsLimits_ThatMentionsNobody()
    {
        var got = await SendAsync(new NotificationOptions { Kind = NotificationChannel.Discord, Url = _receiver.Address },
            Message with { Title = new string('t', 400), Reason = new string('r', 2000), WhatToDo = new string('d', 2000) });

        Assert.Empty(got.Json.GetProperty("allowed_mentions").GetProperty("parse").EnumerateArray());
        var embed = Assert.Single(got.Json.GetProperty("embeds").EnumerateArray().ToList());
        Assert.Equal(256, embed.GetProperty("title").GetString()!.Length);
        Assert.Equal(("https://deploy.example.org/releases/12", 0xBC4C00), (embed.GetProperty("url").GetString(), embed.GetProperty("color").GetInt32()));
        Assert.Equal(["Reason", "What to do"], embed.GetProperty("fields").EnumerateArray().Select(f => f.GetProperty("name").GetString()));
        Assert.All(embed.GetProperty("fields").EnumerateArray(), f => Assert.InRange(f.GetProperty("value").GetString()!.Length, 1, 1024));
    }

    [Fact]
    public async Task Ntfy_GetsJsonAtTheRootOfTheServer_WithTopicTokenAndPriority()
    {
        var got = await SendAsync(new NotificationOptions { Kind = NotificationChannel.Ntfy, Url = $"{_receiver.Address}/deployments", Secret = "tk_1" });

        Assert.Equal(("/", "Bearer tk_1"), (got.Path, got.Headers["Authorization"]));
        Assert.Equal(("deployments", "[watch-party] Release 12 was taken back", 4), (got.Json.GetProperty("topic").GetString(), got.Json.GetProperty("title").GetString(), got.Json.GetProperty("priority").GetInt32()));
        Assert.Equal(
            "It was not healthy: commit 2222222 serves again.\n\nbackend: <b>&unhealthy</b> @everyone ```\n\nWhat to do: See `watchparty-worker show 12`.\n\nhttps://deploy.example.org/releases/12\n\ncommit 1111111 · backend, web · server",
            got.Json.GetProperty("message").GetString());
    }

    [Fact]
    public async Task Answer_ThatIsARefusal_SaysWhyWithoutTheAddress()
    {
        using var refusing = new HttpReceiver((context, _) =>
        {
            context.Response.StatusCode = 404;
            context.Response.OutputStream.Write("no_service\n"u8);
        });

        var error = await Assert.ThrowsAsync<NotDeliveredException>(() => Notifier.SendAsync(Message, new NotificationOptions { Kind = NotificationChannel.Slack, Url = $"{refusing.Address}/secret" }, _courier, CancellationToken.None));

        Assert.Equal(("the answer was 404 Not Found: no_service", false), (error.Message, error.Temporary));
    }

    [Fact]
    public async Task Redirect_IsNotFollowed()
    {
        using var moved = new HttpReceiver((context, _) => context.Response.Redirect(_receiver.Address));

        await Assert.ThrowsAsync<NotDeliveredException>(() => Notifier.SendAsync(Message, new NotificationOptions { Kind = NotificationChannel.Ntfy, Url = $"{moved.Address}/t", Secret = "token" }, _courier, CancellationToken.None));

        Assert.Empty(_receiver.All);
    }

    [Theory]
    [InlineData("file:///etc/passwd")]
    [InlineData("https://ntfy.sh/")]
    [InlineData("")]
    public async Task AddressFile_ThatHoldsNoAddressOfATopic_IsNotSentTo(string content)
    {
        var file = Path.Combine(_folder, "url");
        await File.WriteAllTextAsync(file, content);

        var error = await Assert.ThrowsAsync<NotDeliveredException>(() => Notifier.SendAsync(Message, new NotificationOptions { Kind = NotificationChannel.Ntfy, UrlFile = file }, _courier, CancellationToken.None));
        Assert.False(error.Temporary);
    }
}

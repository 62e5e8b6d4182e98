using System.Security.Cryptography;
using System.Text.Json.Nodes;
using WatchParty.Tools.Configuration;

namespace WatchParty.Worker.Notifying;

/// <summary>Notifications as each receiver wants them: pure, one method for each.</summary>
internal static class ChatMessages
{
    public const string SignatureHeader = "X-Watchparty-Signature";
    public const string DeliveryHeader = "X-Watchparty-Delivery";

    private static readonly Dictionary<NotificationKind, (string Emoji, int Colour, int Priority, string Tag)> Looks = new()
    {
        [NotificationKind.Failure] = ("🔴", 0xD1242F, 4, "red_circle"),
        [NotificationKind.Rollback] = ("🟠", 0xBC4C00, 4, "leftwards_arrow_with_hook"),
        [NotificationKind.Quarantine] = ("🟠", 0xBC4C00, 4, "no_entry"),
        [NotificationKind.PollTrouble] = ("🟡", 0xD4A72C, 3, "warning"),
        [NotificationKind.Recovery] = ("🟢", 0x1A7F37, 3, "green_circle"),
        [NotificationKind.Success] = ("🟢", 0x1A7F37, 2, "white_check_mark"),
        [NotificationKind.Test] = ("🔵", 0x0969DA, 3, "wave"),
    };

    /// <summary>The document of our own webhook, signed when there is a secret.</summary>
    public static HttpRequestMessage Webhook(Notification n, string url, string? secret)
    {
        var body = Courier.Body(new JsonObject
        {
            ["id"] = n.Id,
            ["event"] = n.Kind.ToString(),
            ["events"] = new JsonArray([.. n.Kinds.Select(k => (JsonNode)k.ToString())]),
            ["application"] = n.Application,
            ["host"] = n.Host,
            ["title"] = n.Title,
            ["meaning"] = n.Meaning,
            ["whatToDo"] = n.WhatToDo,
            ["release"] = n.Release,
            ["commit"] = n.Commit,
            ["services"] = new JsonArray([.. n.Services.Select(s => (JsonNode)s)]),
            ["reason"] = n.Reason,
            ["link"] = n.Link,
            ["at"] = n.At.ToString("O"),
        });
        var request = Courier.Post(url, body);
        request.Headers.Add(DeliveryHeader, n.Id);
        if (secret is not null)
        {
            request.Headers.Add(
                SignatureHeader, $"sha256={Convert.ToHexStringLower(HMACSHA256.HashData(System.Text.Encoding.UTF8.GetBytes(secret), body))}");
        }
        return request;
    }

    /// <summary>An incoming webhook's message. <c>text</c> is what a telephone shows, the blocks are what the channel shows.</summary>
    public static HttpRequestMessage Slack(Notification n, string url)
    {
        static JsonObject Section(string text) =>
            new() { ["type"] = "section", ["text"] = new JsonObject { ["type"] = "mrkdwn", ["text"] = text } };
        var blocks = new JsonArray(Section($"{Looks[n.Kind].Emoji} *{SlackText(n.Subject)}*\n{SlackText(n.Meaning)}"));
        if (n.Reason is { } reason) { blocks.Add(Section($"```{SlackText(Fenced(reason))}```")); }
        if (n.WhatToDo is { } todo) { blocks.Add(Section($"*What to do:* {SlackText(todo)}")); }
        var link = n.Link is null ? "" : $" · <{SlackText(n.Link)}|open>";
        blocks.Add(new JsonObject
        {
            ["type"] = "context",
            ["elements"] = new JsonArray(
            new JsonObject { ["type"] = "mrkdwn", ["text"] = SlackText(n.Facts) + link })
        });
        return Courier.Post(url, Courier.Body(new JsonObject { ["text"] = SlackText($"{n.Subject}. {n.Meaning}"), ["blocks"] = blocks }));
    }

    /// <summary>A Discord webhook's message. It can mention nobody, whatever a commit or a log says.</summary>
    public static HttpRequestMessage Discord(Notification n, string url)
    {
        var embed = new JsonObject
        {
            ["title"] = Cut($"{Looks[n.Kind].Emoji} {n.Subject}", 256),
            ["description"] = n.Meaning,
            ["color"] = Looks[n.Kind].Colour,
            ["timestamp"] = n.At.ToString("O"),
            ["footer"] = new JsonObject { ["text"] = Cut(n.Facts, 2048) },
        };
        if (n.Link is { } link) { embed["url"] = link; }
        var fields = new JsonArray();
        if (n.Reason is { } reason)
        {
            fields.Add(new JsonObject { ["name"] = "Reason", ["value"] = $"```\n{Cut(Fenced(reason), 1000)}\n```" });
        }
        if (n.WhatToDo is { } todo) { fields.Add(new JsonObject { ["name"] = "What to do", ["value"] = Cut(todo, 1024) }); }
        if (fields.Count > 0) { embed["fields"] = fields; }
        return Courier.Post(url,
            Courier.Body(
                new JsonObject
                {
                    ["embeds"] = new JsonArray(
                    embed),
                    ["allowed_mentions"] = new JsonObject { ["parse"] = new JsonArray() }
                }));
    }

    /// <summary>A message published as JSON, which goes to the root of the server and names the topic inside.</summary>
    public static HttpRequestMessage Ntfy(Notification n, string url, string? token)
    {
        var topic = url.TrimEnd('/').LastIndexOf('/');
        var document = new JsonObject
        {
            ["topic"] = url.TrimEnd('/')[(topic + 1)..],
            ["title"] = n.Subject,
            ["message"] = n.Text,
            ["priority"] = Looks[n.Kind].Priority,
            ["tags"] = new JsonArray(Looks[n.Kind].Tag),
        };
        if (n.Link is { } link) { document["click"] = link; }
        var request = Courier.Post(url[..topic], Courier.Body(document));
        if (token is not null) { request.Headers.Authorization = new("Bearer", token); }
        return request;
    }

    /// <returns>Null for mail, which no HTTP request carries.</returns>
    public static HttpRequestMessage? Of(Notification notification, NotificationOptions channel)
    {
        if (channel.Kind == NotificationChannel.Email) { return null; }
        // Of a file only now it is known what it holds.
        if (SecretFile.Read(channel.Url, channel.UrlFile) is not { } url || !WorkerOptionsRules.IsHttp(url))
        {
            throw new NotDeliveredException("what UrlFile holds is not an HTTP address", temporary: false);
        }
        if (channel.Kind == NotificationChannel.Ntfy && new Uri(url).AbsolutePath.Trim('/').Length == 0)
        {
            throw new NotDeliveredException("the address names no topic", temporary: false);
        }
        var secret = SecretFile.Read(channel.Secret, channel.SecretFile);
        return channel.Kind switch
        {
            NotificationChannel.Webhook => Webhook(notification, url, secret),
            NotificationChannel.Slack => Slack(notification, url),
            NotificationChannel.Discord => Discord(notification, url),
            NotificationChannel.Ntfy => Ntfy(notification, url, secret),
            _ => throw new InvalidOperationException($"There is no message for the channel {channel.Kind}."),
        };
    }

    // The three characters that Slack gives a meaning to.
    private static string SlackText(string text) =>
        text.Replace("&", "&amp;", StringComparison.Ordinal).Replace("<", "&lt;", StringComparison.Ordinal)
        .Replace(">", "&gt;", StringComparison.Ordinal);

    // What stands between fences must not end them.
    private static string Fenced(string text) => text.Replace("```", "'''", StringComparison.Ordinal);

    private static string Cut(string text, int limit) => text.Length <= limit ? text : $"{text[..(limit - 1)]}…";
}

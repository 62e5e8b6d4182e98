using System.Security.Cryptography;
using System.Text;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Http.Features;
using Microsoft.AspNetCore.Routing;
using Microsoft.Extensions.Logging;

namespace WatchParty.Worker.Status;

/// <summary>Hears from GitHub, GitLab, Gitea or Forgejo that something was pushed. All it does is to look at the remote now, so the body is
/// proven to come from who knows the secret, and then not even read.</summary>
internal sealed class Webhook(string secret, Action pollNow, TimeProvider time, ILogger<Webhook> logger)
{
    /// <summary>From the first of several deliveries to the look that counts for all of them. A push of ten branches is ten.</summary>
    public static readonly TimeSpan Gathering = TimeSpan.FromSeconds(1);

    public const string Path = "/webhook";
    private const int LargestBody = 1024 * 1024;
    /// <summary>Of the deliveries that were heard last; more are never on their way at once.</summary>
    private const int DeliveriesKept = 10_000;

    private readonly byte[] _key = Encoding.UTF8.GetBytes(secret);
    private readonly HashSet<string> _heard = new(StringComparer.Ordinal);
    private readonly Queue<string> _order = new();
    private int _gathering;

    public void Map(IEndpointRouteBuilder routes) => routes.MapPost(Path, HearAsync);

    private async Task HearAsync(HttpContext context)
    {
        var request = context.Request;
        if (request.Headers.ContentEncoding.Count > 0)
        {
            Refuse(context, StatusCodes.Status415UnsupportedMediaType, "its body is encoded");
            return;
        }
        if (context.Features.Get<IHttpMaxRequestBodySizeFeature>() is { IsReadOnly: false } limit)
        {
            limit.MaxRequestBodySize = LargestBody;
        }
        byte[] body;
        try
        {
            using var buffer = new MemoryStream();
            await request.Body.CopyToAsync(buffer, context.RequestAborted);
            body = buffer.ToArray();
        }
        catch (BadHttpRequestException e)
        {
            Refuse(context, e.StatusCode, "its body is too large, too slow or cut off");
            return;
        }
        if (!IsGenuine(request, body))
        {
            Refuse(context, StatusCodes.Status401Unauthorized, "it is not signed with Status:WebhookSecret");
            return;
        }
        if (!IsNew(body, request))
        {
            Refuse(context, StatusCodes.Status409Conflict, "it was heard before");
            return;
        }
        context.Response.StatusCode = StatusCodes.Status202Accepted;
        if (Interlocked.Exchange(ref _gathering, 1) == 0) { _ = PollSoonAsync(); }
    }

    private async Task PollSoonAsync()
    {
        await Task.Delay(Gathering, time);
        Volatile.Write(ref _gathering, 0);
        pollNow();
    }

    private bool IsGenuine(HttpRequest request, byte[] body)
    {
        if (One("X-Hub-Signature-256") is { } github)
        {
            return github.StartsWith("sha256=", StringComparison.Ordinal) && IsSignature(github["sha256=".Length..], body);
        }
        if ((One("X-Gitea-Signature") ?? One("X-Forgejo-Signature")) is { } gitea) { return IsSignature(gitea, body); }
        return One("X-Gitlab-Token") is { } gitlab && StatusSecrets.AreEqual(gitlab, secret);

        string? One(string name) => request.Headers[name] is [{ Length: > 0 } value] ? value : null;
    }

    private bool IsSignature(string hexadecimal, byte[] body) =>
        hexadecimal.Length == 64 && hexadecimal.All(char.IsAsciiHexDigit)
        && CryptographicOperations.FixedTimeEquals(Convert.FromHexString(hexadecimal), HMACSHA256.HashData(_key, body));

    /// <summary>Whether this delivery was not heard before. What is signed counts, not the header with its number, which anybody could
    /// change.</summary>
    private bool IsNew(byte[] body, HttpRequest request)
    {
        var delivery = request.Headers.ContainsKey("X-Gitlab-Token")
            ? request.Headers["X-Gitlab-Event-UUID"].ToString()
            : Convert.ToHexString(SHA256.HashData(body));
        if (delivery.Length is 0 or > 100) { return true; }
        lock (_order)
        {
            if (!_heard.Add(delivery)) { return false; }
            _order.Enqueue(delivery);
            if (_order.Count > DeliveriesKept) { _heard.Remove(_order.Dequeue()); }
            return true;
        }
    }

    private void Refuse(HttpContext context, int status, string reason)
    {
        context.Response.StatusCode = status;
        logger.Refused(reason);
    }
}

internal static partial class WebhookLog
{
    [LoggerMessage(Level = LogLevel.Debug, Message = "A webhook was refused: {Reason}")]
    public static partial void Refused(this ILogger logger, string reason);
}

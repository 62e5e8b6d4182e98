using System.Globalization;
using System.Net;
using System.Security.Cryptography;
using System.Text;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.WebUtilities;
using Microsoft.Net.Http.Headers;

namespace WatchParty.Worker.Status;

/// <summary>Who may look and who may act.</summary>
/// <remarks>With a token nothing of the history is seen without it: as a header (scripts), or as a session that a person opened with it. A
/// session is a signed time in a cookie that no other site can make the browser send, so that none is kept here, and a restart ends
/// none.</remarks>
internal sealed class StatusAccess(string? token, IReadOnlyCollection<string> hosts, TimeProvider time)
{
    public const string Cookie = "watchparty";
    public const string FormField = "form";
    private const string Bearer = "Bearer ";
    private static readonly TimeSpan SessionTime = TimeSpan.FromHours(12);

    private readonly byte[] _key = token is null ? [] : SHA256.HashData(Encoding.UTF8.GetBytes(token));

    public bool CanAct => token is not null;

    public bool MayLook(HttpRequest request) => token is null || HasToken(request) || Session(request) is not null;

    public bool HasToken(HttpRequest request) =>
        request.Headers.Authorization is [{ } header] && header.StartsWith(Bearer, StringComparison.OrdinalIgnoreCase)
        && IsToken(header[Bearer.Length..].Trim());

    public bool IsToken(string given) => token is not null && StatusSecrets.AreEqual(given, token);

    /// <summary>The session of the caller, or null without a valid one.</summary>
    public string? Session(HttpRequest request)
    {
        if (token is null || request.Cookies[Cookie] is not { } session || session.Split('.') is not [var until, var signature])
        {
            return null;
        }
        return StatusSecrets.AreEqual(signature, Sign($"session {until}"))
            && long.TryParse(until, NumberStyles.None, CultureInfo.InvariantCulture, out var seconds)
            && seconds > time.GetUtcNow().ToUnixTimeSeconds() ? session : null;
    }

    public void OpenSession(HttpContext context)
    {
        var until = (time.GetUtcNow() + SessionTime).ToUnixTimeSeconds().ToString(CultureInfo.InvariantCulture);
        context.Response.Cookies.Append(Cookie, $"{until}.{Sign($"session {until}")}", Options(context.Request));
    }

    public static void CloseSession(HttpContext context) => context.Response.Cookies.Delete(Cookie, Options(context.Request));

    /// <summary>What a form of this session carries, and no other site can know.</summary>
    public string FormToken(string session) => Sign($"form {session}");

    public bool IsFormToken(string session, string? given) => given is not null && StatusSecrets.AreEqual(given, FormToken(session));

    /// <summary>Whether the request was made for this server: under one of the names it goes by. A name of a foreign site that leads here
    /// is none.</summary>
    public bool IsForUs(HttpRequest request) =>
        request.Host.Host is var host
        && (host == "localhost" || IPAddress.TryParse(host, out _) || hosts.Contains(host, StringComparer.OrdinalIgnoreCase));

    /// <summary>Whether a browser says that a page of ours made the request. A program that is no browser says nothing.</summary>
    public static bool IsFromUs(HttpRequest request)
    {
        // A proxy that ends TLS changes the scheme, not the name.
        var origin = request.Headers.Origin.ToString();
        if (origin.Length > 0
            && !(Uri.TryCreate(origin, UriKind.Absolute, out var from)
                && string.Equals(from.Authority, AuthorityOf(request, from), StringComparison.OrdinalIgnoreCase)))
        {
            return false;
        }
        return request.Headers["Sec-Fetch-Site"].ToString() is "" or "same-origin" or "none";
    }

    private static string AuthorityOf(HttpRequest request, Uri from) =>
        Uri.TryCreate($"{from.Scheme}://{request.Headers[HeaderNames.Host]}", UriKind.Absolute, out var own) ? own.Authority : "";

    private string Sign(string text) => WebEncoders.Base64UrlEncode(HMACSHA256.HashData(_key, Encoding.UTF8.GetBytes(text)));

    /// <summary>Whether the browser speaks TLS, with a proxy before this server: it says so itself in <c>Origin</c>, and most proxies
    /// do.</summary>
    /// <remarks>Whoever says it is believed, because all that follows is that his own cookie never travels in the clear.</remarks>
    private static bool IsByHttps(HttpRequest request) =>
        request.Headers.Origin.ToString().StartsWith("https://", StringComparison.OrdinalIgnoreCase)
        || request.Headers["X-Forwarded-Proto"].ToString().Split(',')[0].Trim().Equals("https", StringComparison.OrdinalIgnoreCase);

    private static CookieOptions Options(HttpRequest request) =>
        new()
        {
            HttpOnly = true,
            SameSite = Microsoft.AspNetCore.Http.SameSiteMode.Strict,
            Secure = IsByHttps(
            request),
            Path = "/",
            IsEssential = true
        };
}

using System.Net;
using System.Net.Http.Headers;
using System.Text;
using System.Text.Json.Nodes;

namespace WatchParty.Worker.Notifying;

/// <summary>Hands JSON documents over by HTTP.</summary>
/// <remarks>It follows no redirect: a token meant for one server must not go to another.</remarks>
internal sealed class Courier(TimeProvider time) : IDisposable
{
    private readonly HttpClient _http = new(
        new SocketsHttpHandler
        {
            AllowAutoRedirect = false,
            ConnectTimeout = TimeSpan.FromSeconds(
            10),
            PooledConnectionLifetime = TimeSpan.FromMinutes(5)
        })
    {
        Timeout = TimeSpan.FromSeconds(30),
    };

    public void Dispose() => _http.Dispose();

    public static HttpRequestMessage Post(string address, byte[] body) => new(HttpMethod.Post, address)
    {
        Content = new ByteArrayContent(body) { Headers = { ContentType = new MediaTypeHeaderValue("application/json") } },
        // GitHub answers 403 without it.
        Headers = { UserAgent = { new ProductInfoHeaderValue("watchparty-worker", null) } },
    };

    public static byte[] Body(JsonNode document) => Encoding.UTF8.GetBytes(document.ToJsonString());

    /// <exception cref="NotDeliveredException">The answer was not one of success. The message has no address in it, because that may be a
    /// secret.</exception>
    public async Task SendAsync(HttpRequestMessage request, CancellationToken cancellationToken)
    {
        using var response = await _http.SendAsync(request, HttpCompletionOption.ResponseHeadersRead, cancellationToken);
        if (response.IsSuccessStatusCode) { return; }
        var temporary = response.StatusCode is HttpStatusCode.RequestTimeout or HttpStatusCode.TooManyRequests
            || (int)response.StatusCode >= 500;
        throw new NotDeliveredException($"the answer was {(int)response.StatusCode} " +
            $"{response.ReasonPhrase}{await WordsAsync(response, cancellationToken)}", temporary, RetryAfter(response));
    }

    private TimeSpan? RetryAfter(HttpResponseMessage response) => response.Headers.RetryAfter switch
    {
        { Delta: { } delta } => delta,
        { Date: { } date } when date - time.GetUtcNow() is var wait && wait > TimeSpan.Zero => wait,
        _ => null,
    };

    /// <summary>The beginning of the answer, which mostly says what is wrong.</summary>
    private static async Task<string> WordsAsync(HttpResponseMessage response, CancellationToken cancellationToken)
    {
        var buffer = new byte[300];
        await using var stream = await response.Content.ReadAsStreamAsync(cancellationToken);
        var read = await stream.ReadAtLeastAsync(buffer, buffer.Length, throwOnEndOfStream: false, cancellationToken);
        var words = new string([.. Encoding.UTF8.GetString(buffer, 0, read).Select(c => char.IsControl(c) ? ' ' : c)]).Trim();
        return words.Length == 0 ? "" : $": {words}";
    }
}

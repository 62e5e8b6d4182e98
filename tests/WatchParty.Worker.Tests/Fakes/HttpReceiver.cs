using System.Collections.Concurrent;
using System.Net;
using System.Text.Json;

namespace WatchParty.Worker.Tests.Fakes;

/// <summary>What came in.</summary>
internal sealed record Received(string Method, string Path, IReadOnlyDictionary<string, string> Headers, byte[] Body)
{
    public JsonElement Json => JsonDocument.Parse(Body).RootElement;
}

/// <summary>A web server on loopback that keeps what it gets, and answers as a test wants it to.</summary>
internal sealed class HttpReceiver : IDisposable
{
    private readonly HttpListener _listener = new();
    private readonly SemaphoreSlim _came = new(0);
    private readonly Action<HttpListenerContext, int> _answer;
    private int _requests;

    /// <param name="answer">Gets each request and its number, from 1 on; 200 when it does nothing.</param>
    public HttpReceiver(Action<HttpListenerContext, int>? answer = null)
    {
        _answer = answer ?? ((_, _) => { });
        Address = $"http://127.0.0.1:{GitHttpServer.FreePort()}";
        _listener.Prefixes.Add($"{Address}/");
        _listener.Start();
        _ = ServeAsync();
    }

    public string Address { get; }

    public ConcurrentQueue<Received> All { get; } = new();

    /// <summary>The next request that no call has returned yet.</summary>
    public async Task<Received> NextAsync()
    {
        Assert.True(await _came.WaitAsync(TimeSpan.FromSeconds(20)), "no request came");
        return All.ElementAt(Interlocked.Increment(ref _requests) - 1);
    }

    public void Dispose() => _listener.Close();

    private async Task ServeAsync()
    {
        for (var number = 1; ; number++)
        {
            HttpListenerContext context;
            try
            {
                context = await _listener.GetContextAsync();
            }
            catch (Exception e) when (e is HttpListenerException or ObjectDisposedException)
            {
                return;
            }
            using var body = new MemoryStream();
            await context.Request.InputStream.CopyToAsync(body);
            All.Enqueue(new Received(context.Request.HttpMethod, context.Request.RawUrl!,
                context.Request.Headers.AllKeys.ToDictionary(k => k!, k => context.Request.Headers[k]!, StringComparer.OrdinalIgnoreCase), body.ToArray()));
            _answer(context, number);
            context.Response.Close();
            _came.Release();
        }
    }
}

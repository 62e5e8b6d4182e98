using System.Collections.Concurrent;
using System.Net;
using System.Net.Sockets;
using System.Text.Json.Nodes;

namespace WatchParty.Worker.EngineTests.Harness;

/// <summary>Who is told over a webhook.</summary>
internal sealed class Inbox : IDisposable
{
    private readonly HttpListener _listener = new();

    public Inbox()
    {
        using (var free = new TcpListener(IPAddress.Loopback, 0))
        {
            free.Start();
            Address = $"http://{free.LocalEndpoint}/";
        }
        _listener.Prefixes.Add(Address);
        _listener.Start();
        _ = ReceiveAsync();
    }

    public string Address { get; }

    public ConcurrentQueue<JsonNode> Messages { get; } = new();

    public void Dispose() => _listener.Close();

    private async Task ReceiveAsync()
    {
        while (true)
        {
            try
            {
                var context = await _listener.GetContextAsync();
                Messages.Enqueue((await JsonNode.ParseAsync(context.Request.InputStream))!);
                context.Response.Close();
            }
            catch (Exception e) when (e is HttpListenerException or ObjectDisposedException)
            {
                return;
            }
        }
    }
}

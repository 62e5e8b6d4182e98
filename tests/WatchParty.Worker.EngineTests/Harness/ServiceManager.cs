using System.Net.Sockets;
using System.Text;

namespace WatchParty.Worker.EngineTests.Harness;

/// <summary>The socket on which systemd hears how a service fares.</summary>
internal sealed class ServiceManager : IDisposable
{
    private readonly Socket _socket = new(AddressFamily.Unix, SocketType.Dgram, ProtocolType.Unspecified);
    private readonly List<string> _messages = [];

    public ServiceManager(string path)
    {
        Address = path;
        _socket.Bind(new UnixDomainSocketEndPoint(path));
        _ = Task.Run(ReceiveAsync);
    }

    public string Address { get; }

    public IReadOnlyList<string> Messages
    {
        get { lock (_messages) { return [.. _messages]; } }
    }

    public Task HearsAsync(Func<string, bool> message, string what) =>
        Eventually.HoldsAsync(() => Messages.Any(message), what, () => string.Join('\n', Messages));

    public void Dispose() => _socket.Dispose();

    private async Task ReceiveAsync()
    {
        var buffer = new byte[4096];
        try
        {
            while (true)
            {
                var length = await _socket.ReceiveAsync(buffer);
                lock (_messages) { _messages.Add(Encoding.UTF8.GetString(buffer, 0, length)); }
            }
        }
        catch (Exception e) when (e is SocketException or ObjectDisposedException)
        {
            // The test is over.
        }
    }
}

using System.Net.Sockets;
using System.Text;

namespace WatchParty.Worker.Tests.Hosting;

/// <summary>The receiving end of sd_notify, as systemd has it.</summary>
internal sealed class NotifySocket : IDisposable
{
    private readonly Socket _socket = new(AddressFamily.Unix, SocketType.Dgram, ProtocolType.Unspecified);
    private readonly string _folder = Directory.CreateTempSubdirectory("notify-").FullName;

    public NotifySocket(bool isAbstract = false)
    {
        Address = isAbstract ? $"@watchparty-test-{Guid.NewGuid():N}" : Path.Combine(_folder, "notify");
        _socket.Bind(new UnixDomainSocketEndPoint(isAbstract ? '\0' + Address[1..] : Address));
    }

    public string Address { get; }

    public async Task<string> ReceiveAsync()
    {
        using var limit = new CancellationTokenSource(TimeSpan.FromSeconds(20), TimeProvider.System);
        var buffer = new byte[4096];
        return Encoding.UTF8.GetString(buffer, 0, await _socket.ReceiveAsync(buffer, limit.Token));
    }

    /// <summary>Everything that has arrived by now.</summary>
    public List<string> Drain()
    {
        List<string> messages = [];
        var buffer = new byte[4096];
        while (_socket.Available > 0) { messages.Add(Encoding.UTF8.GetString(buffer, 0, _socket.Receive(buffer))); }
        return messages;
    }

    public void Dispose()
    {
        _socket.Dispose();
        Directory.Delete(_folder, recursive: true);
    }
}

/// <summary>A clock that stands until it is moved.</summary>
internal sealed class StandingClock : TimeProvider
{
    private long _ticks = 1;

    public override long TimestampFrequency => TimeSpan.TicksPerSecond;

    public override long GetTimestamp() => _ticks;

    public void Move(TimeSpan time) => _ticks += time.Ticks;
}

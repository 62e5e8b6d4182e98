using System.Collections.Concurrent;
using System.Net.Sockets;
using System.Text;
using WatchParty.Tools.Docker;

namespace WatchParty.Worker.Tests.Fakes;

/// <summary>A server on a unix socket that answers like a Docker Engine, or as a test wants it to.</summary>
internal sealed class FakeEngine : IDisposable
{
    private readonly string _folder = Directory.CreateTempSubdirectory("engine-").FullName;
    private readonly Socket _listener = new(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
    private readonly Func<string, Task<string?>> _answer;

    /// <param name="answer">Gets "METHOD path" of a request, without the API version, and gives the whole answer; null closes the connection instead.</param>
    public FakeEngine(Func<string, Task<string?>> answer)
    {
        _answer = answer;
        _listener.Bind(new UnixDomainSocketEndPoint(Path.Combine(_folder, "docker.sock")));
        _listener.Listen();
        _ = ServeAsync();
    }

    public FakeEngine(Func<string, string?> answer) : this(request => Task.FromResult(answer(request))) { }

    public Uri Endpoint => new($"unix://{_folder}/docker.sock");

    /// <summary>First lines of the requests, in order.</summary>
    public ConcurrentQueue<string> Requests { get; } = new();

    public DockerEngine Connect(TimeProvider? time = null) => new(_ => Task.FromResult(Endpoint), time ?? TimeProvider.System);

    public static string Json(string body, int status = 200) => Answer(body, status, "application/json");

    public static string Answer(string body, int status, string type) =>
        $"HTTP/1.1 {status} x\r\nContent-Type: {type}\r\nContent-Length: {Encoding.UTF8.GetByteCount(body)}\r\nConnection: close\r\n\r\n{body}";

    public static string Version(string api = "1.45") => Json($$"""{ "Version": "26.1.5", "ApiVersion": "{{api}}" }""");

    public void Dispose()
    {
        _listener.Dispose();
        Directory.Delete(_folder, recursive: true);
    }

    private async Task ServeAsync()
    {
        while (true)
        {
            Socket client;
            try
            {
                client = await _listener.AcceptAsync();
            }
            catch (Exception e) when (e is SocketException or ObjectDisposedException)
            {
                return;
            }
            _ = AnswerAsync(client);
        }
    }

    private async Task AnswerAsync(Socket client)
    {
        await using var stream = new NetworkStream(client, ownsSocket: true);
        using var reader = new StreamReader(stream, Encoding.ASCII, leaveOpen: true);
        try
        {
            var line = await reader.ReadLineAsync() ?? "";
            while (await reader.ReadLineAsync() is { Length: > 0 }) { }
            Requests.Enqueue(line);
            var (method, path) = (line.Split(' ')[0], line.Split(' ')[^2]);
            var plain = path.StartsWith("/v1.", StringComparison.Ordinal) ? path[path.IndexOf('/', 1)..] : path;
            if (await _answer($"{method} {plain}") is { } answer) { await stream.WriteAsync(Encoding.UTF8.GetBytes(answer)); }
        }
        catch (IOException)
        {
            // The client went away.
        }
    }
}

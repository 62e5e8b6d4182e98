using System.Diagnostics;
using System.Net;
using System.Net.Sockets;
using System.Text;

namespace WatchParty.Worker.Tests.Fakes;

/// <summary><c>git http-backend</c> behind HTTP with Basic authentication, on loopback.</summary>
internal sealed class GitHttpServer : IDisposable
{
    private readonly HttpListener _listener = new();
    private readonly string _root;
    private readonly string _credentials;
    private int _requests;

    public GitHttpServer(string root, string user, string password)
    {
        _root = root;
        _credentials = "Basic " + Convert.ToBase64String(Encoding.UTF8.GetBytes($"{user}:{password}"));
        Port = FreePort();
        _listener.Prefixes.Add($"http://127.0.0.1:{Port}/");
        _listener.Start();
        _ = ServeAsync();
    }

    public int Port { get; }

    public int Requests => _requests;

    public string Url(string repository) => $"http://127.0.0.1:{Port}/{repository}";

    public static int FreePort()
    {
        using var socket = new TcpListener(IPAddress.Loopback, 0);
        socket.Start();
        return ((IPEndPoint)socket.LocalEndpoint).Port;
    }

    public void Dispose() => _listener.Close();

    private async Task ServeAsync()
    {
        while (_listener.IsListening)
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
            Interlocked.Increment(ref _requests);
            await AnswerAsync(context);
        }
    }

    private async Task AnswerAsync(HttpListenerContext context)
    {
        using var response = context.Response;
        if (context.Request.Headers["Authorization"] != _credentials)
        {
            response.StatusCode = 401;
            response.AddHeader("WWW-Authenticate", "Basic realm=\"git\"");
            return;
        }
        var info = new ProcessStartInfo("git", ["-c", "safe.directory=*", "http-backend"]) { RedirectStandardInput = true, RedirectStandardOutput = true };
        foreach (var (name, value) in new Dictionary<string, string?>
        {
            ["GIT_PROJECT_ROOT"] = _root,
            ["GIT_HTTP_EXPORT_ALL"] = "1",
            ["REQUEST_METHOD"] = context.Request.HttpMethod,
            ["PATH_INFO"] = context.Request.Url!.AbsolutePath,
            ["QUERY_STRING"] = context.Request.Url.Query.TrimStart('?'),
            ["CONTENT_TYPE"] = context.Request.ContentType,
            ["HTTP_CONTENT_ENCODING"] = context.Request.Headers["Content-Encoding"],
            ["HTTP_GIT_PROTOCOL"] = context.Request.Headers["Git-Protocol"],
            ["REMOTE_USER"] = "tester",
        })
        {
            info.Environment[name] = value ?? "";
        }
        using var backend = Process.Start(info)!;
        await context.Request.InputStream.CopyToAsync(backend.StandardInput.BaseStream);
        backend.StandardInput.Close();
        using var output = new MemoryStream();
        await backend.StandardOutput.BaseStream.CopyToAsync(output);

        var bytes = output.ToArray();
        var end = bytes.AsSpan().IndexOf("\r\n\r\n"u8);
        foreach (var line in Encoding.ASCII.GetString(bytes, 0, end).Split("\r\n"))
        {
            var colon = line.IndexOf(':', StringComparison.Ordinal);
            if (line.StartsWith("Status:", StringComparison.Ordinal)) { response.StatusCode = int.Parse(line.AsSpan(8, 3)); }
            else { response.AddHeader(line[..colon], line[(colon + 1)..].Trim()); }
        }
        await response.OutputStream.WriteAsync(bytes.AsMemory(end + 4));
    }
}

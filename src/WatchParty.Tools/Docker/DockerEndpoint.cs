using System.IO.Pipes;
using System.Net.Security;
using System.Net.Sockets;
using System.Security.Cryptography.X509Certificates;
using WatchParty.Tools.Configuration;
using WatchParty.Tools.Failures;
using WatchParty.Tools.Processes;

namespace WatchParty.Tools.Docker;

/// <summary>The address of the Docker Engine: configured, or <c>DOCKER_HOST</c>, or the current docker context, as the docker CLI chooses
/// it.</summary>
internal static class DockerEndpoint
{
    public static string Default => OperatingSystem.IsWindows() ? "npipe:////./pipe/docker_engine" : "unix:///var/run/docker.sock";

    /// <exception cref="WorkerException">The endpoint has a form that the Engine API cannot be reached by, such as
    /// <c>ssh://</c>.</exception>
    public static async Task<Uri> ResolveAsync(DockerOptions options, IToolRunner runner, CancellationToken cancellationToken)
    {
        var (text, source) = options.Endpoint is { } configured ? (configured, "Docker:Endpoint")
            : Environment.GetEnvironmentVariable("DOCKER_HOST") is { Length: > 0 } variable ? (variable, "DOCKER_HOST")
            : (await FromContextAsync(runner, cancellationToken), "the current docker context");
        return Uri.TryCreate(text, UriKind.Absolute, out var uri) && uri.Scheme is "unix" or "npipe" or "tcp" or "http" or "https"
            ? uri
            : throw new WorkerException($"{source} is '{text}', which the worker cannot reach. Set Docker:Endpoint to unix:///…, " +
                $"npipe:////./pipe/… or tcp://host:port.", Remedy.NeedsPerson);
    }

    private static async Task<string> FromContextAsync(IToolRunner runner, CancellationToken cancellationToken)
    {
        try
        {
            var text = (await runner.OutputOfAsync(DockerCommands.ContextEndpoint(), cancellationToken)).Trim();
            return text.Length > 0 ? text : Default;
        }
        catch (ToolFailedException)
        {
            return Default;
        }
    }

    /// <summary>A client whose every connection goes to <paramref name="endpoint"/>. TLS follows <c>DOCKER_TLS_VERIFY</c> and
    /// <c>DOCKER_CERT_PATH</c>.</summary>
    public static HttpClient Connect(Uri endpoint)
    {
        var handler = new SocketsHttpHandler { PooledConnectionIdleTimeout = TimeSpan.FromSeconds(30), UseProxy = false };
        var address = new Uri("http://engine/");
        switch (endpoint.Scheme)
        {
            case "unix":
                handler.ConnectCallback = async (_, cancellationToken) =>
                {
                    // The system's own word for it would be "Cannot assign requested address".
                    if (!File.Exists(endpoint.AbsolutePath)) { throw new FileNotFoundException("there is no such socket"); }
                    var socket = new Socket(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
                    try
                    {
                        await socket.ConnectAsync(new UnixDomainSocketEndPoint(endpoint.AbsolutePath), cancellationToken);
                        return new NetworkStream(socket, ownsSocket: true);
                    }
                    catch
                    {
                        socket.Dispose();
                        throw;
                    }
                };
                break;
            case "npipe":
                handler.ConnectCallback = async (_, cancellationToken) =>
                {
                    var pipe = new NamedPipeClientStream(".", endpoint.Segments[^1], PipeDirection.InOut, PipeOptions.Asynchronous);
                    await pipe.ConnectAsync(cancellationToken);
                    return pipe;
                };
                break;
            default:
                var secure = endpoint.Scheme == "https" || Environment.GetEnvironmentVariable("DOCKER_TLS_VERIFY") is { Length: > 0 };
                if (secure) { handler.SslOptions = Certificates(); }
                address = new Uri($"{(secure ? "https" : "http")}://{endpoint.Authority}/");
                break;
        }
        return new HttpClient(handler) { BaseAddress = address, Timeout = Timeout.InfiniteTimeSpan };
    }

    /// <summary>The client certificate and the authority that docker keeps in one folder (<c>ca.pem</c>, <c>cert.pem</c>,
    /// <c>key.pem</c>).</summary>
    private static SslClientAuthenticationOptions Certificates()
    {
        if (Environment.GetEnvironmentVariable("DOCKER_CERT_PATH") is not { Length: > 0 } folder) { return new(); }
        var authority = X509CertificateLoader.LoadCertificateFromFile(Path.Combine(folder, "ca.pem"));
        var policy = new X509ChainPolicy { TrustMode = X509ChainTrustMode.CustomRootTrust, RevocationMode = X509RevocationMode.NoCheck };
        policy.CustomTrustStore.Add(authority);
        return new SslClientAuthenticationOptions
        {
            ClientCertificates = [X509Certificate2.CreateFromPemFile(Path.Combine(folder, "cert.pem"), Path.Combine(folder, "key.pem"))],
            CertificateChainPolicy = policy,
        };
    }
}

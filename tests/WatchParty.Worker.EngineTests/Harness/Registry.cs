using System.Diagnostics;
using System.Globalization;
using System.Net;
using System.Net.Sockets;

namespace WatchParty.Worker.EngineTests.Harness;

/// <summary>A registry on loopback, which docker talks to without TLS.</summary>
internal sealed class Registry(Process process, string address) : IDisposable
{
    public static string? Program { get; } = (Environment.GetEnvironmentVariable("PATH") ?? "").Split(':').Select(p => Path.Combine(p, "docker-registry")).FirstOrDefault(File.Exists);

    public string Address { get; } = address;

    public static async Task<Registry> StartAsync(string folder)
    {
        Directory.CreateDirectory(folder);
        using var socket = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
        socket.Bind(new IPEndPoint(IPAddress.Loopback, 0));
        var address = string.Create(CultureInfo.InvariantCulture, $"127.0.0.1:{((IPEndPoint)socket.LocalEndPoint!).Port}");
        socket.Dispose();
        var configuration = Path.Combine(folder, "config.yml");
        await File.WriteAllTextAsync(configuration, $"version: 0.1\nlog: {{level: error}}\nstorage:\n  filesystem: {{rootdirectory: {folder}/data}}\n  delete: {{enabled: true}}\nhttp: {{addr: '{address}'}}\n");
        var process = Command.Start(Program!, ["serve", configuration], folder, null);
        process.OutputDataReceived += (_, _) => { };
        process.ErrorDataReceived += (_, _) => { };
        process.BeginOutputReadLine();
        process.BeginErrorReadLine();
        var registry = new Registry(process, address);
        await Eventually.HoldsAsync(async () => (await registry.TryCatalogAsync()) is not null, "the registry");
        return registry;
    }

    public async Task<string> CatalogAsync() => (await TryCatalogAsync())!;

    public void Dispose()
    {
        process.Kill();
        process.WaitForExit();
        process.Dispose();
    }

    private async Task<string?> TryCatalogAsync()
    {
        using var http = new HttpClient();
        try
        {
            return await http.GetStringAsync(new Uri($"http://{Address}/v2/_catalog"));
        }
        catch (HttpRequestException)
        {
            return null;
        }
    }
}

using System.Diagnostics;
using System.Net.Sockets;
using WatchParty.Tools.Processes;

namespace WatchParty.Worker.Tests.Fakes;

/// <summary>A real <c>sshd</c> on loopback with a host key and a deploy key of its own.</summary>
internal sealed class SshServer : IDisposable
{
    private readonly Process _process;

    private SshServer(Process process, string folder, int port)
    {
        _process = process;
        Folder = folder;
        Port = port;
    }

    public int Port { get; }

    public string DeployKey => Path.Combine(Folder, "deploy");

    public string KnownHosts => Path.Combine(Folder, "known_hosts");

    private string Folder { get; }

    public string Url(string repository) => $"ssh://{Environment.UserName}@127.0.0.1:{Port}{repository}";

    public static async Task<SshServer> StartAsync(GitSandbox sandbox)
    {
        var program = ToolRunner.FindOnPath("sshd", $"{Environment.GetEnvironmentVariable("PATH")}:/usr/sbin:/usr/local/sbin");
        Assert.True(program is not null, "These tests need a real sshd. Install it: apt-get install openssh-server");
        var folder = Directory.CreateDirectory(Path.Combine(sandbox.Root, "ssh")).FullName;
        foreach (var name in (string[])["host", "deploy", "stranger"])
        {
            await sandbox.RunAsync(new ToolCommand("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", name, "-f", Path.Combine(folder, name)));
        }
        File.Copy(Path.Combine(folder, "deploy.pub"), Path.Combine(folder, "authorized_keys"));
        // sshd started by root insists on this folder.
        if (Environment.UserName == "root") { Directory.CreateDirectory("/run/sshd"); }

        var port = GitHttpServer.FreePort();
        await File.WriteAllTextAsync(Path.Combine(folder, "known_hosts"), $"[127.0.0.1]:{port} {await File.ReadAllTextAsync(Path.Combine(folder, "host.pub"))}");
        await File.WriteAllTextAsync(Path.Combine(folder, "sshd_config"), $"""
            Port {port}
            ListenAddress 127.0.0.1
            HostKey {folder}/host
            AuthorizedKeysFile {folder}/authorized_keys
            PidFile none
            StrictModes no
            UsePAM no
            PasswordAuthentication no
            KbdInteractiveAuthentication no
            PermitRootLogin prohibit-password

            """);
        var server = new SshServer(Process.Start(new ProcessStartInfo(program!, ["-D", "-e", "-f", Path.Combine(folder, "sshd_config")]) { RedirectStandardError = true })!, folder, port);
        await server.WaitAsync();
        return server;
    }

    public string Command(string key = "deploy", string knownHosts = "known_hosts") =>
        $"ssh -F none -o IdentitiesOnly=yes -i '{Path.Combine(Folder, key)}' -o UserKnownHostsFile='{Path.Combine(Folder, knownHosts)}'";

    public void Dispose()
    {
        _process.Kill(entireProcessTree: true);
        _process.Dispose();
    }

    private async Task WaitAsync()
    {
        for (var tries = 0; tries < 100; tries++)
        {
            Assert.False(_process.HasExited, $"sshd ended at once: {(_process.HasExited ? await _process.StandardError.ReadToEndAsync() : "")}");
            try
            {
                using var socket = new TcpClient();
                await socket.ConnectAsync("127.0.0.1", Port);
                return;
            }
            catch (SocketException)
            {
                await Task.Delay(TimeSpan.FromMilliseconds(50), TimeProvider.System);
            }
        }
        Assert.Fail("sshd does not listen after 5 seconds");
    }
}

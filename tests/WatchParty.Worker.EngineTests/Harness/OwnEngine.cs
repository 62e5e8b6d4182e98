using System.Diagnostics;

namespace WatchParty.Worker.EngineTests.Harness;

/// <summary>An engine of the test's own, to be killed, stopped and filled up. It has no network, not even the host's: a daemon that starts without a bridge takes that of the other away. Its data have 300 MB in memory.</summary>
/// <remarks>Like systemd it starts the daemon again when that ends. All of it is in name spaces of its own and ends with them.</remarks>
internal sealed class OwnEngine(string folder) : IAsyncDisposable
{
    private Process? _process;

    /// <summary>Why there can be none here; null when there can.</summary>
    public static string? Lack { get; } =
        Environment.UserName != "root" ? "a second engine needs root"
        : (Environment.GetEnvironmentVariable("PATH") ?? "").Split(':').All(p => !File.Exists(Path.Combine(p, "dockerd"))) ? "dockerd is not on the PATH"
        : null;

    public string Endpoint => $"unix://{folder}/docker.sock";

    private string Daemon => $"dockerd --data-root {folder}/data";

    public async Task StartAsync()
    {
        Directory.CreateDirectory(Path.Combine(folder, "data"));
        _process = Command.Start("unshare", ["--mount", "--net", "--pid", "--fork", "--kill-child", "--mount-proc", "sh", "-euc", $"""
            mount -t tmpfs -o size=300m tmpfs {folder}/data
            while :; do
                {Daemon} --exec-root {folder}/exec --pidfile {folder}/docker.pid --host {Endpoint} --bridge none --iptables=false --ip6tables=false >>{folder}/log 2>&1 </dev/null || sleep 1
            done
            """], folder, null);
        await AnswersAsync();
        await Command.OutputAsync(Path.Combine(Application.Root, "tests/engine/base-image.sh"), [], null, [new("DOCKER_HOST", Endpoint)]);
    }

    /// <summary>Sends the daemon a signal: KILL, STOP or CONT.</summary>
    public Task SignalAsync(string signal) => Command.ShellAsync($"kill -s {signal} $(pgrep -f '^{Daemon} ')");

    public Task AnswersAsync() => Eventually.HoldsAsync(
        async () => (await Command.RunAsync("docker", ["--host", Endpoint, "version"])).ExitCode == 0, "the engine", () => File.Exists($"{folder}/log") ? File.ReadAllText($"{folder}/log") : "");

    /// <summary>Status and health of the only container of a project, and the commit in it.</summary>
    public async Task<string> ContainerAsync(string project) => await Command.ShellAsync($$$"""
        id=$(docker --host {{{Endpoint}}} ps -q --filter label=com.docker.compose.project={{{project}}})
        docker --host {{{Endpoint}}} inspect -f '{{.State.Status}} {{.State.Health.Status}}' $id
        docker --host {{{Endpoint}}} exec $id cat /tmp/www/version
        """);

    public async ValueTask DisposeAsync()
    {
        if (_process is null) { return; }
        _process.Kill();
        await _process.WaitForExitAsync();
        _process.Dispose();
    }
}

using System.Diagnostics;
using System.Globalization;

namespace WatchParty.Worker.EngineTests.Harness;

/// <summary>A systemd of our own, in name spaces of its own, that runs the program under what the unit file says of its start, its end, its watchdog
/// and its system calls. What needs mount name spaces, users or control groups it cannot do there; <c>systemd-analyze</c> judges those.</summary>
internal sealed class RealSystemd : IAsyncDisposable
{
    private const string Systemd = "/lib/systemd/systemd";

    private static readonly string[] Keys =
    [
        "Type", "NotifyAccess", "KillMode", "Restart", "RestartPreventExitStatus", "TimeoutStopSec", "LimitNOFILE", "UMask", "NoNewPrivileges", "LockPersonality",
        "RestrictNamespaces", "RestrictRealtime", "RestrictSUIDSGID", "RestrictAddressFamilies", "SystemCallArchitectures", "SystemCallFilter", "SystemCallErrorNumber",
    ];

    private readonly Process _systemd;
    private readonly string _log;

    private RealSystemd(Process systemd, string log) => (_systemd, _log) = (systemd, log);

    /// <summary>Why there can be none here; null when there can.</summary>
    public static string? Missing { get; } =
        !Environment.IsPrivilegedProcess ? "Needs root, for name spaces" : !File.Exists(Systemd) ? $"{Systemd} is not here" : !MayMount() ? "Needs to mount in a name space" : null;

    public string Log => File.Exists(_log) ? File.ReadAllText(_log) : "";

    /// <param name="more">Lines for the unit's section Service that differ from its own.</param>
    public static RealSystemd Start(string unit, string folder, string command, IEnumerable<KeyValuePair<string, string?>> environment, string more)
    {
        Directory.CreateDirectory(folder);
        var log = Path.Combine(folder, "log");
        var lines = File.ReadLines(unit).Where(l => Keys.Contains(l.Split('=')[0]) || l.StartsWith("Environment=DOTNET", StringComparison.Ordinal));
        var variables = environment.Where(v => v.Value is not null).Select(v => $"Environment=\"{v.Key}={v.Value}\"");
        File.WriteAllText(Path.Combine(folder, "worker.service"), $"""
            [Service]
            {string.Join('\n', lines)}
            {string.Join('\n', variables)}
            ExecStart={command}
            StandardOutput=append:{log}
            StandardError=append:{log}
            {more}

            """);
        // systemd wants to see a booted one in /run; the engine's socket may be there.
        File.WriteAllText(Path.Combine(folder, "start.sh"), $"""
            set -eu
            mkdir -p '{folder}/run'
            mount --rbind /run '{folder}/run'
            mount -t tmpfs tmpfs /run
            mkdir -p /run/systemd/system /run/user/0
            if [ -S '{folder}/run/docker.sock' ]; then : > /run/docker.sock; mount --bind '{folder}/run/docker.sock' /run/docker.sock; fi
            export XDG_RUNTIME_DIR=/run/user/0 SYSTEMD_UNIT_PATH='{folder}:'
            # As process 1 it would not be the manager of a user.
            {Systemd} --user --unit=worker.service >> '{log}' 2>&1 &
            wait

            """);
        var process = Command.Start("unshare", ["--mount", "--fork", "--pid", "--mount-proc", "--kill-child", "sh", Path.Combine(folder, "start.sh")], folder, null);
        process.StandardInput.Close();
        return new RealSystemd(process, log);
    }

    public Task SaysAsync(string words) => Eventually.HoldsAsync(() => Log.Contains(words, StringComparison.Ordinal), $"'{words}' in the log", () => Log);

    /// <summary>Id of the process whose command line has <paramref name="words"/> in it, once there is another than <paramref name="than"/>.</summary>
    public async Task<int> ProcessAsync(string words, int than = 0)
    {
        var id = 0;
        await Eventually.HoldsAsync(async () =>
        {
            var found = (await Command.RunAsync("pgrep", ["-o", "-f", words])).Output.Trim();
            return int.TryParse(found, CultureInfo.InvariantCulture, out id) && id != than;
        }, $"a process of {words}", () => Log);
        return id;
    }

    public async ValueTask DisposeAsync()
    {
        if (!_systemd.HasExited)
        {
            _systemd.Kill();
            await _systemd.WaitForExitAsync();
        }
        _systemd.Dispose();
    }

    private static bool MayMount()
    {
        using var probe = Process.Start(new ProcessStartInfo("unshare", ["--mount", "--fork", "--pid", "--mount-proc", "mount", "-t", "tmpfs", "tmpfs", "/run"]) { RedirectStandardError = true })!;
        probe.WaitForExit();
        return probe.ExitCode == 0;
    }
}

using WatchParty.Worker.EngineTests.Harness;

namespace WatchParty.Worker.EngineTests.Behaviour;

[Trait("Store", "Any")]
public sealed class SystemdTests
{
    [SystemdFact]
    public async Task Under_a_real_systemd_with_its_system_call_filter_it_releases_and_is_started_again_when_it_hangs_or_dies()
    {
        await using var app = await Application.OfAsync(SmallApplication.Web);
        var command = $"{Application.Program} run --config {app.ConfigurationFile}";
        await using var systemd = RealSystemd.Start(
            Path.Combine(Application.Root, "systemd/watchparty-worker.service"), app.In("systemd"), command, app.VariablesForAnotherManager(), "WatchdogSec=4\nRestartSec=1\nTimeoutStartSec=60");
        var first = await systemd.ProcessAsync(command);
        // Everything that a release starts passes the filter: git, compose, buildx, and what bounds them.
        await systemd.SaysAsync($"of commit {await app.HeadOfCheckoutAsync()} is healthy");
        Assert.Contains("Seccomp:\t2", await File.ReadAllTextAsync($"/proc/{first}/status"), StringComparison.Ordinal);

        // Nothing of it moves any more, and so nothing feeds the watchdog.
        await Command.ShellAsync($"kill -STOP {first}");
        var second = await systemd.ProcessAsync(command, than: first);
        var pushed = await app.PushAsync("web/content.txt", "after the watchdog\n");
        await systemd.SaysAsync($"of commit {pushed} is healthy");

        await Command.ShellAsync($"kill -KILL {second}");
        await systemd.ProcessAsync(command, than: second);
        pushed = await app.PushAsync("web/content.txt", "after the kill\n");
        await systemd.SaysAsync($"of commit {pushed} is healthy");
        Assert.Contains("after the kill", await app.GetAsync("/version"), StringComparison.Ordinal);
    }
}

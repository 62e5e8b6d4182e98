using System.Diagnostics;
using WatchParty.Releases.Recording;
using WatchParty.Worker.Hosting;

namespace WatchParty.Worker.Tests.Hosting;

public sealed class LeftoversTests : IDisposable
{
    private readonly string _root = Directory.CreateTempSubdirectory("leftovers-").FullName;

    public void Dispose() => Directory.Delete(_root, recursive: true);

    [Fact]
    public async Task What_a_worker_on_the_same_state_folder_left_running_is_ended_and_nothing_else()
    {
        var (ours, others) = (StateFolder.Open(Path.Combine(_root, "ours")), StateFolder.Open(Path.Combine(_root, "others")));
        using var leftover = Start(ours.Path);
        using var foreign = Start(others.Path);
        using var unmarked = Start(null);

        Assert.Equal(1, await Leftovers.EndAsync(ours, TimeProvider.System));

        Assert.True(leftover.WaitForExit(TimeSpan.FromSeconds(5)));
        Assert.False(foreign.HasExited || unmarked.HasExited);
        Assert.Equal(0, await Leftovers.EndAsync(ours, TimeProvider.System));
        foreach (var process in new[] { foreign, unmarked }) { process.Kill(); }
    }

    [Fact]
    public async Task What_does_not_end_when_asked_is_killed()
    {
        var state = StateFolder.Open(Path.Combine(_root, "state"));
        using var stubborn = Start(state.Path, "trap '' TERM; echo deaf; while :; do sleep 0.1; done");
        Assert.Equal("deaf", await stubborn.StandardOutput.ReadLineAsync());

        await Leftovers.EndAsync(state, TimeProvider.System);

        Assert.True(stubborn.WaitForExit(TimeSpan.FromSeconds(5)));
        Assert.Equal(137, stubborn.ExitCode);
    }

    private static Process Start(string? state, string script = "exec sleep 300")
    {
        // As the runner does, in a process group of its own.
        var info = new ProcessStartInfo("setsid", ["sh", "-c", script]) { RedirectStandardOutput = true };
        if (state is null) { info.Environment.Remove(Leftovers.Variable); } else { info.Environment[Leftovers.Variable] = state; }
        return Process.Start(info)!;
    }
}

using System.Diagnostics;
using WatchParty.Releases.Recording;
using WatchParty.Worker.Hosting;

namespace WatchParty.Worker.Tests.Hosting;

public sealed class LeftoversTests : IDisposable
{
    private readonly string _root = Directory.CreateTempSubdirectory("leftovers-").FullName;

    private readonly List<Process> _started = [];

    public void Dispose()
    {
        foreach (var process in _started)
        {
            if (!process.HasExited) { process.Kill(); }
            process.Dispose();
        }
        Directory.Delete(_root, recursive: true);
    }

    [Fact]
    public async Task What_a_worker_on_the_same_state_folder_left_running_is_ended_and_nothing_else()
    {
        var (ours, others) = (StateFolder.Open(Path.Combine(_root, "ours")), StateFolder.Open(Path.Combine(_root, "others")));
        var leftover = await StartAsync(ours.Path);
        var foreign = await StartAsync(others.Path);
        var unmarked = await StartAsync(null);

        Assert.Equal(1, await Leftovers.EndAsync(ours, TimeProvider.System));

        Assert.True(leftover.WaitForExit(TimeSpan.FromSeconds(5)));
        Assert.False(foreign.HasExited || unmarked.HasExited);
        Assert.Equal(0, await Leftovers.EndAsync(ours, TimeProvider.System));
    }

    [Fact]
    public async Task What_does_not_end_when_asked_is_killed()
    {
        var state = StateFolder.Open(Path.Combine(_root, "state"));
        var stubborn = await StartAsync(state.Path, "trap '' TERM; ");

        await Leftovers.EndAsync(state, TimeProvider.System);

        Assert.True(stubborn.WaitForExit(TimeSpan.FromSeconds(5)));
        Assert.Equal(137, stubborn.ExitCode);
    }

    /// <summary>A shell that waits. It has said something, so its environment can be read: that of a process is empty while it becomes another program.</summary>
    private async Task<Process> StartAsync(string? state, string first = "")
    {
        // As the runner does, in a process group of its own.
        var info = new ProcessStartInfo("setsid", ["sh", "-c", $"{first}echo up; read line"]) { RedirectStandardInput = true, RedirectStandardOutput = true };
        if (state is null) { info.Environment.Remove(Leftovers.Variable); } else { info.Environment[Leftovers.Variable] = state; }
        var process = Process.Start(info)!;
        _started.Add(process);
        Assert.Equal("up", await process.StandardOutput.ReadLineAsync());
        return process;
    }
}

using System.Globalization;
using Microsoft.Extensions.Logging.Abstractions;
using Microsoft.Win32.SafeHandles;
using WatchParty.Tools.Processes;
using WatchParty.Worker.Tests.Triggering;

namespace WatchParty.Worker.Tests.Processes;

/// <summary>Apart from all other tests, because it uses up the handles of the process.</summary>
[Collection(Alone.Name)]
public sealed class ToolRunnerWithoutHandlesTests
{
    private readonly ToolRunner _runner = new(TimeProvider.System, NullLogger<ToolRunner>.Instance);

    [Fact]
    public async Task Run_WithoutHandlesLeft_FailsAndGoesAgainLater()
    {
        var before = Handles();
        var limit = await PrlimitAsync("--nofile", "--noheadings", "--output=SOFT");
        await PrlimitAsync(string.Create(CultureInfo.InvariantCulture, $"--nofile={before + 60}:"));
        List<SafeFileHandle> eaten = [];
        try
        {
            EatAll(eaten);

            var error = await Assert.ThrowsAsync<ToolFailedException>(HelloAsync);

            Assert.Contains("cannot start", error.Message, StringComparison.Ordinal);
        }
        finally
        {
            eaten.ForEach(e => e.Dispose());
            await PrlimitAsync($"--nofile={limit}:");
        }
        Assert.Equal("hello", await HelloAsync());
        Assert.InRange(Handles(), 0, before + 10);
    }

    private static int Handles() => Directory.GetFiles("/proc/self/fd").Length;

    private static void EatAll(List<SafeFileHandle> eaten)
    {
        try
        {
            while (true) { eaten.Add(File.OpenHandle("/dev/null")); }
        }
        catch (IOException)
        {
            // That was the last one.
        }
    }

    private async Task<string> PrlimitAsync(params string[] arguments) =>
        (await _runner.OutputOfAsync(new ToolCommand("prlimit", [$"--pid={Environment.ProcessId}", .. arguments]), CancellationToken.None)).Trim();

    private async Task<string> HelloAsync() => (await _runner.OutputOfAsync(new ToolCommand("echo", "hello"), CancellationToken.None)).Trim();
}

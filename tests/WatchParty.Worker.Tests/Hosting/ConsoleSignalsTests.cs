using System.Diagnostics;
using Microsoft.Extensions.Logging.Abstractions;
using WatchParty.Worker.Hosting;
using WatchParty.Worker.Tests.Triggering;

namespace WatchParty.Worker.Tests.Hosting;

/// <summary>Alone, because signals are for the whole process.</summary>
[Collection(Alone.Name)]
public sealed class ConsoleSignalsTests
{
    [Theory]
    [InlineData("TERM")]
    [InlineData("INT")]
    [InlineData("QUIT")]
    public async Task A_signal_to_stop_cancels_and_a_hang_up_does_nothing(string signal)
    {
        using var signals = new ConsoleSignals(NullLogger<ConsoleSignals>.Instance);
        var stopped = new TaskCompletionSource();
        signals.Stop.Register(stopped.SetResult);

        Process.Start("kill", ["-HUP", $"{Environment.ProcessId}"]).WaitForExit();
        await Task.Delay(TimeSpan.FromMilliseconds(300), TimeProvider.System);
        Assert.False(signals.Stop.IsCancellationRequested);

        Process.Start("kill", [$"-{signal}", $"{Environment.ProcessId}"]).WaitForExit();
        await stopped.Task.WaitAsync(TimeSpan.FromSeconds(20), TimeProvider.System);
    }
}

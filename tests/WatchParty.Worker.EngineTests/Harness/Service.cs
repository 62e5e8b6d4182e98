using System.Diagnostics;
using System.Text;

namespace WatchParty.Worker.EngineTests.Harness;

/// <summary>The running service.</summary>
internal sealed class Service : IAsyncDisposable
{
    private readonly Process _process;
    private readonly StringBuilder _log = new();
    private bool _disposed;

    public Service(Process process)
    {
        _process = process;
        process.ErrorDataReceived += Keep;
        process.OutputDataReceived += Keep;
        process.BeginErrorReadLine();
        process.BeginOutputReadLine();
    }

    public int Id => _process.Id;

    public string Log
    {
        get { lock (_log) { return _log.ToString(); } }
    }

    public bool HasEnded => _process.HasExited;

    public Task SaysAsync(string words) => Eventually.HoldsAsync(() => Log.Contains(words, StringComparison.Ordinal) || HasEnded, $"'{words}' in the log", () => Log);

    /// <summary>Waits until it has ended by itself.</summary>
    /// <returns>The exit code; 137 for SIGKILL.</returns>
    public async Task<int> EndsAsync()
    {
        using var limit = new CancellationTokenSource(TimeSpan.FromMinutes(2), TimeProvider.System);
        try
        {
            await _process.WaitForExitAsync(limit.Token);
        }
        catch (OperationCanceledException)
        {
            Assert.Fail($"The service did not end. {Log}");
        }
        return _process.ExitCode;
    }

    /// <summary>Ends it alone with SIGKILL; what it started goes on.</summary>
    public async Task KillAloneAsync()
    {
        if (!_process.HasExited) { _process.Kill(); }
        await _process.WaitForExitAsync();
    }

    /// <summary>Ends it with SIGTERM, as systemd does.</summary>
    /// <returns>The exit code and the time it took.</returns>
    public async Task<(int ExitCode, TimeSpan Elapsed)> StopAsync()
    {
        var started = TimeProvider.System.GetTimestamp();
        await Command.ShellAsync($"kill -TERM {_process.Id}");
        using var limit = new CancellationTokenSource(TimeSpan.FromMinutes(1), TimeProvider.System);
        await _process.WaitForExitAsync(limit.Token);
        return (_process.ExitCode, TimeProvider.System.GetElapsedTime(started));
    }

    /// <summary>Ends it and what it started with SIGKILL, as systemd does with all that is in a service's control group.</summary>
    public async Task KillAsync()
    {
        // Each child leads a process group of its own.
        await Command.RunAsync("sh", ["-c", $"children=$(pgrep -P {_process.Id}); kill -s KILL {_process.Id}; for child in $children; do kill -s KILL -- -$child; done"]);
        await _process.WaitForExitAsync();
    }

    public async ValueTask DisposeAsync()
    {
        if (_disposed) { return; }
        _disposed = true;
        if (!_process.HasExited) { await KillAsync(); }
        _process.Dispose();
    }

    private void Keep(object sender, DataReceivedEventArgs e)
    {
        lock (_log) { _log.AppendLine(e.Data); }
    }
}

using System.Diagnostics;
using System.Text;

namespace WatchParty.Worker.EngineTests.Harness;

/// <summary>The running service.</summary>
internal sealed class Service : IAsyncDisposable
{
    private readonly Process _process;
    private readonly StringBuilder _log = new();

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

    /// <summary>Ends it with SIGKILL; its children live on.</summary>
    public async Task KillAsync()
    {
        _process.Kill();
        await _process.WaitForExitAsync();
    }

    public async ValueTask DisposeAsync()
    {
        if (!_process.HasExited) { await KillAsync(); }
        _process.Dispose();
    }

    private void Keep(object sender, DataReceivedEventArgs e)
    {
        lock (_log) { _log.AppendLine(e.Data); }
    }
}

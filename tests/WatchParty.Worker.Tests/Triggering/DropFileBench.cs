using System.Collections.Concurrent;
using System.Diagnostics;
using System.Text.Json;
using Microsoft.Extensions.Logging;
using WatchParty.Worker.Triggering;

namespace WatchParty.Worker.Tests.Triggering;

/// <summary>A watcher on a real folder, and what it was asked to do.</summary>
internal sealed class DropFileBench : IAsyncDisposable
{
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(30);
    private readonly CancellationTokenSource _stop = new();
    private Task _running = Task.CompletedTask;

    public DropFileBench()
    {
        Root = Directory.CreateTempSubdirectory("dropfile-").FullName;
        Folder = Path.Combine(Root, "checkout");
        Directory.CreateDirectory(Folder);
    }

    /// <summary>Outside the watched folder.</summary>
    public string Root { get; }
    public string Folder { get; }
    public string Clear => Path.Combine(Folder, "clear-cache.flag");
    public string Rebuild => Path.Combine(Folder, "force-rebuild.flag");
    public string ClearResult => Path.Combine(Folder, "clear-cache.result.json");
    public string RebuildResult => Path.Combine(Folder, "force-rebuild.result.json");
    public ConcurrentQueue<(DropFileRequest Request, DateTime StartedAt)> Handled { get; } = new();
    public ConcurrentQueue<TimeSpan> Expectations { get; } = new();
    public ListLogger Log { get; } = new();
    public TimeSpan LookEvery { get; set; } = TimeSpan.FromMilliseconds(200);
    public Func<DropFileRequest, CancellationToken, Task<DropFileResult>> Work { get; set; } =
        (r, _) => Task.FromResult(new DropFileResult("Done", r.Targets, 42, null));

    public Task Start()
    {
        var watcher = new DropFileWatcher(Folder, TimeProvider.System, Log) { LookEvery = LookEvery };
        return _running = Task.Run(() => watcher.RunAsync(
            (request, token) =>
            {
                Handled.Enqueue((request, TimeProvider.System.GetUtcNow().UtcDateTime));
                return Work(request, token);
            },
            Expectations.Enqueue,
            _stop.Token));
    }

    /// <summary>Ends the watcher; fails when it ended before, or by anything but cancellation.</summary>
    public async Task StopAsync()
    {
        Assert.False(_running.IsFaulted, _running.Exception?.ToString());
        await _stop.CancelAsync();
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => _running.WaitAsync(Patience, TimeProvider.System));
    }

    public async Task Until(Func<bool> condition, string what)
    {
        var started = TimeProvider.System.GetTimestamp();
        while (!condition())
        {
            Assert.False(_running.IsFaulted, _running.Exception?.ToString());
            Assert.True(TimeProvider.System.GetElapsedTime(started) < Patience, $"In vain waited until {what}; log:\n{Log}");
            await Pause(20);
        }
    }

    public Task UntilGone(string path) => Until(() => !Path.Exists(path) && !IsDanglingLink(path), $"{path} is gone");

    /// <summary>Long enough for a watcher that wrongly does more to be seen at it.</summary>
    public static Task Pause(int milliseconds = 500) => Task.Delay(TimeSpan.FromMilliseconds(milliseconds), TimeProvider.System);

    public static JsonElement Result(string path) => JsonDocument.Parse(File.ReadAllText(path)).RootElement;

    public static string Run(string program, params string[] arguments)
    {
        using var process = Process.Start(new ProcessStartInfo(program, arguments) { RedirectStandardOutput = true, RedirectStandardError = true })!;
        var output = process.StandardOutput.ReadToEnd();
        var error = process.StandardError.ReadToEnd();
        process.WaitForExit();
        return process.ExitCode == 0 ? output : throw new InvalidOperationException($"{program} {string.Join(' ', arguments)}: {error}");
    }

    public static void Touch(string path) => Run("touch", path);

    public async ValueTask DisposeAsync()
    {
        await _stop.CancelAsync();
        await ((Task)_running.WaitAsync(Patience, TimeProvider.System)).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        _stop.Dispose();
        Directory.Delete(Root, recursive: true);
    }

    private static bool IsDanglingLink(string path) => new FileInfo(path).LinkTarget is not null;
}

internal sealed class ListLogger : ILogger<DropFileWatcher>
{
    private readonly ConcurrentQueue<string> _lines = new();

    public int Count(string part) => _lines.Count(l => l.Contains(part, StringComparison.Ordinal));

    public IDisposable? BeginScope<TState>(TState state) where TState : notnull => null;

    public bool IsEnabled(LogLevel logLevel) => true;

    public void Log<TState>(LogLevel logLevel, EventId eventId, TState state, Exception? exception, Func<TState, Exception?, string> formatter) =>
        _lines.Enqueue($"{logLevel}: {formatter(state, exception)}");

    public override string ToString() => string.Join('\n', _lines);
}

/// <summary>Tests with a bench each, which is cleared away after it (xunit 2 knows no <see cref="IAsyncDisposable"/>).</summary>
public abstract class DropFileTests : IAsyncLifetime, IAsyncDisposable
{
    private protected DropFileBench Bench { get; } = new();

    public Task InitializeAsync() => Task.CompletedTask;

    public async ValueTask DisposeAsync()
    {
        await Bench.DisposeAsync();
        GC.SuppressFinalize(this);
    }

    Task IAsyncLifetime.DisposeAsync() => DisposeAsync().AsTask();
}

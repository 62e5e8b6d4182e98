using Spectre.Console;
using WatchParty.Tools.Redacting;

namespace WatchParty.Worker.Cli;

/// <summary>Progress of long work on standard error: one living line on a terminal, plain lines otherwise.</summary>
internal sealed class ProgressDisplay : IAsyncDisposable
{
    private readonly IAnsiConsole _console = AnsiConsole.Create(new AnsiConsoleSettings { Out = new AnsiConsoleOutput(Console.Error) });
    private readonly SemaphoreSlim _done = new(0);
    private readonly Task _spinning = Task.CompletedTask;
    private StatusContext? _status;
    private string? _last;

    public ProgressDisplay()
    {
        if (Console.IsErrorRedirected || !_console.Profile.Capabilities.Interactive) { return; }
        _spinning = _console.Status().StartAsync("…", async status =>
        {
            _status = status;
            await _done.WaitAsync();
        });
    }

    public void Show(string line)
    {
        if (line == _last) { return; }
        _last = line;
        line = EventText.OneLine(line);
        if (_status is { } status) { status.Status(Markup.Escape(line)); } else { Console.Error.WriteLine(line); }
    }

    public async ValueTask DisposeAsync()
    {
        _done.Release();
#pragma warning disable VSTHRD003 // Started in the constructor; a console program has no context to deadlock on.
        await _spinning;
#pragma warning restore VSTHRD003
        _done.Dispose();
    }
}

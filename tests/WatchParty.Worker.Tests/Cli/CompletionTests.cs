using System.Diagnostics;
using WatchParty.Worker.Tests.Fakes;

namespace WatchParty.Worker.Tests.Cli;

/// <summary>The completion scripts in the shells that they are for, which <c>test.sh</c> installs, with the real program behind them.</summary>
[Collection(ProcessEnvironment.Collection)]
public sealed class CompletionTests : IDisposable
{
    private readonly string _folder = Directory.CreateTempSubdirectory("completions-").FullName;

    public CompletionTests()
    {
        var program = Path.Combine(_folder, "watchparty-worker");
        File.WriteAllText(program, $"#!/bin/sh\nexec '{Environment.ProcessPath}' '{Path.Combine(AppContext.BaseDirectory, "watchparty-worker.dll")}' \"$@\"\n");
        File.SetUnixFileMode(program, UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute);
    }

    public void Dispose() => Directory.Delete(_folder, recursive: true);

    private async Task<string> RunAsync(string program, params string[] arguments)
    {
        using var process = Process.Start(new ProcessStartInfo(program, arguments)
        {
            RedirectStandardOutput = true,
            RedirectStandardError = true,
            WorkingDirectory = _folder,
            Environment = { ["PATH"] = $"{_folder}:{Environment.GetEnvironmentVariable("PATH")}", ["HOME"] = _folder, ["TERM"] = "dumb" },
        })!;
        var (output, error) = (process.StandardOutput.ReadToEndAsync(), process.StandardError.ReadToEndAsync());
        using var limit = new CancellationTokenSource(TimeSpan.FromSeconds(30), TimeProvider.System);
        await process.WaitForExitAsync(limit.Token);
        Assert.Equal((0, ""), (process.ExitCode, await error));
        return await output;
    }

    /// <returns>Where the script is that the program prints for <paramref name="shell"/>, once the shell itself has found no fault in it.</returns>
    private async Task<string> ScriptAsync(string shell)
    {
        var script = Path.Combine(_folder, "_watchparty-worker");
        await File.WriteAllTextAsync(script, await RunAsync("watchparty-worker", "completions", shell));
        await RunAsync(shell, "-n", script);
        return script;
    }

    [Theory]
    [InlineData("watchparty-worker st", "status")]
    [InlineData("watchparty-worker completions fi", "fish")]
    [InlineData("watchparty-worker history --la", "--last")]
    public async Task Bash_Completes(string line, string expected)
    {
        var words = line.Split(' ');
        var answers = await RunAsync("bash", "-c", $$"""
            . {{await ScriptAsync("bash")}}
            COMP_LINE='{{line}}' COMP_POINT={{line.Length}} COMP_WORDS=({{line}}) COMP_CWORD={{words.Length - 1}}
            $(complete -p watchparty-worker | sed 's/.*-F \([^ ]*\).*/\1/')
            printf '%s\n' "${COMPREPLY[@]}"
            """);
        Assert.Equal($"{expected}\n", answers);
    }

    [Fact]
    public async Task Fish_Completes()
    {
        var answers = await RunAsync("fish", "--no-config", "-c", $$"""
            source {{await ScriptAsync("fish")}}
            for line in 'watchparty-worker st' 'watchparty-worker completions fi' 'watchparty-worker history --la'
                complete -C $line | string match -r '^(?:st|fi|--la)\S*'
            end
            """);
        Assert.Equal("status\nfish\n--last\n", answers);
    }

    /// <summary>In a terminal in which somebody presses the tab key, and then has the line printed.</summary>
    [Fact]
    public async Task Zsh_Completes()
    {
        var lines = await RunAsync("zsh", "-f", "-c", $$"""
            zmodload zsh/zpty
            zpty terminal zsh -f -i
            zpty -w terminal "fpath=({{Path.GetDirectoryName(await ScriptAsync("zsh"))}} \$fpath); autoload -Uz compinit; compinit -u -D"
            for line in 'watchparty-worker st' 'watchparty-worker completions fi' 'watchparty-worker history --la'; do
              zpty -w -n terminal "$line"$'\t\C-aprint typed: \n'
              zpty -r -m terminal screen $'*\ntyped: *\n*'
              print -r -- ${${(M)${(f)screen}:#typed: *}%$'\r'}
            done
            zpty -d terminal
            """);
        Assert.Equal("typed: watchparty-worker status\ntyped: watchparty-worker completions fish\ntyped: watchparty-worker history --last\n", lines);
    }
}

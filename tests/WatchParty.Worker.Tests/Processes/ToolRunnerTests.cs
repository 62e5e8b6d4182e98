using WatchParty.Releases.Baking;
using WatchParty.Tools.Processes;
using WatchParty.Worker.Tests.Fakes;

namespace WatchParty.Worker.Tests.Processes;

public sealed class ToolRunnerTests
{
    private static readonly CancellationToken None = CancellationToken.None;
    private readonly RecordingLogger<ToolRunner> _log = new();

    private ToolRunner Runner => new(TimeProvider.System, _log);

    [Fact]
    public async Task Run_OfAProgram_GivesExitCodeOutputAndTheEndOfItsErrors()
    {
        var result = await Runner.RunAsync(Shell("echo out; echo err >&2; exit 3"), None);

        Assert.Equal((3, "out\n", "err\n"), (result.ExitCode, result.Output, result.ErrorTail));
    }

    [Fact]
    public async Task OutputOf_AProgramThatFails_TellsCommandExitCodeAndItsLastWords()
    {
        var error = await Assert.ThrowsAsync<ToolFailedException>(() => Runner.OutputOfAsync(Shell("echo cannot at https://u:pw@h/ >&2; exit 3"), None));

        Assert.Equal(3, error.ExitCode);
        Assert.Contains("exited with 3: cannot at https://***@h/", error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Run_PastItsTimeLimit_EndsTheWholeGroupAlsoAGrandchildThatKeepsThePipe()
    {
        var started = TimeProvider.System.GetTimestamp();
        var command = Shell("sh -c 'trap \"\" TERM; echo $$ >&2; exec sleep 60' & wait") with { Timeout = TimeSpan.FromSeconds(1), Grace = TimeSpan.FromSeconds(1) };

        var error = await Assert.ThrowsAsync<ToolFailedException>(() => Runner.RunAsync(command, None));

        Assert.Contains("did not end within 00:00:01", error.Message, StringComparison.Ordinal);
        Assert.True(TimeProvider.System.GetElapsedTime(started) < TimeSpan.FromSeconds(15));
        await AssertEndsAsync(int.Parse(error.Tail));
    }

    [Fact]
    public async Task Run_OfAProgramThatPrintsNothingAnyMore_IsEndedWithItsGroup()
    {
        var command = Shell("for i in 1 2 3 4; do echo $i; sleep 0.2; done; sh -c 'echo $$ >&2; exec sleep 60' & wait") with { SilenceLimit = TimeSpan.FromSeconds(2.5), Grace = TimeSpan.FromSeconds(1) };

        var error = await Assert.ThrowsAsync<ToolFailedException>(() => Runner.RunAsync(command, None));

        Assert.Contains("printed nothing for 00:00:02.5", error.Message, StringComparison.Ordinal);
        await AssertEndsAsync(int.Parse(error.Tail));
    }

    [Fact]
    public async Task Run_OfAProgramThatKeepsPrinting_IsNotSilentHoweverLongItTakes()
    {
        var heard = 0;
        var command = Shell("for i in 1 2 3 4 5 6; do echo $i >&2; sleep 0.5; done") with { SilenceLimit = TimeSpan.FromSeconds(2.5) };

        var result = await Runner.RunAsync(command, async (stream, token) =>
        {
            var buffer = new byte[16];
            int read;
            while ((read = await stream.ReadAsync(buffer, token)) > 0) { heard += read; }
        }, None);

        Assert.Equal((0, 12), (result.ExitCode, heard));
    }

    [Fact]
    public async Task Run_OfAProgramThatIsBusyForEver_EndsAtItsProcessorLimit()
    {
        var error = await Assert.ThrowsAsync<ToolFailedException>(() => Runner.RunAsync(Shell("while :; do :; done") with { ProcessorLimit = TimeSpan.FromSeconds(1) }, None));

        // By SIGXCPU or SIGKILL, which come at the same time.
        Assert.True(error.BySignal);
        Assert.Contains("it passed 1 s of processor time", error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Run_OfABuildThatPrintsHundredsOfMegabytesWithoutALine_KeepsALittleOfIt()
    {
        long kept = 0, largest = 0;
        var started = GC.GetTotalMemory(forceFullCollection: true);
        var most = 0L;

        var result = await Runner.RunAsync(Shell("head -c 300000000 /dev/zero | tr '\\0' x >&2"), (stream, token) => BuildTrace.ReadAsync(stream, e =>
        {
            var text = Assert.IsType<TextEvent>(e).Line;
            kept += text.Length;
            largest = Math.Max(largest, text.Length);
            most = Math.Max(most, GC.GetTotalMemory(forceFullCollection: false));
        }, token), None);

        Assert.Equal(0, result.ExitCode);
        Assert.InRange(largest, 1000, 64 * 1024);
        Assert.InRange(kept, 1000, 64 * 1024);
        // Other tests run at the same time.
        Assert.InRange(most - started, long.MinValue, 200_000_000);
    }

    [Fact]
    public async Task Run_WithAMemoryLimit_FailsInsteadOfTakingMore()
    {
        var greedy = new ToolCommand("dd", "if=/dev/zero", "of=/dev/null", "bs=256M", "count=1");

        Assert.Equal(0, (await Runner.RunAsync(greedy, None)).ExitCode);
        var result = await Runner.RunAsync(greedy with { MemoryLimit = 64 * 1024 * 1024 }, None);
        Assert.Equal(1, result.ExitCode);
        Assert.Contains("memory exhausted", result.ErrorTail, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Run_OfAnyProgram_LetsItEndBeforeTheWorkerWhenMemoryRunsOut() =>
        Assert.Equal("500\n", await Runner.OutputOfAsync(Shell("sleep 0.3; cat /proc/self/oom_score_adj"), None));

    [Fact]
    public async Task Run_WithoutProcessesLeft_FailsAndGoesAgainLater()
    {
        // One that may have no process beside it: what a machine without free ones looks like to the program.
        var starved = new ToolCommand("setpriv", "--reuid", "65533", "--clear-groups", "prlimit", "--nproc=1", "sh", "-c", "sleep 0.1 | cat; true | cat");
        if (Environment.UserName != "root") { starved = new ToolCommand("prlimit", "--nproc=1", "sh", "-c", "sleep 0.1 | cat"); }

        var result = await Runner.RunAsync(starved, None);

        Assert.NotEqual(0, result.ExitCode);
        Assert.Equal("well\n", await Runner.OutputOfAsync(Shell("echo well"), None));
    }

    [Theory]
    [InlineData("kill -KILL $$", 137)]
    [InlineData("kill -TERM $$", 143)]
    [InlineData("exit 255", 255)]
    public async Task Run_OfAProgramThatSomebodyKills_IsNoAnswerOfTheProgram(string script, int exitCode)
    {
        var error = await Assert.ThrowsAsync<ToolFailedException>(() => Runner.RunAsync(Shell($"echo half >&2; {script}"), None));

        Assert.Equal((exitCode, true), (error.ExitCode, error.BySignal));
        Assert.Contains("ended by a signal", error.Message, StringComparison.Ordinal);
        Assert.Contains("half", error.Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData(1)]
    [InlineData(128)]
    [InlineData(129)]
    public async Task Run_OfAProgramThatEndsByItself_IsItsAnswer(int exitCode) => Assert.Equal(exitCode, (await Runner.RunAsync(Shell($"exit {exitCode}"), None)).ExitCode);

    /// <summary>What the end of a whole group is worth: the same program ended alone leaves the grandchild.</summary>
    [Fact]
    public async Task Grandchild_OfAProgramThatIsEndedAlone_LivesOn()
    {
        using var process = System.Diagnostics.Process.Start(new System.Diagnostics.ProcessStartInfo("setsid", ["sh", "-c", "sh -c 'exec sleep 60' & echo $!; wait"]) { RedirectStandardOutput = true })!;
        var grandchild = int.Parse((await process.StandardOutput.ReadLineAsync())!);

        process.Kill();
        await process.WaitForExitAsync();

        await Task.Delay(TimeSpan.FromMilliseconds(100), TimeProvider.System);
        Assert.True(IsAlive(grandchild));
        new ProcessGroup(process, IsLeader: true).Kill();
        await AssertEndsAsync(grandchild);
    }

    [Theory]
    [InlineData("")]
    [InlineData(">/dev/null 2>&1")]
    public async Task Run_OfAProgramThatLeavesAChildBehind_EndsThatTooAndKeepsTheOutput(string redirection)
    {
        var result = await Runner.RunAsync(Shell($"sleep 60 {redirection} & echo $!"), None);

        Assert.Equal(0, result.ExitCode);
        await AssertEndsAsync(int.Parse(result.Output));
    }

    [Fact]
    public async Task Run_OfAProgramThatPrintsTooMuch_IsEndedAndReported()
    {
        var error = await Assert.ThrowsAsync<ToolFailedException>(() =>
            Runner.RunAsync(Shell("yes") with { OutputLimit = 1024 * 1024, Grace = TimeSpan.FromSeconds(1) }, None));

        Assert.Contains("printed more than 1 MiB", error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Run_WhenCancelled_EndsTheProgramBeforeItReturns()
    {
        using var cancel = new CancellationTokenSource();
        var file = Path.GetTempFileName();
        var running = Runner.RunAsync(Shell($"echo $$ > {file}; exec sleep 60"), cancel.Token);
        while (new FileInfo(file).Length == 0) { await Task.Delay(TimeSpan.FromMilliseconds(20), TimeProvider.System); }

        await cancel.CancelAsync();

        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => running);
        await AssertEndsAsync(int.Parse(await File.ReadAllTextAsync(file)));
        File.Delete(file);
    }

    [Fact]
    public async Task Run_WithoutAGroup_EndsTheTreeAtItsLimit()
    {
        var command = Shell("sh -c 'trap \"\" TERM; echo $$ >&2; exec sleep 60' & wait") with { Timeout = TimeSpan.FromSeconds(1), InGroup = false };

        var error = await Assert.ThrowsAsync<ToolFailedException>(() => Runner.RunAsync(command, None));

        Assert.Contains("did not end within 00:00:01", error.Message, StringComparison.Ordinal);
        await AssertEndsAsync(int.Parse(error.Tail));
    }

    [Fact]
    public async Task Run_AgainAndAgain_LeavesNoHandlesOpen()
    {
        static int Handles() => Directory.GetFiles("/proc/self/fd").Count(f => new FileInfo(f).LinkTarget?.StartsWith("pipe:", StringComparison.Ordinal) == true);
        var before = Handles();

        for (var i = 0; i < 50; i++) { await Runner.RunAsync(Shell("echo out; echo err >&2"), None); }

        // Other tests run at the same time; without closing it would be 100 or more.
        Assert.InRange(Handles(), 0, before + 40);
    }

    [Fact]
    public async Task Run_WithoutInput_ClosesStandardInputAtOnce() =>
        Assert.Equal("end", (await Runner.RunAsync(Shell("cat; printf end") with { Timeout = TimeSpan.FromSeconds(10) }, None)).Output);

    [Fact]
    public async Task Run_WithInput_HandsItOver() => Assert.Equal("héllo", await Runner.OutputOfAsync(new ToolCommand("cat") { Input = "héllo" }, None));

    [Fact]
    public async Task Run_OfAProgramThatIsNotThere_SaysSo()
    {
        var error = await Assert.ThrowsAsync<ToolFailedException>(() => Runner.RunAsync(new ToolCommand("no-such-program"), None));

        Assert.Contains("no-such-program is not on PATH", error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Run_InAFolderThatIsNotThere_SaysSo()
    {
        var error = await Assert.ThrowsAsync<ToolFailedException>(() => Runner.RunAsync(new ToolCommand("true") { WorkingDirectory = "/no/such" }, None));

        Assert.Contains("/no/such does not exist", error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Run_WithArguments_PassesThemThroughNoShell() =>
        Assert.Equal("$(id);'\"\n", await Runner.OutputOfAsync(new ToolCommand("printf", "%s\n", "$(id);'\""), None));

    [Fact]
    public async Task Run_WithVariables_SetsAndRemovesThem() => Assert.Equal(
        "x-", await Runner.OutputOfAsync(Shell("printf %s- \"$WP_SET$HOME\"").With("WP_SET", "x").With("HOME", null), None));

    private static ToolCommand Shell(string script) => new("sh", "-c", script);

    // The kernel takes a moment between the signal and the end.
    private static async Task AssertEndsAsync(int pid)
    {
        for (var tries = 0; IsAlive(pid) && tries < 100; tries++) { await Task.Delay(TimeSpan.FromMilliseconds(20), TimeProvider.System); }
        Assert.False(IsAlive(pid), $"process {pid} still runs");
    }

    // A killed process that its new parent has not collected yet is dead too.
    private static bool IsAlive(int pid)
    {
        try
        {
            var stat = File.ReadAllText($"/proc/{pid}/stat");
            return stat[stat.LastIndexOf(')') + 2] is not ('Z' or 'X');
        }
        catch (IOException)
        {
            return false;
        }
    }
}

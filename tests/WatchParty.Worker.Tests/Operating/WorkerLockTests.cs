using System.Diagnostics;
using WatchParty.Releases.Recording;
using WatchParty.Tools.Failures;
using WatchParty.Worker.Operating;

namespace WatchParty.Worker.Tests.Operating;

public sealed class WorkerLockTests : IDisposable
{
    private readonly string _root = Directory.CreateTempSubdirectory("lock-").FullName;
    private readonly StateFolder _folder;

    public WorkerLockTests() => _folder = StateFolder.Open(_root);

    public void Dispose() => Directory.Delete(_root, recursive: true);

    private WorkerLock? Take(out string holder) => WorkerLock.TryTake(_folder, "run", TimeProvider.System, out holder, "started by a test");

    private int Flock(string command) => RunToEnd("flock", "-n", "-E", "77", _folder.Lock, "-c", command);

    private static int RunToEnd(string program, params string[] arguments)
    {
        using var process = Process.Start(program, arguments);
        process.WaitForExit();
        return process.ExitCode;
    }

    [Fact]
    public void The_second_taker_is_refused_with_the_words_of_the_first()
    {
        using (var first = Take(out var mine))
        {
            Assert.NotNull(first);
            Assert.Matches($@"^process {Environment.ProcessId}, run, since \d{{4}}-\d\d-\d\d \d\d:\d\d:\d\d UTC, started by a test$", mine);
            Assert.Null(WorkerLock.TryTake(_folder, "prune", TimeProvider.System, out var holder));
            Assert.Equal(mine, holder);
            Assert.Equal(mine, File.Exists(_folder.Lock) ? RunAndRead("cat", _folder.Lock).Trim() : "");
        }
        using var next = Take(out _);
        Assert.NotNull(next);
    }

    [Fact]
    public void It_is_for_this_user_alone_and_stays_when_it_is_free()
    {
        Take(out _)!.Dispose();
        Assert.Equal(UnixFileMode.UserRead | UnixFileMode.UserWrite, File.GetUnixFileMode(_folder.Lock));
        Assert.Equal(0, new FileInfo(_folder.Lock).Length);
    }

    [Fact]
    public void A_script_under_flock_and_the_worker_exclude_each_other()
    {
        Assert.Equal(0, Flock("true"));
        using (Take(out _)) { Assert.Equal(77, Flock("true")); }
        Assert.Equal(0, Flock("true"));

        using (var script = Process.Start(new ProcessStartInfo("flock", [_folder.Lock, "-c", "echo held; read x"]) { RedirectStandardInput = true, RedirectStandardOutput = true })!)
        {
            Assert.Equal("held", script.StandardOutput.ReadLine());
            Assert.Null(Take(out var holder));
            Assert.Equal($"process {script.Id} (flock)", holder);
            script.StandardInput.Close();
            script.WaitForExit();
        }
        using var free = Take(out _);
        Assert.NotNull(free);
    }

    [Fact]
    public async Task A_script_that_waits_under_flock_has_its_turn_when_the_worker_is_done()
    {
        var held = Take(out var words);
        using var script = Process.Start(new ProcessStartInfo("flock", ["-w", "30", "-E", "77", _folder.Lock, "-c", "echo mine"]) { RedirectStandardOutput = true })!;
        var output = script.StandardOutput.ReadToEndAsync();
        await Task.Delay(TimeSpan.FromMilliseconds(300), TimeProvider.System);
        Assert.False(script.HasExited);
        // Who waits is not who holds.
        Assert.Equal(words, WorkerLock.Holder(_folder));

        held!.Dispose();

        Assert.Equal("mine\n", await output.WaitAsync(TimeSpan.FromSeconds(20), TimeProvider.System));
        await script.WaitForExitAsync();
        Assert.Equal(0, script.ExitCode);
        Assert.Null(WorkerLock.Holder(_folder));
    }

    [Fact]
    public void The_kernel_frees_it_when_its_holder_is_killed_and_the_words_left_behind_are_not_believed()
    {
        const string Script = "exec 9>>\"$0\"; flock 9; echo 'process 99999999, run, since then' >&9; echo held; exec sleep 60";
        using (var script = Process.Start(new ProcessStartInfo("bash", ["-c", Script, _folder.Lock]) { RedirectStandardOutput = true })!)
        {
            Assert.Equal("held", script.StandardOutput.ReadLine());
            Assert.Null(Take(out var holder));
            Assert.Equal("another program, such as a script under flock", holder);
            Assert.Equal(0, RunToEnd("kill", "-KILL", $"{script.Id}"));
            script.WaitForExit();
        }
        using var next = Take(out var mine);
        Assert.NotNull(next);
        Assert.StartsWith($"process {Environment.ProcessId},", mine, StringComparison.Ordinal);
    }

    [Fact]
    public void A_child_that_outlives_the_holder_does_not_keep_it()
    {
        var held = Take(out _);
        using var child = Process.Start("sleep", "60");
        try
        {
            held!.Dispose();
            using var next = Take(out _);
            Assert.NotNull(next);
        }
        finally
        {
            child.Kill();
            child.WaitForExit();
        }
    }

    [Fact]
    public void A_link_in_its_place_is_an_error_and_not_followed()
    {
        File.CreateSymbolicLink(_folder.Lock, Path.Combine(_root, "elsewhere"));
        var error = Assert.Throws<WorkerException>(() => Take(out _));
        Assert.Contains(_folder.Lock, error.Message, StringComparison.Ordinal);
        Assert.False(File.Exists(Path.Combine(_root, "elsewhere")));
    }

    private static string RunAndRead(string program, params string[] arguments)
    {
        using var process = Process.Start(new ProcessStartInfo(program, arguments) { RedirectStandardOutput = true })!;
        var output = process.StandardOutput.ReadToEnd();
        process.WaitForExit();
        return output;
    }
}

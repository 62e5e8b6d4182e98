using System.Diagnostics;
using System.Globalization;

namespace WatchParty.Worker.EngineTests.Harness;

/// <summary>System calls of one kind, and which of them a program shall not live to make.</summary>
/// <param name="Name">What they do, in a word.</param>
/// <param name="Calls">Their names, separated by commas.</param>
/// <param name="Number">The N-th, counted over all of <paramref name="Calls"/> and for each thread by itself: strace has no other count. The first thread to come
/// to its N-th call ends the program.</param>
internal sealed record NthCall(string Name, string Calls, int Number);

/// <summary>Has a program killed with SIGKILL as it enters a system call, which is then not made.</summary>
internal static class Strace
{
    public static bool IsHere { get; } = (Environment.GetEnvironmentVariable("PATH") ?? "").Split(':').Any(p => File.Exists(Path.Combine(p, "strace")));

    /// <summary>What a program is started with to be killed. It is the started process itself, as without strace (<c>-D</c>).</summary>
    public static string[] Under(NthCall call) => ["strace", "-D", .. Options(call)];

    /// <summary>Has a running program killed, whose calls are counted from now on.</summary>
    /// <returns>The strace that does so; it ends with the program.</returns>
    public static async Task<Process> AttachAsync(NthCall call, int process)
    {
        var strace = Command.Start("strace", [.. Options(call), "-p", process.ToString(CultureInfo.InvariantCulture)], null, null);
        // A program that comes to that call at once has ended already, and strace with it.
        await Eventually.HoldsAsync(() => strace.HasExited || IsTraced(process), "strace at every thread");
        Assert.True(!strace.HasExited || strace.ExitCode == 0, strace.HasExited ? await strace.StandardError.ReadToEndAsync() : "");
        return strace;
    }

    // What the program starts is let go when it begins (-b execve). The program's own beginning is no such moment.
    private static string[] Options(NthCall call) =>
        ["-qq", "-f", "-b", "execve", "-o", "/dev/null", "-e", $"trace={call.Calls}", "-e", string.Create(CultureInfo.InvariantCulture, $"inject={call.Calls}:signal=KILL:when={call.Number}")];

    private static bool IsTraced(int process)
    {
        try
        {
            return Directory.EnumerateDirectories($"/proc/{process}/task").All(t => !File.ReadAllText(Path.Combine(t, "status")).Contains("TracerPid:\t0\n", StringComparison.Ordinal));
        }
        catch (IOException)
        {
            // A thread, or the program, has just ended.
            return false;
        }
    }
}

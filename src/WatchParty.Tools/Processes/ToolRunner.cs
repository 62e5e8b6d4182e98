using System.Buffers;
using System.Diagnostics;
using System.Text;
using Microsoft.Extensions.Logging;

namespace WatchParty.Tools.Processes;

/// <summary>Reads one stream of a running program to its end.</summary>
internal delegate Task StreamReading(Stream stream, CancellationToken cancellationToken);

/// <summary>Runs a <see cref="ToolCommand"/>: no shell, both streams read to their end, limits on time, silence and output,
/// and nothing of the program left behind afterwards.</summary>
/// <remarks>On Unix a program gets a process group of its own (<c>setsid</c>), because
/// <see cref="Process.Kill(bool)"/> misses children that lost their parent; their open pipe would then block the wait.</remarks>
internal sealed class ToolRunner(TimeProvider time, ILogger<ToolRunner> logger) : IToolRunner
{
    // Variables that speak to this process only: a child must not answer for it.
    private static readonly string[] OwnVariables = ["NOTIFY_SOCKET", "WATCHDOG_USEC", "WATCHDOG_PID", "LISTEN_FDS", "LISTEN_PID",
        "LISTEN_FDNAMES"];

    public async Task<ToolResult> RunAsync(ToolCommand command, StreamReading? standardError, CancellationToken cancellationToken)
    {
        cancellationToken.ThrowIfCancellationRequested();
        var started = time.GetTimestamp();
        using var process = Start(command);
        var group = new ProcessGroup(process, command.InGroup);
        // The process itself leaves these to the garbage collector, which may not come for hundreds of polls.
        using var outputEnd = process.StandardOutput;
        using var errorEnd = process.StandardError;
        logger.Started(command, process.Id);
        using var limit = new CancellationTokenSource(command.Timeout, time);
        using var silence = new CancellationTokenSource(command.SilenceLimit ?? Timeout.InfiniteTimeSpan, time);
        using var overflow = new CancellationTokenSource();
        using var stop = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken, limit.Token, silence.Token, overflow.Token);
        using var abandon = new CancellationTokenSource();

        Stream Heard(Stream stream) =>
            command.SilenceLimit is { } longest ? new HeardStream(stream, () => silence.CancelAfter(longest)) : stream;
        var tail = new TailBuffer();
        var reading = Task.WhenAll(
            WriteInputAsync(process, command.Input, abandon.Token),
            ReadErrorAsync(Heard(process.StandardError.BaseStream), standardError, tail, abandon.Token));
        var output = ReadOutputAsync(Heard(process.StandardOutput.BaseStream), command.OutputLimit, overflow, abandon.Token);
        try
        {
            await process.WaitForExitAsync(stop.Token);
        }
        catch (OperationCanceledException)
        {
            await EndAsync(group, command.Grace);
            await DrainAsync(Task.WhenAll(reading, output), group, abandon);
            cancellationToken.ThrowIfCancellationRequested();
            throw new ToolFailedException(command, null,
                overflow.IsCancellationRequested ? $"printed more than {command.OutputLimit / 1024 / 1024} MiB"
                : silence.IsCancellationRequested ? $"printed nothing for {command.SilenceLimit:c}"
                : $"did not end within {command.Timeout:c}", tail.ToString());
        }

        await DrainAsync(Task.WhenAll(reading, output), group, abandon);
        var elapsed = time.GetElapsedTime(started);
        logger.Ended(command, process.ExitCode, elapsed.TotalMilliseconds);
        if (ToolFailedException.IsSignal(process.ExitCode))
        {
            var why = command.ProcessorLimit is { } processor ? $"it passed {processor.TotalSeconds:0} s of processor time, " : "";
            throw new ToolFailedException(command,
                process.ExitCode, $"was ended by a signal: {why}somebody killed it, or the kernel did for want of memory", tail.ToString());
        }
        return new ToolResult(process.ExitCode, output.IsCompletedSuccessfully ? await output : "", tail.ToString(), elapsed);
    }

    private static Process Start(ToolCommand command)
    {
        var info = new ProcessStartInfo
        {
            WorkingDirectory = command.WorkingDirectory ?? "",
            RedirectStandardInput = true,
            RedirectStandardOutput = true,
            RedirectStandardError = true,
            UseShellExecute = false,
            CreateNoWindow = true,
        };
        foreach (var name in OwnVariables) { info.Environment.Remove(name); }
        foreach (var (name, value) in command.Environment)
        {
            if (value is null) { info.Environment.Remove(name); } else { info.Environment[name] = value; }
        }
        if (command.WorkingDirectory is { } folder && !Directory.Exists(folder))
        {
            throw new ToolFailedException(command, null, $"cannot start: the folder {folder} does not exist");
        }

        var program = FindOnPath(command.Program, info.Environment.TryGetValue("PATH", out var path) ? path : null)
            ?? throw new ToolFailedException(command, null, $"cannot start: {command.Program} is not on PATH");
        IEnumerable<string> line = [program, .. command.Arguments];
        if (!OperatingSystem.IsWindows())
        {
            if (command.ProcessorLimit is { } processor) { line = ["prlimit", $"--cpu={(int)processor.TotalSeconds}", .. line]; }
            // Not the address space: programs in Go reserve far more of that than they use.
            if (command.MemoryLimit is { } memory) { line = ["prlimit", $"--data={memory}", .. line]; }
            if (command.InGroup) { line = ["setsid", .. line]; }
        }
        info.FileName = line.First();
        foreach (var argument in line.Skip(1)) { info.ArgumentList.Add(argument); }
        try
        {
            var process = Process.Start(info)!;
            EndFirstWhenMemoryRunsOut(process);
            return process;
        }
        catch (Exception e) when (e is System.ComponentModel.Win32Exception or IOException)
        {
            throw new ToolFailedException(command, null, $"cannot start: {e.Message}");
        }
    }

    private static void EndFirstWhenMemoryRunsOut(Process process)
    {
        if (!OperatingSystem.IsLinux()) { return; }
        try
        {
            File.WriteAllText($"/proc/{process.Id}/oom_score_adj", "500");
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            // It has ended already.
        }
    }

    /// <summary>The full path of <paramref name="program"/>, or null when no folder of <paramref name="path"/> has it.</summary>
    public static string? FindOnPath(string program, string? path)
    {
        if (Path.IsPathRooted(program)) { return File.Exists(program) ? program : null; }
        string[] endings = OperatingSystem.IsWindows() ? [".exe", ".cmd", ""] : [""];
        return (path ?? "").Split(Path.PathSeparator, StringSplitOptions.RemoveEmptyEntries)
            .SelectMany(folder => endings.Select(ending => Path.Combine(folder, program + ending)))
            .FirstOrDefault(File.Exists);
    }

    private static async Task WriteInputAsync(Process process, string? input, CancellationToken cancellationToken)
    {
        try
        {
            if (input is not null)
            {
                await process.StandardInput.BaseStream.WriteAsync(Encoding.UTF8.GetBytes(input), cancellationToken);
            }
            process.StandardInput.Close();
        }
        catch (IOException)
        {
            // The program ended without reading its input; its exit code tells the story.
        }
    }

    private static async Task ReadErrorAsync(Stream stream, StreamReading? reading, TailBuffer tail, CancellationToken cancellationToken)
    {
        if (reading is not null)
        {
            await reading(stream, cancellationToken);
            return;
        }
        using var buffer = MemoryPool<byte>.Shared.Rent(16 * 1024);
        int read;
        while ((read = await stream.ReadAsync(buffer.Memory, cancellationToken)) > 0) { tail.Add(buffer.Memory.Span[..read]); }
    }

    private static async Task<string> ReadOutputAsync(Stream stream, int limit, CancellationTokenSource overflow,
        CancellationToken cancellationToken)
    {
        using var kept = new MemoryStream();
        using var buffer = MemoryPool<byte>.Shared.Rent(64 * 1024);
        int read;
        while ((read = await stream.ReadAsync(buffer.Memory, cancellationToken)) > 0)
        {
            if (kept.Length + read > limit)
            {
                await overflow.CancelAsync();
                return "";
            }
            await kept.WriteAsync(buffer.Memory[..read], cancellationToken);
        }
        return Encoding.UTF8.GetString(kept.GetBuffer(), 0, (int)kept.Length);
    }

    private async Task EndAsync(ProcessGroup group, TimeSpan grace)
    {
        group.Terminate();
        using var forced = new CancellationTokenSource(grace, time);
        try
        {
            await group.Process.WaitForExitAsync(forced.Token);
        }
        catch (OperationCanceledException)
        {
            group.Kill();
            await group.Process.WaitForExitAsync(CancellationToken.None);
        }
    }

    /// <summary>Reads what is left after the program's end; a grandchild that keeps the pipe open is not waited for.</summary>
    private async Task DrainAsync(Task reading, ProcessGroup group, CancellationTokenSource abandon)
    {
        try
        {
            await reading.WaitAsync(TimeSpan.FromSeconds(2), time);
        }
        catch (TimeoutException)
        {
            // With its end the pipe ends too, and what the program itself printed can still be read.
            group.Kill();
            await ((Task)reading.WaitAsync(TimeSpan.FromSeconds(1), time)).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
            await abandon.CancelAsync();
            await ((Task)reading.WaitAsync(TimeSpan.FromSeconds(1), time)).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        }
        group.Kill();
    }
}

internal static partial class ToolRunnerLog
{
    [LoggerMessage(Level = LogLevel.Debug, Message = "Started `{Command}` as process {Pid}")]
    public static partial void Started(this ILogger logger, ToolCommand command, int pid);

    [LoggerMessage(Level = LogLevel.Debug, Message = "`{Command}` ended with {ExitCode} after {Milliseconds:0} ms")]
    public static partial void Ended(this ILogger logger, ToolCommand command, int exitCode, double milliseconds);
}

using System.Collections.Immutable;
using WatchParty.Tools.Redacting;

namespace WatchParty.Tools.Processes;

/// <summary>A program with its arguments, as a value: built without running anything, compared in tests, run by
/// <see cref="ToolRunner"/>.</summary>
/// <remarks>Arguments are always a list and never pass through a shell.</remarks>
internal sealed record ToolCommand
{
    public ToolCommand(string program, params IEnumerable<string> arguments)
    {
        Program = program;
        Arguments = [.. arguments];
    }

    public string Program { get; }

    public ImmutableArray<string> Arguments { get; init; }

    /// <summary>Folder the program starts in; the worker's own when null.</summary>
    public string? WorkingDirectory { get; init; }

    /// <summary>Variables set on top of the worker's environment; a null value removes one.</summary>
    public ImmutableDictionary<string, string?> Environment { get; init; } = ImmutableDictionary<string, string?>.Empty;

    /// <summary>Text given on standard input. Without it standard input is closed at once, so that no prompt can hang.</summary>
    public string? Input { get; init; }

    /// <summary>Wall-clock limit; the whole process group is ended when it passes.</summary>
    public TimeSpan Timeout { get; init; } = TimeSpan.FromMinutes(2);

    /// <summary>Longest time without any output; the group is ended when it passes. None when null.</summary>
    public TimeSpan? SilenceLimit { get; init; }

    /// <summary>Time between the polite end (SIGTERM) and the forced one (SIGKILL) of the process group.</summary>
    public TimeSpan Grace { get; init; } = TimeSpan.FromSeconds(10);

    /// <summary>Whether it gets a process group of its own on Unix, so that it ends together with all it started, also with what lost its
    /// parent. That costs one program more, 1 to 2 ms; without it its end is that of the tree of its children. Default true.</summary>
    public bool InGroup { get; init; } = true;

    /// <summary>Processor time limit of the program and its children; none when null. Unix only.</summary>
    public TimeSpan? ProcessorLimit { get; init; }

    /// <summary>Most memory for the data of the program and of each of its children, in bytes; none when null. Unix only.</summary>
    public long? MemoryLimit { get; init; }

    /// <summary>Largest standard output kept, in bytes; a program that prints more is ended and reported.</summary>
    public int OutputLimit { get; init; } = 64 * 1024 * 1024;

    public ToolCommand With(string variable, string? value) => this with { Environment = Environment.SetItem(variable, value) };

    /// <summary>The command line as a person would type it; for messages only.</summary>
    public override string ToString() => Redaction.Apply(
        string.Join(' ', Arguments.Prepend(Program)
            .Select(a => a.Length > 0 && a.All(IsPlain) ? a : $"'{a.Replace("'", "'\\''", StringComparison.Ordinal)}'")));

    // What records compare of an ImmutableArray is the array object, not its elements.
    public bool Equals(ToolCommand? other) => other is not null && Program == other.Program
        && Arguments.SequenceEqual(other.Arguments) && WorkingDirectory == other.WorkingDirectory && Input == other.Input
        && Environment.Count == other.Environment.Count
        && Environment.All(p => other.Environment.TryGetValue(p.Key, out var v) && v == p.Value);

    public override int GetHashCode() => HashCode.Combine(Program, Arguments.Length, WorkingDirectory);

    private static bool IsPlain(char c) => char.IsAsciiLetterOrDigit(c) || "-_./:=,@+%".Contains(c, StringComparison.Ordinal);
}

/// <summary>What a program that ended by itself left.</summary>
/// <param name="ExitCode">Exit code; 128 + n for signal n.</param>
/// <param name="Output">Standard output as UTF-8 text.</param>
/// <param name="ErrorTail">The last lines of standard error.</param>
internal sealed record ToolResult(int ExitCode, string Output, string ErrorTail, TimeSpan Elapsed);

/// <summary>A program that could not be started, passed a limit, was ended by a signal, or ended with an exit code that its caller did not
/// expect.</summary>
internal sealed class ToolFailedException(ToolCommand command, int? exitCode, string reason, string tail = "")
    : Exception(Describe(command, reason, tail))
{
    public int? ExitCode { get; } = exitCode;

    /// <summary>Whether a signal ended it, so that its work says nothing about the commit.</summary>
    public bool BySignal => ExitCode is { } code && IsSignal(code);

    /// <summary>Whether an exit code tells of SIGABRT, SIGBUS, SIGKILL, SIGSEGV, SIGTERM or SIGXCPU; 255 is what docker makes of a plugin
    /// that a signal ended (docker/cli, cmd/docker/docker.go). Others above 128 are git's own words.</summary>
    public static bool IsSignal(int exitCode) => exitCode is 128 + 6 or 128 + 7 or 128 + 9 or 128 + 11 or 128 + 15 or 128 + 24 or 255;

    /// <summary>The last lines the program printed, secrets masked.</summary>
    public string Tail { get; } = Redaction.Apply(tail);

    private static string Describe(ToolCommand command, string reason, string tail)
    {
        var line = command.ToString();
        var shown = line.Length > 300 ? string.Concat(line.AsSpan(0, 300), "…") : line;
        return tail.Length == 0 ? $"`{shown}` {reason}" : $"`{shown}` {reason}: {Redaction.Apply(tail.Trim())}";
    }
}

namespace WatchParty.Tools.Processes;

/// <summary>Runs programs.</summary>
internal interface IToolRunner
{
    /// <summary>Runs <paramref name="command"/> and returns its result whatever the exit code.</summary>
    /// <param name="standardError">Reads standard error live; without it only the last lines are kept.</param>
    /// <exception cref="ToolFailedException">The program could not be started, passed a limit, or was ended by a signal.</exception>
    /// <exception cref="OperationCanceledException">Cancelled; the program and all that it started have ended when this is
    /// thrown.</exception>
    Task<ToolResult> RunAsync(ToolCommand command, StreamReading? standardError, CancellationToken cancellationToken);
}

/// <summary>The usual ways to run a program.</summary>
internal static class ToolRuns
{
    public static Task<ToolResult> RunAsync(this IToolRunner runner, ToolCommand command, CancellationToken cancellationToken) =>
        runner.RunAsync(command, null, cancellationToken);

    /// <summary>Runs <paramref name="command"/> and returns its standard output.</summary>
    /// <exception cref="ToolFailedException">Also for every exit code but 0.</exception>
    public static async Task<string> OutputOfAsync(this IToolRunner runner, ToolCommand command, CancellationToken cancellationToken)
    {
        var result = await runner.RunAsync(command, cancellationToken);
        return result.ExitCode == 0
            ? result.Output
            : throw new ToolFailedException(command, result.ExitCode, $"exited with {result.ExitCode}", result.ErrorTail);
    }
}

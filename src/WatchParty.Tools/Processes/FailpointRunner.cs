namespace WatchParty.Tools.Processes;

/// <summary>A runner with <see cref="Failpoints"/> before and after each program.</summary>
internal sealed class FailpointRunner(IToolRunner runner, Failpoints points) : IToolRunner
{
    public Task<ToolResult> RunAsync(ToolCommand command, StreamReading? standardError, CancellationToken cancellationToken) =>
        points.AroundAsync(Failpoints.NameOf(command), () => runner.RunAsync(command, standardError, cancellationToken));
}

using WatchParty.Worker.Building;
using WatchParty.Worker.Configuration;
using WatchParty.Worker.Planning;
using WatchParty.Worker.Tools;

namespace WatchParty.Worker.Caching;

/// <summary>What came of a bake that must not run anything.</summary>
/// <param name="WouldRun">The first step that is not in the cache; the bake was stopped there. Null when everything was cached.</param>
/// <param name="Error">Why the bake failed, or null.</param>
internal sealed record GuardedBakeResult(string? WouldRun, string? Error)
{
    /// <summary>What had begun to run before the stop reached it. What is quick, such as a COPY, may have ended and is in the cache now.</summary>
    public IReadOnlyCollection<StepName> Begun { get; init; } = [];

    /// <summary>Bake's name of the target whose step that is; empty when there was only one.</summary>
    public string Target { get; init; } = "";

    public bool AllCached => WouldRun is null && Error is null;
}

/// <summary>Bakes what should all be cached, and stops at the first step that is not.</summary>
internal sealed class GuardedBake(BuildOptions options, ComposeProject project, BuildDefinitions definitions, IToolRunner runner)
{
    private static readonly TimeSpan Limit = TimeSpan.FromMinutes(15);

    /// <param name="makesImages">Whether the targets' images are made; otherwise nothing is exported but the cache.</param>
    public async Task<GuardedBakeResult> RunAsync(ComposeModel model, IReadOnlyList<BakeTarget> targets, bool makesImages, CancellationToken cancellationToken)
    {
        var names = targets.Select(t => t.Name).ToList();
        var file = Bake.File(model, await definitions.OfAsync(model, cancellationToken), targets, options);
        var command = (makesImages
            ? DockerCommands.Bake(project, options, file, names, withoutCache: false, pull: false)
            : DockerCommands.BakeNothing(project, options, file, names)) with
        { Timeout = Limit };
        string? wouldRun = null;
        string? error = null;
        var target = "";
        List<StepName> begun = [];
        using var stop = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        void Look(TraceEvent e)
        {
            if (e is TextEvent { Line.Length: > 0 } line) { error = line.Line; }
            if (e is VertexEvent { Error: { } failed }) { error = failed; }
            // A step from the cache is cached from its first event on; one that starts without that would run.
            if (e is not VertexEvent { Started: not null, Cached: false, Error: null } vertex) { return; }
            var name = StepName.Parse(vertex.Name, names);
            if (!name.IsCounted) { return; }
            begun.Add(name);
            if (wouldRun is not null) { return; }
            wouldRun = name.Text;
            target = name.Target;
            stop.Cancel();
        }
        try
        {
            var result = await runner.RunAsync(command, (stream, token) => BuildTrace.ReadAsync(stream, Look, token), stop.Token);
            return new GuardedBakeResult(wouldRun, result.ExitCode == 0 || wouldRun is not null ? null : error ?? $"exit code {result.ExitCode}") { Begun = begun, Target = target };
        }
        catch (OperationCanceledException) when (!cancellationToken.IsCancellationRequested)
        {
            return new GuardedBakeResult(wouldRun, null) { Begun = begun, Target = target };
        }
        catch (ToolFailedException e)
        {
            return new GuardedBakeResult(wouldRun, e.Message);
        }
    }
}

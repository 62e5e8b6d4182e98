using System.Collections.Immutable;
using System.Text.Json.Nodes;
using Microsoft.Extensions.Logging;
using WatchParty.Worker.Configuration;
using WatchParty.Worker.Hosting;
using WatchParty.Worker.Planning;
using WatchParty.Worker.Releasing;
using WatchParty.Worker.Tools;

namespace WatchParty.Worker.Deploying;

/// <summary>Brings the containers to the model, with the images that exist, and touches none that is as it should be.</summary>
internal sealed class Deployer(WorkerOptions options, StateFolder state, ComposeProject project, IToolRunner runner, IDockerEngine engine, Ownership ownership, ProgressFeed progress, ILogger<Deployer> logger)
{
    private (string? Model, Task<IReadOnlyDictionary<string, string>?>? Hashes) _ahead;

    /// <summary>Asks compose already now, while images are built, what <see cref="DecideAsync"/> will need of it. Does not wait for the answer.</summary>
    public async Task AskAheadAsync(ReleasePlan plan, CancellationToken cancellationToken)
    {
        if (plan.Builds.Count == 0) { return; }
        var model = WithSharedContainers(plan.Model, await LookAsync(plan.Model, cancellationToken));
        _ahead = (model, HashesAsync(plan.Model.Project, model, cancellationToken));
    }

    /// <summary>Whether anything of <paramref name="plan"/> is not running as it should, so that compose has to be called.</summary>
    public async Task<bool> IsNeededAsync(ReleasePlan plan, CancellationToken cancellationToken)
    {
        if (plan.ConfigurationChanged || plan.Builds.Count > 0 || plan.Restarts.Count > 0) { return true; }
        var containers = await engine.ContainersAsync(plan.Model.Project, cancellationToken);
        return plan.Model.Services.Any(s => !s.OneShot && containers.Count(c => c.Service == s.Name && c.State == "running") != s.Replicas);
    }

    /// <param name="restarts">Services to restart whose containers may stay otherwise, with the reason.</param>
    /// <param name="whole">Whether compose has to look at the whole application whatever the containers are.</param>
    public async Task<Deployment> DecideAsync(ComposeModel model, IReadOnlyDictionary<string, string> restarts, bool whole, CancellationToken cancellationToken)
    {
        var before = await LookAsync(model, cancellationToken);
        // Compose up to 2.29.2 hashes what a service depends on, and differently when that is not in the model (profiles).
        if (whole || before.All.IsEmpty || model.Services.Any(s => s.DependsOn.Any(d => model.Services.All(other => other.Name != d))) || await HashesAsync(model, before, cancellationToken) is not { } hashes)
        {
            return new Deployment(model, null, restarts, before);
        }
        var differing = Deployment.Differing(model, before, hashes, await engine.ImageIdsAsync(model.Services.Select(s => s.Image), cancellationToken));
        return new Deployment(model, differing, restarts, before);
    }

    public async Task<ContainerSet> LookAsync(ComposeModel model, CancellationToken cancellationToken)
    {
        var containers = await Task.WhenAll((await engine.ContainersAsync(model.Project, cancellationToken)).Select(async summary =>
            await engine.FindContainerAsync(summary.Id, cancellationToken) is { } details ? SeenContainer.Of(summary, details) : null));
        return new ContainerSet([.. containers.OfType<SeenContainer>()]);
    }

    /// <summary>Removes what the model has no more, runs <c>compose up</c> for what differs, then restarts what only has to start again. It is not cut short by a stop of the worker,
    /// because a killed <c>compose up</c> leaves services down; <paramref name="hardStop"/> is the limit.</summary>
    /// <returns>What compose complained about, or null. Whether all is well is for <see cref="Verifying.HealthVerifier"/> to say.</returns>
    /// <exception cref="ToolFailedException">Compose did not come to an end.</exception>
    public async Task<string?> UpAsync(string commit, Deployment deployment, CancellationToken hardStop, bool pullNever = false)
    {
        var complaint = await ownership.MakeRoomAsync(deployment.Model, commit, hardStop);
        if (deployment.Services is not { IsEmpty: true })
        {
            progress.Report(deployment.Services is null ? "docker compose up" : $"docker compose up {string.Join(' ', deployment.Services)}");
            var result = await runner.RunAsync(DockerCommands.ComposeUp(ProjectOf(deployment.Model), commit, options.Deploy.WaitTimeout, pullNever, deployment.Services ?? []), hardStop);
            if (result.ExitCode != 0) { complaint = LastLines(result.ErrorTail); }
        }
        return await RestartAsync(deployment, hardStop) ?? complaint;
    }

    /// <summary>How compose is called for <paramref name="model"/>: with what that was resolved with, and with its other images in a file of ours.</summary>
    private ComposeProject ProjectOf(ComposeModel model)
    {
        var asked = model.Source is { } source ? project.With(source) : project;
        if (model.Override is not { } text) { return asked; }
        // Compose writes its path into the containers, so it stays.
        var file = Path.Combine(state.Path, "kept-images.json");
        File.WriteAllText(file, text);
        return asked with { FurtherFiles = [file] };
    }

    /// <summary>Restarts the containers that have to and were not touched yet, then those of the services that follow them. A restart opens mounted
    /// files again and is over sooner than a replacement.</summary>
    /// <returns>What the engine complained about, or null.</returns>
    private async Task<string?> RestartAsync(Deployment deployment, CancellationToken cancellationToken)
    {
        try
        {
            for (var (next, done) = (deployment.Restarts.Keys.ToHashSet(), new HashSet<string>()); next.Count > 0;)
            {
                var now = await LookAsync(deployment.Model, cancellationToken);
                var untouched = next.Where(s => !now.Touched(s, deployment.Before)).ToHashSet();
                if (untouched.Count > 0) { progress.Report($"restarting {string.Join(", ", untouched)}"); }
                await Task.WhenAll(now.All.Where(c => untouched.Contains(c.Service)).Select(c => engine.RestartAsync(c.Id, cancellationToken)));
                done.UnionWith(next);
                next = [.. deployment.Model.Services.Where(s => s.Follows.Overlaps(untouched) && !done.Contains(s.Name)).Select(s => s.Name)];
            }
            return null;
        }
        catch (WorkerException e)
        {
            // A file that the commit took away keeps the container from starting; that it is down is seen by who verifies.
            return e.Message;
        }
    }

    private async Task<IReadOnlyDictionary<string, string>?> HashesAsync(ComposeModel model, ContainerSet containers, CancellationToken cancellationToken)
    {
        var asked = WithSharedContainers(model, containers);
        // That of a build which was cancelled was cancelled with it.
        return asked == _ahead.Model && _ahead.Hashes is { IsCanceled: false, IsFaulted: false } ? await _ahead.Hashes.WaitAsync(cancellationToken) : await HashesAsync(model.Project, asked, cancellationToken);
    }

    /// <summary>What compose makes of the configuration of each service; null when it does not say.</summary>
    /// <remarks>The resolved model is what goes in, because compose leaves out env files when it is asked for hashes of its own files.</remarks>
    private async Task<IReadOnlyDictionary<string, string>?> HashesAsync(string name, string model, CancellationToken cancellationToken)
    {
        try
        {
            var lines = await runner.OutputOfAsync(DockerCommands.ComposeHashes(project, name, model), cancellationToken);
            return lines.Split('\n').Select(l => l.Trim().Split(' ')).Where(p => p.Length == 2).ToDictionary(p => p[0], p => p[1]);
        }
        catch (ToolFailedException e)
        {
            logger.NoHashes(e.Message);
            return null;
        }
    }

    /// <summary>The model with containers in the place of services whose namespaces are shared, as compose has it when it hashes a service.</summary>
    private static string WithSharedContainers(ComposeModel model, ContainerSet containers)
    {
        var root = JsonNode.Parse(model.Text)!.AsObject();
        foreach (var service in (root["services"] as JsonObject ?? []).Select(s => s.Value).OfType<JsonObject>())
        {
            foreach (var kind in ComposeService.SharedNamespaces)
            {
                if (ComposeService.SharedWith(service[kind]?.GetValue<string>()) is { } other && containers.Of(other) is [var first, ..]) { service[kind] = $"container:{first.Id}"; }
            }
        }
        return root.ToJsonString();
    }

    private static string LastLines(string text) => string.Join("; ", text.Split('\n', StringSplitOptions.RemoveEmptyEntries | StringSplitOptions.TrimEntries)
        .Where(l => l.Contains("rror", StringComparison.Ordinal) || l.Contains("unhealthy", StringComparison.Ordinal) || l.Contains("not healthy", StringComparison.Ordinal) || l.Contains("exited", StringComparison.Ordinal))
        .DefaultIfEmpty(text.Trim().Split('\n')[^1]).TakeLast(3));
}

internal static partial class DeployerLog
{
    [LoggerMessage(Level = LogLevel.Warning, Message = "Compose looks at the whole application, because it does not say what differs: {Reason}")]
    public static partial void NoHashes(this ILogger logger, string reason);
}

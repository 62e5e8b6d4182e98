using System.Collections.Immutable;
using WatchParty.Worker.Configuration;
using WatchParty.Worker.Planning;
using WatchParty.Worker.Releasing;
using WatchParty.Worker.Tools;

namespace WatchParty.Worker.Deploying;

/// <summary>Containers by service before or after a deployment.</summary>
internal sealed record ContainerSet(ImmutableDictionary<string, ImmutableHashSet<string>> Ids, ImmutableDictionary<string, ImmutableHashSet<string>> Images)
{
    public static ContainerSet Of(IEnumerable<ContainerSummary> containers)
    {
        var byService = containers.ToLookup(c => c.Service);
        return new ContainerSet(
            byService.ToImmutableDictionary(g => g.Key, g => g.Select(c => c.Id).ToImmutableHashSet()),
            byService.ToImmutableDictionary(g => g.Key, g => g.Select(c => c.ImageID).ToImmutableHashSet()));
    }
}

/// <summary>A deployment that compose itself called failed.</summary>
internal sealed class DeployFailedException(string message) : Exception(message);

/// <summary>Brings the containers to the model, with the images that exist.</summary>
internal sealed class Deployer(WorkerOptions options, ComposeProject project, ToolRunner runner, DockerEngine engine, ProgressFeed progress)
{
    /// <summary>Whether anything of <paramref name="plan"/> is not running as it should, so that compose has to be called.</summary>
    public async Task<bool> IsNeededAsync(ReleasePlan plan, CancellationToken cancellationToken)
    {
        if (plan.ConfigurationChanged || plan.Builds.Count > 0) { return true; }
        var containers = await engine.ContainersAsync(plan.Model.Project, cancellationToken);
        return plan.Model.Services.Any(s => !s.OneShot && containers.Count(c => c.Service == s.Name && c.State == "running") != s.Replicas);
    }

    public async Task<ContainerSet> LookAsync(ComposeModel model, CancellationToken cancellationToken) =>
        ContainerSet.Of(await engine.ContainersAsync(model.Project, cancellationToken));

    /// <summary>Runs <c>compose up</c>. It is not cut short by a stop of the worker, because a killed one leaves services down;
    /// <paramref name="hardStop"/> is the limit.</summary>
    /// <returns>What compose complained about, or null. Its word on health is not the last one: a one-shot service that
    /// ended well counts as a failure for it, and a crash loop without a health check as success.</returns>
    /// <exception cref="ToolFailedException">Compose did not come to an end.</exception>
    public async Task<string?> UpAsync(string commit, CancellationToken hardStop)
    {
        progress.Report("docker compose up");
        var result = await runner.RunAsync(DockerCommands.ComposeUp(project, commit, options.Deploy.WaitTimeout), hardStop);
        return result.ExitCode == 0 ? null : LastLines(result.ErrorTail);
    }

    /// <summary>What the deployment did to each service that was not built.</summary>
    public static IEnumerable<(string Service, string Image, ServiceAction Action, string Reason)> Effects(ReleasePlan plan, ContainerSet before, ContainerSet after)
    {
        foreach (var service in plan.Services.Where(s => s.Action != ServiceAction.Built))
        {
            var was = before.Ids.GetValueOrDefault(service.Name, []);
            var now = after.Ids.GetValueOrDefault(service.Name, []);
            if (now.SetEquals(was)) { continue; }
            var sameImage = before.Images.GetValueOrDefault(service.Name, []).SetEquals(after.Images.GetValueOrDefault(service.Name, []));
            var builder = plan.Builds.FirstOrDefault(b => b.Service.Image == service.Service.Image);
            yield return (service.Name, service.Service.Image, ServiceAction.Restarted,
                was.Count == 0 ? "it was not running"
                : sameImage ? "its configuration changed"
                : builder is null ? $"image {service.Service.Image} changed" : $"it runs the image of {builder.Name}");
        }
        foreach (var removed in before.Ids.Keys.Where(name => name.Length > 0 && !after.Ids.ContainsKey(name) && plan.Services.All(s => s.Name != name)))
        {
            yield return (removed, "", ServiceAction.Removed, "it is no longer in the compose file");
        }
    }

    private static string LastLines(string text) => string.Join("; ", text.Split('\n', StringSplitOptions.RemoveEmptyEntries | StringSplitOptions.TrimEntries)
        .Where(l => l.Contains("rror", StringComparison.Ordinal) || l.Contains("unhealthy", StringComparison.Ordinal) || l.Contains("not healthy", StringComparison.Ordinal) || l.Contains("exited", StringComparison.Ordinal))
        .DefaultIfEmpty(text.Trim().Split('\n')[^1]).TakeLast(3));
}

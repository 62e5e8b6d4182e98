using System.Collections.Immutable;
using WatchParty.Worker.Configuration;
using WatchParty.Worker.Planning;
using WatchParty.Worker.Releasing;
using WatchParty.Worker.Tools;

namespace WatchParty.Worker.Deploying;

/// <summary>Containers by service before or after a deployment.</summary>
/// <param name="Configurations">Hashes that compose gave the containers' configuration.</param>
internal sealed record ContainerSet(
    ImmutableDictionary<string, ImmutableHashSet<string>> Ids, ImmutableDictionary<string, ImmutableHashSet<string>> Images, ImmutableDictionary<string, ImmutableHashSet<string>> Configurations)
{
    public static ContainerSet Of(IEnumerable<ContainerSummary> containers)
    {
        var byService = containers.ToLookup(c => c.Service);
        ImmutableDictionary<string, ImmutableHashSet<string>> Each(Func<ContainerSummary, string> value) =>
            byService.ToImmutableDictionary(g => g.Key, g => g.Select(value).ToImmutableHashSet());
        return new ContainerSet(Each(c => c.Id), Each(c => c.ImageID), Each(c => c.Labels.GetValueOrDefault("com.docker.compose.config-hash", "")));
    }

    /// <summary>Whether a service has the same values of one kind in both sets.</summary>
    public static bool Same(string service, ImmutableDictionary<string, ImmutableHashSet<string>> a, ImmutableDictionary<string, ImmutableHashSet<string>> b) =>
        a.GetValueOrDefault(service, []).SetEquals(b.GetValueOrDefault(service, []));
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
            if (ContainerSet.Same(service.Name, before.Ids, after.Ids)) { continue; }
            var builder = plan.Builds.FirstOrDefault(b => b.Service.Image == service.Service.Image);
            yield return (service.Name, service.Service.Image, ServiceAction.Restarted,
                !before.Ids.ContainsKey(service.Name) ? "it was not running"
                : !ContainerSet.Same(service.Name, before.Configurations, after.Configurations) ? "its configuration changed"
                : ContainerSet.Same(service.Name, before.Images, after.Images) ? "compose replaced it together with a service that it depends on"
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

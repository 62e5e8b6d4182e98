using WatchParty.Worker.Building;
using WatchParty.Worker.Planning;

namespace WatchParty.Worker.Caching;

/// <summary>One stage that the next build of a service needs.</summary>
/// <param name="Name">Name of the stage; null for the service's own target.</param>
/// <param name="Dockerfile">The Dockerfile with every stage named, when it has stages without a name; null when it can stay as it is.</param>
internal sealed record LiveStage(string? Name, string? Dockerfile);

/// <summary>A built service with the stages that its next build needs, at the commit it was last built with.</summary>
internal sealed record LiveService(ComposeService Service, string Commit, IReadOnlyList<LiveStage> Stages)
{
    /// <summary>One target for each stage, the service's own last, of which nothing is made and which use the builder's own cache alone.</summary>
    public IEnumerable<BakeTarget> Targets() =>
        Stages.Select((stage, i) => new BakeTarget($"{Bake.Target(Service.Name)}-{i}", Service, Commit, []) { Stage = stage.Name, Dockerfile = stage.Name is null ? null : stage.Dockerfile });
}

/// <summary>The live set: of every built service, each stage that its target needs, at the commit and the arguments it was last
/// built with. Exactly what the next build will look for in the cache.</summary>
internal static class LiveSet
{
    /// <param name="deployed">The deployed release's services by name. One that was never built has no live set.</param>
    public static async Task<IReadOnlyList<LiveService>> ReadAsync(ComposeModel model, IReadOnlyDictionary<string, DeployedService> deployed, CancellationToken cancellationToken)
    {
        List<LiveService> live = [];
        foreach (var service in model.Built.DistinctBy(s => (s.Image, s.Build!.Content.ToJsonString())))
        {
            if (deployed.GetValueOrDefault(service.Name)?.Basis is not { } basis) { continue; }
            live.Add(Of(service, basis.Commit, await BuildBasisReader.DockerfileOfAsync(service.Build!, cancellationToken)));
        }
        return live;
    }

    internal static LiveService Of(ComposeService service, string commit, string dockerfile)
    {
        var target = service.Build!.Target;
        var needed = Dockerfile.Parse(dockerfile).NeededStages(target, service.Build.Arguments);
        var stages = needed.Where(s => !IsTarget(s)).ToList();
        // A stage can be asked for only by its name.
        var named = stages.Exists(s => s.Name is null) ? Dockerfile.WithNamedStages(dockerfile) : null;
        return new LiveService(service, commit,
            [.. stages.Select(s => new LiveStage(s.Name ?? Dockerfile.NameFor(s.Index), named)), new LiveStage(null, null)]);

        bool IsTarget(DockerfileStage stage) =>
            target is null ? stage == needed[^1] : string.Equals(stage.Name, target, StringComparison.OrdinalIgnoreCase);
    }
}

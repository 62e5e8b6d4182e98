using WatchParty.Releases.Baking;
using WatchParty.Releases.Planning;
using WatchParty.Tools.Configuration;

namespace WatchParty.Releases.Caching;

/// <summary>One stage that the next build of a service needs.</summary>
/// <param name="Name">Name of the stage; null for the service's own target.</param>
/// <param name="Dockerfile">Text that stands for the Dockerfile; null when it can stay as it is.</param>
internal sealed record LiveStage(string? Name, string? Dockerfile);

/// <summary>A built service with the stages that its next build needs, at the commit it was last built with.</summary>
internal sealed record LiveService(ComposeService Service, string Commit, IReadOnlyList<LiveStage> Stages)
{
    /// <summary>The stages that can help the next commit, each up to its first step that this commit's name reaches.</summary>
    public IReadOnlyList<LiveStage> Lasting { get; init; } = Stages;

    /// <summary>One target for each stage, the service's own last, of which nothing is made and which use the builder's own cache
    /// alone.</summary>
    public IEnumerable<BakeTarget> Targets() =>
        Stages.Select(
            (stage, i) =>
                new BakeTarget($"{Bake.Target(Service.Name)}-{i}", Service, Commit,
                    [])
                { Stage = stage.Name, Dockerfile = stage.Dockerfile });

    /// <summary>The same service with what lasts alone.</summary>
    public LiveService OfLasting() => this with { Stages = Lasting };
}

/// <summary>The live set: of every built service, each stage that its target needs, at the commit and the arguments it was last
/// built with. Exactly what the next build will look for in the cache.</summary>
internal sealed class LiveSet(BuildOptions options, RemoteDockerfile remote)
{
    /// <param name="deployed">The deployed release's services by name. One that was never built has no live set.</param>
    public async Task<IReadOnlyList<LiveService>> ReadAsync(ComposeModel model, IReadOnlyDictionary<string, DeployedService> deployed,
        CancellationToken cancellationToken)
    {
        List<LiveService> live = [];
        foreach (var service in model.Built.DistinctBy(s => (s.Image, s.Build!.Content.ToJsonString())))
        {
            if (deployed.GetValueOrDefault(service.Name)?.Basis is { } basis)
            {
                live.Add(await OfAsync(model, service, basis.Commit, cancellationToken));
            }
        }
        return live;
    }

    public async Task<LiveService> OfAsync(ComposeModel model, ComposeService service, string commit, CancellationToken cancellationToken)
    {
        var text = BuildBasisReader.DockerfileOf(service.Build!);
        if (text.Length == 0) { text = await remote.ReadAsync(model, service, commit, cancellationToken); }
        return Of(service, commit, text, options.CommitArgument);
    }

    internal static LiveService Of(ComposeService service, string commit, string dockerfile, string commitArgument)
    {
        var target = service.Build!.Target;
        var needed = Dockerfile.Parse(dockerfile).NeededStages(target, service.Build.Arguments);
        var stages = needed.Where(s => !IsTarget(s)).ToList();
        // A stage can be asked for only by its name.
        var named = stages.Exists(s => s.Name is null) ? Dockerfile.WithNamedStages(dockerfile) : null;
        List<LiveStage> live = [.. stages.Select(s => new LiveStage(s.Name ?? Dockerfile.NameFor(s.Index), named)),
            new LiveStage(null, null)];

        var reach = new CommitReach(named ?? dockerfile,
            [commitArgument, .. service.Build.Arguments.Where(a => a.Value.Contains(commit, StringComparison.Ordinal)).Select(a => a.Key)]);
        // Own target last, as above; of a file that cannot be read it is all that is known.
        var ordered = stages.Concat(needed.Where(IsTarget)).ToList();
        return new LiveService(service, commit, live)
        {
            Lasting = ordered.Count < live.Count ? live
                : [.. ordered.Zip(live).Where(p => reach.LeavesSteps(p.First))
                    .Select(p => p.Second with { Dockerfile = reach.TextUpTo(p.First) ?? p.Second.Dockerfile })],
        };

        bool IsTarget(DockerfileStage stage) =>
            target is null ? stage == needed[^1] : string.Equals(stage.Name, target, StringComparison.OrdinalIgnoreCase);
    }
}

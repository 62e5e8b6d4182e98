using System.Collections.Immutable;
using WatchParty.Releases.Planning;
using WatchParty.Tools.Docker;

namespace WatchParty.Releases.Deploying;

/// <summary>A container as it was when it was looked at.</summary>
/// <param name="Image">Id of the image it runs.</param>
/// <param name="Configuration">Hash that compose gave its configuration.</param>
/// <param name="StartedAt">When it was last started, as the engine writes it.</param>
internal sealed record SeenContainer(string Service, string Name, string Id, string Image, string Configuration, string Status,
    int ExitCode, string StartedAt, int Restarts)
{
    public static SeenContainer Of(ContainerSummary summary, ContainerDetails details) => new(
        summary.Service, details.Name, summary.Id, summary.ImageID, summary.Labels.GetValueOrDefault("com.docker.compose.config-hash", ""),
        details.State.Status, details.State.ExitCode, details.State.StartedAt, details.RestartCount)
    {
        ImageByCompose = summary.Labels.GetValueOrDefault("com.docker.compose.image", ""),
        Details = details,
    };

    /// <summary>Id of its image as compose found it, which on the containerd store may be that of an index.</summary>
    public string ImageByCompose { get; init; } = "";

    /// <summary>All that the engine said of it.</summary>
    public ContainerDetails? Details { get; init; }

    public string? Health => Details?.State.Health?.Status;

    public bool Runs => Status == "running";

    public bool EndedWell => this is { Status: "exited", ExitCode: 0 };

    /// <summary>Whether this is <paramref name="before"/> and was not started since, by anybody but its restart policy.</summary>
    public bool IsUntouchedSince(SeenContainer before) => Id == before.Id && (StartedAt == before.StartedAt || Restarts > before.Restarts);
}

/// <summary>The containers of an application at one time.</summary>
internal sealed record ContainerSet(ImmutableArray<SeenContainer> All)
{
    public static async Task<ContainerSet> LookAsync(IDockerEngine engine, string project, CancellationToken cancellationToken)
    {
        var containers = await Task.WhenAll((await engine.ContainersAsync(project, cancellationToken)).Select(async summary =>
            await engine.FindContainerAsync(summary.Id, cancellationToken) is { } details ? SeenContainer.Of(summary, details) : null));
        return new ContainerSet([.. containers.OfType<SeenContainer>()]);
    }

    public IEnumerable<string> Services => All.Select(c => c.Service).Where(s => s.Length > 0).Distinct();

    /// <summary>Those of <paramref name="service"/>, in the order in which compose counts them.</summary>
    public IReadOnlyList<SeenContainer> Of(string service) =>
        [.. All.Where(c => c.Service == service).OrderBy(c => c.Name, StringComparer.Ordinal)];

    /// <summary>Whether a service has other containers than in <paramref name="before"/>, or one that was started since.</summary>
    public bool Touched(string service, ContainerSet before)
    {
        var (now, then) = (Of(service), before.Of(service).ToDictionary(c => c.Id));
        return now.Count != then.Count || now.Any(c => !then.TryGetValue(c.Id, out var known) || !c.IsUntouchedSince(known));
    }

    /// <summary>Whether a container of a service goes on as it was in <paramref name="before"/>: of several compose may have made only one
    /// anew.</summary>
    public bool GoesOn(string service, ContainerSet before) =>
        Of(service).Any(c => before.Of(service).FirstOrDefault(b => b.Id == c.Id) is { } known && c.IsUntouchedSince(known));

    /// <summary>Whether nobody but their own restart policies did anything to any container since <paramref name="before"/>: none came,
    /// went, was started, stopped, or attached to another network.</summary>
    public bool IsUntouchedSince(ContainerSet before)
    {
        var then = before.All.ToDictionary(c => c.Id);
        return All.Length == then.Count && All.All(c => then.TryGetValue(c.Id, out var known) && c.IsUntouchedSince(known)
            && (c.Status == known.Status || c.Restarts > known.Restarts) && Networks(c).SetEquals(Networks(known)));

        static HashSet<string?> Networks(SeenContainer container) =>
            [.. container.Details?.NetworkSettings?.Networks?.Values.Select(n => n.NetworkID) ?? []];
    }

    /// <summary>Whether the containers of a service differ from those of <paramref name="before"/> in <paramref name="value"/>.</summary>
    public bool Differs(string service, ContainerSet before, Func<SeenContainer, string> value) =>
        !Of(service).Select(value).ToHashSet().SetEquals(before.Of(service).Select(value));

    /// <summary>Whether a service has as many containers as it should have, each of them in a state of which <paramref name="isRight"/>
    /// holds.</summary>
    public bool IsUp(ComposeService service, Func<SeenContainer, bool> isRight) =>
        Of(service.Name) is var own && own.Count == service.Replicas && own.All(isRight);
}

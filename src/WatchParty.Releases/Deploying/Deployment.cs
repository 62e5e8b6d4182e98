using System.Collections.Immutable;
using WatchParty.Releases.Planning;

namespace WatchParty.Releases.Deploying;

/// <summary>What a deployment has to touch, decided before anything is touched.</summary>
/// <param name="Services">The services that compose has to look at; null for the whole application.</param>
/// <param name="Reactions">What a service gets because of what it mounts, if its containers may stay otherwise.</param>
/// <param name="Before">The containers before.</param>
internal sealed record Deployment(ComposeModel Model, ImmutableSortedSet<string>? Services,
    IReadOnlyDictionary<string, MountReaction> Reactions, ContainerSet Before)
{
    public static IReadOnlyDictionary<string, MountReaction> NoReactions { get; } = ImmutableDictionary<string, MountReaction>.Empty;

    /// <summary>What is mounted when it begins.</summary>
    public MountsSeen Mounts { get; init; } = MountsSeen.None;

    /// <summary>Id of the image that each service has to run; null for those that the image names of the model stand for.</summary>
    public IReadOnlyDictionary<string, string>? Images { get; init; }

    /// <summary>The services whose containers are not what <paramref name="model"/> says, and those that have to follow one of
    /// them.</summary>
    /// <remarks>One service too many does no harm, since compose compares once more; where the hash cannot be had exactly, as with
    /// <c>volumes_from</c>, it is one too many.</remarks>
    public static ImmutableSortedSet<string> Differing(ComposeModel model, ContainerSet containers, Expected expected)
    {
        // What has ended compose starts again, as it does on every `up`; but what others await runs again with them and not without.
        bool IsUp(ComposeService service) => containers.IsUp(service, c => c.Runs || (c.EndedWell && service.IsAwaited));
        return WithFollowers(model,
            [.. Differences.Of(model, containers, expected).Select(d => d.Service), .. model.Services.Where(s => !IsUp(s))
                .Select(s => s.Name)]);
    }

    /// <summary>Services with those that have to follow one of them.</summary>
    public static ImmutableSortedSet<string> WithFollowers(ComposeModel model, IEnumerable<string> services)
    {
        var all = services.ToImmutableSortedSet(StringComparer.Ordinal);
        for (var known = -1; known < all.Count;)
        {
            known = all.Count;
            all = all.Union(model.Services.Where(s => s.Follows.Overlaps(all)).Select(s => s.Name));
        }
        return all;
    }

    /// <summary>What the deployment did to each service that was not built.</summary>
    public IEnumerable<ServiceEffect> Effects(ReleasePlan plan, ContainerSet after)
    {
        foreach (var service in plan.Services.Where(s => s.Action != ServiceAction.Built && after.Touched(s.Name, Before)))
        {
            yield return new ServiceEffect(service.Name, service.Service.Image, ServiceAction.Restarted,
                ReasonFor(service.Service, plan, after));
        }
        foreach (var service in plan.Services.Where(s => s.Action != ServiceAction.Built && !after.Touched(s.Name, Before)))
        {
            if (Reactions.GetValueOrDefault(service.Name) is { Handling: MountHandling.Signal or MountHandling.Ignore } reaction)
            {
                yield return new ServiceEffect(service.Name, service.Service.Image, ServiceAction.Unchanged, reaction.Reason);
            }
        }
        foreach (var removed in Before.Services.Except(after.Services).Where(name => plan.Services.All(s => s.Name != name)))
        {
            yield return new ServiceEffect(removed, "", ServiceAction.Removed, "it is no longer in the compose file");
        }
    }

    /// <summary>What is left of the deployment when the release before it was brought back, in which the containers are now
    /// <paramref name="after"/>.</summary>
    public IEnumerable<ServiceEffect> EffectsUndone(ReleasePlan plan, ContainerSet after)
    {
        foreach (var service in plan.Services.Where(s => s.Action != ServiceAction.Built))
        {
            if (after.Touched(service.Name, Before))
            {
                yield return new ServiceEffect(service.Name, service.Service.Image, ServiceAction.Restarted,
                    "it was replaced, and brought back with the release before");
            }
            else if (service.Service.Replicas > 0 && after.Of(service.Name).Count == 0)
            {
                yield return new ServiceEffect(service.Name, service.Service.Image, ServiceAction.Removed,
                    "it came with this commit and went with it");
            }
        }
        foreach (var removed in Before.Services.Where(name => plan.Services.All(s => s.Name != name) && after.Touched(name, Before)))
        {
            yield return new ServiceEffect(removed, "", ServiceAction.Restarted,
                "it is not in the compose file of this commit, and came back with the release before");
        }
    }

    private string ReasonFor(ComposeService service, ReleasePlan plan, ContainerSet after)
    {
        if (Before.Of(service.Name).Count == 0) { return "it was not running"; }
        var leader = service.Follows.Order(StringComparer.Ordinal).FirstOrDefault(name => after.Touched(name, Before));
        // The configuration of a container that shares a namespace names the other container.
        if (leader is null && after.Differs(service.Name, Before, c => c.Configuration)) { return "its configuration changed"; }
        if (after.Differs(service.Name, Before, c => c.Image))
        {
            return plan.Builds.FirstOrDefault(b => b.Service.Image == service.Image) is { } builder
                ? $"it runs the image of {builder.Name}"
                : $"image {service.Image} changed";
        }
        if (leader is not null) { return $"it has to follow {leader}"; }
        if (Reactions.TryGetValue(service.Name, out var reaction)) { return reaction.Reason; }
        if (service.OneShot && Before.IsUp(service, c => c.EndedWell)) { return "it had ended and runs again"; }
        return Before.IsUp(service, c => c.Runs) ? "compose replaced it together with a service that it depends on" : "it was not running";
    }
}

/// <summary>What happened to a service that was not built.</summary>
internal sealed record ServiceEffect(string Service, string Image, ServiceAction Action, string Reason);

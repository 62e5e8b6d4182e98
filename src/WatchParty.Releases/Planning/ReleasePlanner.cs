using System.Collections.Immutable;

namespace WatchParty.Releases.Planning;

/// <summary>What the last healthy release left of a service.</summary>
/// <param name="Commit">Commit whose files <paramref name="Inputs"/> describes.</param>
/// <param name="Basis">What its image was built with; null for a service that is not built here.</param>
internal sealed record DeployedService(string Name, string? ImageId, BuildInputs? Inputs, string Commit, BuildBasis? Basis = null);

/// <summary>What an image was built with, as far as the steps of its next build are explained by it.</summary>
/// <param name="Commit">Value of the commit argument; later releases that did not build the service keep it.</param>
/// <param name="Dockerfile">Text of the Dockerfile.</param>
/// <param name="Arguments">Hash of each build argument's value.</param>
/// <param name="BaseImages">Id of each base image by its name; empty for one that this engine has no image of.</param>
internal sealed record BuildBasis(string Commit, string Dockerfile, IReadOnlyDictionary<string, string> Arguments,
    IReadOnlyDictionary<string, string> BaseImages)
{
    /// <summary>Digest of each base image by its name, as BuildKit resolved it. One that exists only on this engine may have
    /// none.</summary>
    // The serializer sets what an older record lacks to null.
    public IReadOnlyDictionary<string, string> BaseDigests
    {
        get; init =>
        field = value ?? ImmutableDictionary<string, string>.Empty;
    } = ImmutableDictionary<string, string>.Empty;

    /// <summary>What the build took from elsewhere by itself, so that nothing here tells when it changes; null when that is
    /// nothing.</summary>
    public string? Outside { get; init; }
}

/// <summary>What a plan is made from; gathered before, so that planning itself does no I/O.</summary>
/// <param name="Inputs">Inputs by service, of the services that are built here.</param>
/// <param name="CurrentImages">Id by image name or id, of the images that exist now.</param>
/// <param name="ChangedPaths">Changed paths by the commit they are counted from; without an entry they cannot be known.</param>
/// <param name="FreshMarks">Services whose next build must not use the cache.</param>
/// <param name="BaseImages">Id by name, of the base images that this engine has.</param>
/// <param name="NewBaseDigests">Digest by name, of the base images that a registry has anew; empty unless it was asked.</param>
internal sealed record PlanningFacts(
    string Commit, ComposeModel Model, bool ForceRebuild,
    IReadOnlyDictionary<string, BuildInputs> Inputs,
    IReadOnlyDictionary<string, string> CurrentImages,
    IReadOnlyDictionary<string, DeployedService> Deployed,
    string? DeployedConfigurationHash,
    IReadOnlyDictionary<string, IReadOnlyCollection<string>> ChangedPaths,
    IReadOnlySet<string> FreshMarks,
    IReadOnlyDictionary<string, string> BaseImages,
    IReadOnlyDictionary<string, string> NewBaseDigests)
{
    public string? DeployedResourcesHash { get; init; }

    /// <summary>What a service gets, for each that mounts something else than its containers were started with.</summary>
    public IReadOnlyDictionary<string, MountReaction> Reactions { get; init; } = ImmutableDictionary<string, MountReaction>.Empty;
}

/// <summary>Decides for every service whether it is built, and why. Pure.</summary>
internal static class ReleasePlanner
{
    public const string FirstBuild = "first build";

    public static ReleasePlan Plan(PlanningFacts facts) => new(
        facts.Commit, facts.Model,
        [
            .. WithWhatStandsOnThem([.. facts.Model.Services.Select(s => PlanService(facts, s))])
                .Select(s => WithReaction(s, facts.Reactions.GetValueOrDefault(s.Name))),
        ],
        ConfigurationChanged: facts.DeployedConfigurationHash != facts.Model.ConfigurationHash)
    {
        ResourcesChanged = facts.DeployedResourcesHash != facts.Model.ResourcesHash,
    };

    private static ServicePlan WithReaction(ServicePlan service, MountReaction? reaction) => reaction is null ? service : service with
    {
        Reaction = reaction,
        Reason = service.Action == ServiceAction.Built ? service.Reason : reaction.Reason,
    };

    /// <summary>The plan after BuildKit was asked.</summary>
    /// <param name="same">Services whose build would give the image that they have, with what it would have been built with.</param>
    /// <param name="wouldRun">Of the others: the first step that would run, where that is known.</param>
    public static ReleasePlan Answered(ReleasePlan plan, IReadOnlyDictionary<string, BuildBasis> same,
        IReadOnlyDictionary<string, string> wouldRun) => plan with
        {
            Services =
        [
            .. plan.Services.Select(s => !s.AsksFirst ? s
                : same.TryGetValue(s.Name, out var basis)
                    ? s with { Action = ServiceAction.Unchanged, Before = basis, Reason = s.Reaction?.Reason
                        ?? "nothing changed that its build reads" }
                : IsUnknown(s) && wouldRun.GetValueOrDefault(s.Name) is { } step
                ? s with { Reason = $"{s.Reason}, and {step} would run again" }
                : s),
        ],
        };

    /// <summary>Whether its reason is no change, but that nobody can tell.</summary>
    private static bool IsUnknown(ServicePlan plan) => plan.Reason == plan.Inputs?.Outside || plan.Reason == plan.Before?.Outside;

    /// <summary>What a build takes from the image of another service changes with that.</summary>
    private static List<ServicePlan> WithWhatStandsOnThem(List<ServicePlan> plans)
    {
        for (var found = true; found;)
        {
            found = false;
            foreach (var (i, plan) in plans.Index().Where(p => p.Item is { Fresh: false, Service.Build: not null }).ToList())
            {
                var bases = plans.Where(p => p.Action == ServiceAction.Built && plan.Service.Build!.Links.Contains(p.Name)).ToList();
                // What the cache has of it stands on the base as it was.
                if (bases.Find(b => b.Fresh) is { } fresh) { plans[i] = On(fresh) with { Fresh = true, AsksFirst = false }; }
                else if (plan.Action == ServiceAction.Unchanged && bases.Count > 0) { plans[i] = On(bases[0]) with { AsksFirst = true }; }
                else { continue; }
                found = true;

                ServicePlan On(ServicePlan basis) =>
                    plan with
                    {
                        Action = ServiceAction.Built,
                        Reason = plan.Action == ServiceAction.Built ? plan.Reason
                        : $"it is built on {basis.Name}"
                    };
            }
        }
        return plans;
    }

    private static ServicePlan PlanService(PlanningFacts facts, ComposeService service)
    {
        if (service.Build is null) { return new ServicePlan(service, ServiceAction.Unchanged, "it is not built here", false, null); }
        var inputs = facts.Inputs[service.Name];
        var before = facts.Deployed.GetValueOrDefault(service.Name);
        var changedPaths = before is null ? null : facts.ChangedPaths.GetValueOrDefault(before.Commit);
        ServicePlan Build(string reason, bool fresh = false) => new(service, ServiceAction.Built, reason, fresh, inputs)
        {
            Before = before?.Basis,
            ChangedFiles = before?.Inputs is { } was ? inputs.ChangedFiles(was, changedPaths) : [],
        };

        if (facts.ForceRebuild) { return Build("a forced rebuild was asked for", fresh: true); }
        if (facts.FreshMarks.Contains(service.Name)) { return Build("its cache was cleared", fresh: true); }
        if (before?.Inputs is null || before.ImageId is null) { return Build(FirstBuild); }
        if (!facts.CurrentImages.ContainsKey(before.ImageId)) { return Build($"image {service.Image} is missing"); }
        if (before.Basis?.BaseDigests.FirstOrDefault(
            b => facts.NewBaseDigests.GetValueOrDefault(b.Key, b.Value) != b.Value) is { Key: { } renewed })
        {
            return Build($"base image {renewed} is new in its registry") with { Pull = true };
        }
        if (inputs.ChangedSecret(before.Inputs) is { } secret) { return Build(secret, fresh: true); }
        var mayAsk = before.Basis is not null && !inputs.IsBeyondCache(before.Inputs);
        var retag = facts.CurrentImages.GetValueOrDefault(service.Image) == before.ImageId ? null : before.ImageId;
        ServicePlan Ask(string reason) => Build(reason) with { AsksFirst = mayAsk, Retag = retag };
        if (inputs.DifferenceFrom(before.Inputs, changedPaths) is { } difference) { return Ask(difference); }
        // What the build takes from a registry by itself is looked for on a schedule, not on every commit.
        if (before.Basis?.BaseImages.FirstOrDefault(
            b => facts.BaseImages.GetValueOrDefault(b.Key, b.Value) != b.Value) is { Key: { } replaced })
        {
            return Ask($"base image {replaced} was replaced on this engine");
        }
        if ((inputs.Outside ?? before.Basis?.Outside) is { } outside) { return Ask(outside); }
        return new ServicePlan(service, ServiceAction.Unchanged, "no input changed", false,
            inputs)
        { Before = before.Basis, Retag = retag };
    }
}

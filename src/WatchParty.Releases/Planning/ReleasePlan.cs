using System.Collections.Immutable;

namespace WatchParty.Releases.Planning;

/// <summary>What happens to a service in a release. The names are part of the JSON contract.</summary>
internal enum ServiceAction { Built, Unchanged, Restarted, Removed }

/// <param name="Fresh">Whether it is built without any cache.</param>
/// <param name="Inputs">Null for a service that is not built here.</param>
internal sealed record ServicePlan(ComposeService Service, ServiceAction Action, string Reason, bool Fresh, BuildInputs? Inputs)
{
    /// <summary>What its last image was built with; null before the first.</summary>
    public BuildBasis? Before { get; init; }

    /// <summary>Whether its base images are looked up at their registries again.</summary>
    public bool Pull { get; init; }

    /// <summary>Whether BuildKit is asked before it is built: it may find that nothing of it is what the build reads.</summary>
    public bool AsksFirst { get; init; }

    /// <summary>The image that is to get the service's image name though nothing is built; null when the name is the image's
    /// already.</summary>
    public string? Retag { get; init; }

    /// <summary>Files of its build context, relative to it, that differ from that build.</summary>
    public IReadOnlyList<string> ChangedFiles { get; init; } = [];

    /// <summary>What it gets because of what its containers mount, if they may stay otherwise; null when that is as they were started
    /// with.</summary>
    public MountReaction? Reaction { get; init; }

    public string Name => Service.Name;
}

/// <summary>A step of a service that ran before its build began. The build finds it in the cache, but nobody was saved it.</summary>
internal sealed record RanStep(string Service, string Stage, int Number, string Text, TimeSpan Elapsed);

/// <summary>What a release of <paramref name="Commit"/> does, decided before anything is done.</summary>
/// <param name="ConfigurationChanged">Whether compose has to look at the containers even when nothing is built.</param>
internal sealed record ReleasePlan(string Commit, ComposeModel Model, ImmutableArray<ServicePlan> Services, bool ConfigurationChanged)
{
    /// <summary>Steps that ran to their end while BuildKit was asked, before the question was stopped.</summary>
    public IReadOnlyList<RanStep> Ran { get; init; } = [];

    /// <summary>How long a step took that ran before its build began; null for any other.</summary>
    public TimeSpan? ElapsedOf(string service, string stage, int number, string text) =>
        Ran.FirstOrDefault(r => (r.Service, r.Stage, r.Number, r.Text) == (service, stage, number, text))?.Elapsed;

    /// <summary>Whether networks, volumes, secrets or configs differ, which concerns the whole application.</summary>
    public bool ResourcesChanged { get; init; }

    /// <summary>What a person should know before: <c>plan</c> prints it, and the record has it.</summary>
    public ImmutableArray<string> Notes { get; init; } = [];

    /// <summary>Whether a service gets something because of what it mounts.</summary>
    public bool HasReactions => Services.Any(s => s.Reaction is { Handling: not MountHandling.Ignore });

    /// <summary>The services to build, one for each image: services with the same build section and image share it.</summary>
    public IReadOnlyList<ServicePlan> Builds => [.. Services.Where(s => s.Action == ServiceAction.Built).DistinctBy(BuildIdentity)];

    /// <summary>The services whose image names move to other images.</summary>
    public IEnumerable<ComposeService> Named => Builds.Concat(Services.Where(s => s.Retag is not null)).Select(s => s.Service).Distinct();

    /// <summary>The service of <see cref="Builds"/> whose image <paramref name="service"/> runs.</summary>
    public ServicePlan BuiltFor(ServicePlan service) => Builds.First(b => BuildIdentity(b) == BuildIdentity(service));

    private static (string, string) BuildIdentity(ServicePlan plan) => (plan.Service.Image, plan.Service.Build!.Content.ToJsonString());
}

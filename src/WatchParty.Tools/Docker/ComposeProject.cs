using System.Collections.Immutable;
using WatchParty.Tools.Configuration;
using WatchParty.Tools.Failures;

namespace WatchParty.Tools.Docker;

/// <summary>Where the application is and how compose is called for it.</summary>
/// <param name="Folder">The checkout.</param>
/// <param name="Environment">Variables for every call, such as <c>DOCKER_HOST</c>.</param>
internal sealed record ComposeProject(string Folder, ComposeOptions Options, string CommitArgument,
    ImmutableDictionary<string, string?> Environment)
{
    /// <summary>Files of ours that are merged after the application's own.</summary>
    public ImmutableArray<string> FurtherFiles { get; init; } = [];

    /// <summary>The files that compose fills variables from; not all of them need be there.</summary>
    public IEnumerable<string> EnvFiles =>
        (Options.EnvFiles is { Length: > 0 } files ? files : [".env"]).Select(f => Path.Combine(Folder, f));

    /// <summary>The compose files as they are now: they come with the commit that is checked out.</summary>
    /// <exception cref="WorkerException">There is none that can be used.</exception>
    public ComposeFiles Files() => ComposeFiles.Find(Folder, Options, System.Environment.GetEnvironmentVariable);

    /// <summary>The same checkout, called with other settings.</summary>
    public ComposeProject With(ModelSource source) => this with
    {
        Options = new ComposeOptions { Files = [.. source.Files], Profiles = [.. source.Profiles], EnvFiles = [.. source.EnvFiles], ProjectName = source.ProjectName, AdoptFrom = Options.AdoptFrom },
        CommitArgument = source.CommitArgument,
    };

    public static ComposeProject From(WorkerOptions options) => new(
        options.Repository.Path, options.Compose, options.Build.CommitArgument,
        options.Docker.Endpoint is { } endpoint
            ? ImmutableDictionary<string, string?>.Empty.Add("DOCKER_HOST", endpoint)
            : ImmutableDictionary<string, string?>.Empty);
}

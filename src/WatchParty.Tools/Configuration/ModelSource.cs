using System.Collections.Immutable;
using WatchParty.Tools.Redacting;

namespace WatchParty.Tools.Configuration;

/// <summary>What a model was resolved with beside the files of its commit. Going back resolves the earlier commit with the settings of
/// then.</summary>
/// <param name="Files">Compose files, as they are configured; empty: compose's own choice.</param>
/// <param name="CommitArgument">Variable that carried the commit.</param>
/// <param name="Arguments">Hash of the value of each further build argument: it may be a secret, and this is kept.</param>
internal sealed record ModelSource(
    IReadOnlyList<string> Files, IReadOnlyList<string> Profiles, IReadOnlyList<string> EnvFiles, string? ProjectName,
    string CommitArgument, IReadOnlyDictionary<string, string> Arguments)
{
    public static ModelSource Of(WorkerOptions options) => new(
        options.Compose.Files, options.Compose.Profiles, options.Compose.EnvFiles, options.Compose.ProjectName,
        options.Build.CommitArgument, options.Build.Arguments.ToImmutableDictionary(a => a.Key, a => ValueHash.Of(a.Value)));
}

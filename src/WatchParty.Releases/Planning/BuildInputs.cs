using System.Collections.Immutable;
using System.Text.Json.Serialization;

namespace WatchParty.Releases.Planning;

/// <summary>Everything that decides what a service's image holds, as hashes by kind; equal inputs give the same image.</summary>
/// <param name="Section">Hash of the keys of the build section that are in no cache key (<see cref="BuildSection.BeyondCache"/>).</param>
/// <param name="Tracked">Hash of all files of the build contexts at the commit.</param>
/// <param name="Others">Identity by path of what else the build may see: files that git does not watch, the Dockerfile, secrets.</param>
internal sealed record BuildInputs(string Section, string Tracked, ImmutableSortedDictionary<string, string> Others)
{
    /// <summary>Hash by name of the other keys, and of the worker's own build arguments; the commit argument is left out.</summary>
    // The serializer sets what an older record lacks to null.
    public ImmutableSortedDictionary<string, string> Keys
    {
        get; init =>
        field = value ?? ImmutableSortedDictionary<string, string>.Empty;
    } = ImmutableSortedDictionary<string, string>.Empty;

    /// <summary>Repository paths of the tracked files, to name what changed. Not kept.</summary>
    [JsonIgnore]
    public ImmutableHashSet<string> TrackedPaths { get; init; } = [];

    /// <summary>Folder of the build context within the repository, with a slash at its end; empty for the repository itself. Not
    /// kept.</summary>
    [JsonIgnore]
    public string ContextPrefix { get; init; } = "";

    /// <summary>What of the build context cannot be known here, so that BuildKit has to be asked each time; null when that is nothing. Not
    /// kept.</summary>
    [JsonIgnore]
    public string? Outside { get; init; }

    /// <summary>The key of a build secret among the others.</summary>
    public static string Secret(string name) => $"the secret {name}";

    /// <summary>Whether a key changed that is in no cache key, so that BuildKit cannot be asked.</summary>
    public bool IsBeyondCache(BuildInputs before) => Section != before.Section || ChangedOthers(before).Any(IsSecret);

    /// <summary>A secret with another value, in words: what was made with the old one is in the cache under the same key. Null when there
    /// is none.</summary>
    public string? ChangedSecret(BuildInputs before) =>
        ChangedOthers(before).FirstOrDefault(p => IsSecret(p) && Others.ContainsKey(p) && before.Others.ContainsKey(p)) is { } secret
        ? $"{secret} changed"
        : null;

    private static bool IsSecret(string other) => other.StartsWith(Secret(""), StringComparison.Ordinal);

    private const string SectionChanged = "its build section changed";

    private IEnumerable<string> ChangedOthers(BuildInputs before) => Changed(before.Others, Others);

    private static IEnumerable<string> Changed(ImmutableSortedDictionary<string, string> before,
        ImmutableSortedDictionary<string, string> after) =>
        after.Keys.Union(before.Keys).Where(p => after.GetValueOrDefault(p) != before.GetValueOrDefault(p));

    /// <summary>Files of the build context, relative to it, that differ from <paramref name="before"/>.</summary>
    public IReadOnlyList<string> ChangedFiles(BuildInputs before, IReadOnlyCollection<string>? changedPaths) =>
    [
        .. (changedPaths ?? []).Concat(ChangedOthers(before))
            .Where(p => p.StartsWith(ContextPrefix, StringComparison.Ordinal)).Select(p => p[ContextPrefix.Length..]).Distinct(),
    ];

    /// <summary>What differs from <paramref name="before"/> in words, or null when nothing does.</summary>
    /// <param name="changedPaths">Repository paths changed since the commit of <paramref name="before"/>; null when they cannot be
    /// known.</param>
    public string? DifferenceFrom(BuildInputs before, IReadOnlyCollection<string>? changedPaths)
    {
        if (Tracked != before.Tracked)
        {
            // A deleted file is not among the paths of now, but is among those git names.
            var seen = changedPaths?.Where(p => TrackedPaths.Contains(p) || before.TrackedPaths.Contains(p)).ToList() ?? [];
            var named = seen.Count > 0 ? seen : changedPaths?.Take(1).ToList() ?? [];
            return named.Count switch
            {
                0 => "files of its build context changed",
                1 => $"{named[0]} changed",
                _ => $"{named[0]} and {named.Count - 1} more changed",
            };
        }
        if (Section != before.Section) { return SectionChanged; }
        var others = Changed(before.Keys, Keys).Concat(ChangedOthers(before)).ToList();
        return others.Count switch
        {
            0 => null,
            1 => $"{others[0]} changed",
            _ => $"{others[0]} and {others.Count - 1} more changed",
        };
    }
}

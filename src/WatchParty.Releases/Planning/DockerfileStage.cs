namespace WatchParty.Releases.Planning;

/// <summary>One stage: a FROM and what follows it.</summary>
/// <param name="Name">The name after AS; it is compared without regard to case.</param>
/// <param name="Base">What FROM names, as it is written.</param>
/// <param name="Instructions">Without the FROM.</param>
internal sealed record DockerfileStage(int Index, string? Name, string Base, IReadOnlyList<DockerfileInstruction> Instructions)
{
    /// <summary>The paths of the build context that the stage reads, as they are written (variables and wildcards too): by COPY, ADD and
    /// <c>RUN --mount=type=bind</c>.</summary>
    public IReadOnlyList<string> ContextSources { get; } = [.. Instructions.SelectMany(i => SourcesOf(i.Effective()))];

    /// <summary>The stages (name, or index) and images that <c>COPY --from</c> and <c>RUN --mount=from</c> name.</summary>
    public IReadOnlyList<string> From { get; } = [.. Instructions.SelectMany(i => FromOf(i.Effective())).Distinct()];

    private static IEnumerable<string> SourcesOf(DockerfileInstruction instruction)
    {
        if (instruction.Keyword == "RUN")
        {
            return Mounts(instruction)
                .Where(m => m.GetValueOrDefault("type", "bind") == "bind" && m.GetValueOrDefault("from", "").Length == 0)
                .Select(m => m.GetValueOrDefault("source") ?? m.GetValueOrDefault("src") ?? ".");
        }
        if (instruction.Keyword is not ("COPY" or "ADD") || instruction.Flag("from") is { Length: > 0 }) { return []; }
        var arguments = instruction.Arguments();
        return arguments.SkipLast(1)
            .Where(a => !a.StartsWith("<<", StringComparison.Ordinal) && !(instruction.Keyword == "ADD" && IsRemote(a)));
    }

    private static IEnumerable<string> FromOf(DockerfileInstruction instruction)
    {
        var named = instruction.Keyword switch
        {
            "COPY" => [instruction.Flag("from")],
            "RUN" => Mounts(instruction).Select(m => m.GetValueOrDefault("from")),
            _ => [],
        };
        return named.OfType<string>().Where(f => f.Length > 0);
    }

    private static IEnumerable<Dictionary<string, string>> Mounts(DockerfileInstruction instruction) => instruction.Flags
        .Where(f => f.Name == "mount")
        .Select(f => f.Value.Split(',').Select(p => p.Split('=', 2)).GroupBy(p => p[0].Trim().ToLowerInvariant())
            .ToDictionary(g => g.Key, g => g.Last() is [_, var value] ? value.Trim('"') : ""));

    private static bool IsRemote(string source) =>
        source.Contains("://", StringComparison.Ordinal) || source.StartsWith("git@", StringComparison.Ordinal);
}

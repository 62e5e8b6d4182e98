namespace WatchParty.Tools.Configuration;

/// <summary>What a drop file asks for.</summary>
internal enum DropFileKind
{
    ClearCache,
    ForceRebuild,
}

/// <summary>The names of drop files, which are part of the contract with the scripts that touch them.</summary>
internal static class DropFileNames
{
    private static readonly Dictionary<DropFileKind, string> Names = new()
    {
        [DropFileKind.ClearCache] = "clear-cache",
        [DropFileKind.ForceRebuild] = "force-rebuild",
    };

    /// <summary>Every name that drop files can leave in their folder, which often is the checkout: not part of the application.</summary>
    public static IReadOnlyList<string> All { get; } =
        [.. Names.Values.SelectMany(n => new[] { $"{n}.flag", $"{n}.result.json", $".{n}.flag.claimed", $".{n}.result.json.tmp" })];

    /// <summary>The name without what follows it, such as <c>.flag</c>.</summary>
    public static string Of(DropFileKind kind) => Names[kind];
}

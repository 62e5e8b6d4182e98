namespace WatchParty.Tools.Files;

/// <summary>Where a path leads to in the end.</summary>
internal static class PhysicalPath
{
    /// <summary>The full path of <paramref name="path"/> without symbolic links.</summary>
    /// <exception cref="IOException">Nothing is there, or a link leads to itself or through too many others.</exception>
    public static string Of(string path)
    {
        var full = Path.TrimEndingDirectorySeparator(Path.GetFullPath(path));
        if (Path.GetDirectoryName(full) is not { } parent) { return full; }
        var here = Path.Combine(Of(parent), Path.GetFileName(full));
        return Directory.ResolveLinkTarget(here, returnFinalTarget: true)?.FullName is { } target ? Of(target) : here;
    }

    /// <summary>Whether <paramref name="path"/> is <paramref name="folder"/> or lies in it, both being without links.</summary>
    public static bool IsIn(string path, string folder) =>
        path == folder || path.StartsWith(Path.TrimEndingDirectorySeparator(folder) + Path.DirectorySeparatorChar,
            StringComparison.Ordinal);
}

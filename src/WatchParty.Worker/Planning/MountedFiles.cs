namespace WatchParty.Worker.Planning;

/// <summary>Files of the repository that containers see through a bind mount. A container keeps the old file when git replaces a single one that is
/// mounted (the mount is of the inode), and most programs read their configuration once: without a restart it serves the commit before.</summary>
internal static class MountedFiles
{
    /// <summary>Why each service is restarted that mounts one of <paramref name="changedPaths"/>.</summary>
    /// <param name="folder">The checkout.</param>
    /// <param name="changedPaths">Paths in the repository.</param>
    public static IReadOnlyDictionary<string, string> Restarts(ComposeModel model, string folder, IReadOnlyCollection<string> changedPaths)
    {
        var restarts = new Dictionary<string, string>();
        foreach (var service in model.Services)
        {
            var mounts = service.Mounts.Where(m => m.Length > 0).Select(m => Path.GetRelativePath(folder, Path.TrimEndingDirectorySeparator(m)).Replace('\\', '/')).ToList();
            var seen = changedPaths.Where(p => mounts.Any(m => m is "." || p == m || p.StartsWith(m + "/", StringComparison.Ordinal))).ToList();
            if (seen.Count > 0) { restarts[service.Name] = $"it mounts {seen[0]}{(seen.Count > 1 ? $" and {seen.Count - 1} more that" : ", which")} changed"; }
        }
        return restarts;
    }
}

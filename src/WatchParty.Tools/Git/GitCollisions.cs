namespace WatchParty.Tools.Git;

/// <summary>Untracked files that stand where the worker would have to write.</summary>
/// <param name="Blocking">Paths that would be lost.</param>
/// <param name="Identical">Index lines of untracked files that are already what the commit has there.</param>
internal sealed record GitCollisions(IReadOnlyList<string> Blocking, IReadOnlyList<string> Identical)
{
    private sealed record NewPath(string Mode, string Object, string Path);

    /// <summary>Looks at every path of <paramref name="commit"/> that is not tracked yet, and at every edited one that is about
    /// to be set back. Changes nothing. Ignored files count as any other: git alone would overwrite them.</summary>
    public static async Task<GitCollisions> FindAsync(GitProcess git, string commit, IReadOnlyList<string> edited,
        CancellationToken cancellationToken)
    {
        HashSet<string>? tracked = null;
        async Task<HashSet<string>> TrackedAsync() => tracked ??=
            [.. (await git.OutputAsync(GitCommands.Tracked(git.Folder), "The tracked files cannot be listed", cancellationToken)).Split(
                '\0')];

        SortedSet<string> blocking = new(StringComparer.Ordinal);
        // Setting an edited path back removes whatever took its place.
        foreach (var path in edited)
        {
            if (FileAbove(git.Folder, path) is { } above) { blocking.Add(above); }
            else if (FilesBelow(git.Folder, path).Count > 0) { blocking.Add(path); }
        }

        List<NewPath> existing = [];
        foreach (var added in ParseRaw(
            await git.OutputAsync(GitCommands.NewPaths(git.Folder, commit), "The commit cannot be compared with the index",
                cancellationToken)))
        {
            if (FileAbove(git.Folder, added.Path) is { } above)
            {
                if (!(await TrackedAsync()).Contains(above)) { blocking.Add(above); }
                continue;
            }
            var file = new FileInfo(Path.Combine(git.Folder, added.Path));
            if (file.Attributes == (FileAttributes)(-1)) { continue; }
            if (IsRealFolder(file))
            {
                var below = FilesBelow(git.Folder, added.Path);
                // A submodule's own folder is the submodule command's business.
                if (added.Mode == TreeEntry.Submodule || below.Count == 0) { continue; }
                var known = await TrackedAsync();
                foreach (var path in below.Where(p => !known.Contains(p))) { blocking.Add(path); }
                continue;
            }
            existing.Add(added);
        }
        var identical = await IdenticalAsync(git, existing, cancellationToken);
        blocking.UnionWith(existing.Where(e => !identical.Contains(e)).Select(e => e.Path));
        return new GitCollisions([.. blocking], [.. identical.Select(i => $"{i.Mode} {i.Object}\t{i.Path}")]);
    }

    private static async Task<HashSet<NewPath>> IdenticalAsync(GitProcess git, List<NewPath> existing, CancellationToken cancellationToken)
    {
        HashSet<NewPath> identical = [];
        // hash-object reads one path a line, follows links, and would wait for ever on a pipe; a pipe has no length.
        var files = existing.Where(e => new FileInfo(Path.Combine(git.Folder, e.Path)) is var f && f.LinkTarget is null && f.Length > 0
            && SameMode(f, e.Mode) && !e.Path.Contains('\n', StringComparison.Ordinal)).ToList();
        if (files.Count > 0)
        {
            var hashes = await git.TryAsync(GitCommands.HashFiles(git.Folder, files.Select(f => f.Path)), cancellationToken);
            identical.UnionWith(files.Zip(hashes.Output.Split('\n')).Where(p => p.First.Object == p.Second).Select(p => p.First));
        }
        foreach (var link in existing.Where(e => e.Mode == "120000"))
        {
            var target =
                await git.OutputAsync(GitCommands.Content(git.Folder, link.Object), $"{link.Path} cannot be read", cancellationToken);
            if (new FileInfo(Path.Combine(git.Folder, link.Path)).LinkTarget == target) { identical.Add(link); }
        }
        return identical;
    }

    private static bool SameMode(FileInfo file, string mode) =>
        OperatingSystem.IsWindows()
        || (mode is "100644" or "100755" && file.UnixFileMode.HasFlag(UnixFileMode.UserExecute) == (mode == "100755"));

    /// <summary>The nearest part above <paramref name="path"/> that exists without being a real folder.</summary>
    private static string? FileAbove(string root, string path)
    {
        for (var slash = path.IndexOf('/', StringComparison.Ordinal); slash >= 0; slash = path.IndexOf('/', slash + 1))
        {
            var part = new FileInfo(Path.Combine(root, path[..slash]));
            if (part.Attributes == (FileAttributes)(-1)) { return null; }
            if (!IsRealFolder(part)) { return path[..slash]; }
        }
        return null;
    }

    private static List<string> FilesBelow(string root, string path)
    {
        var folder = new DirectoryInfo(Path.Combine(root, path));
        if (!IsRealFolder(folder)) { return []; }
        var options = new EnumerationOptions { RecurseSubdirectories = true, AttributesToSkip = 0, IgnoreInaccessible = false };
        return [.. new System.IO.Enumeration.FileSystemEnumerable<string>(folder.FullName,
            (ref e) => Path.GetRelativePath(root, e.ToFullPath()).Replace('\\', '/'), options)
        {
            ShouldIncludePredicate = (ref e) => !e.IsDirectory || e.Attributes.HasFlag(FileAttributes.ReparsePoint),
            ShouldRecursePredicate = (ref e) => !e.Attributes.HasFlag(FileAttributes.ReparsePoint),
        }];
    }

    private static bool IsRealFolder(FileSystemInfo item) =>
        item.Attributes is not (FileAttributes)(-1) and var a && a.HasFlag(FileAttributes.Directory)
        && !a.HasFlag(FileAttributes.ReparsePoint);

    /// <summary>Reads <c>:oldmode newmode oldobject newobject status NUL path NUL</c>.</summary>
    private static IEnumerable<NewPath> ParseRaw(string output)
    {
        var fields = output.Split('\0');
        for (var i = 0; i + 1 < fields.Length; i += 2)
        {
            var parts = fields[i].Split(' ');
            yield return new NewPath(parts[0][1..], parts[2], fields[i + 1]);
        }
    }
}

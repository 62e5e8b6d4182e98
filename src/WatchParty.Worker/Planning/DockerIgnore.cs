using System.Collections.Concurrent;

namespace WatchParty.Worker.Planning;

/// <summary>The files that a <c>.dockerignore</c> keeps out of a build context, exactly as BuildKit decides it.</summary>
/// <remarks>
/// <para>Sources: moby/patternmatcher (<c>ignorefile</c> for the lines, <c>MatchesUsingParentResults</c> for the order) and
/// tonistiigi/fsutil (<c>filter.go</c> for the walk). The file is that of the context's root, unless
/// <c>&lt;Dockerfile&gt;.dockerignore</c> beside the Dockerfile replaces it (frontend/dockerui/config.go).</para>
/// <para>The Dockerfile and the ignore file are read by the frontend whatever the patterns say, yet for COPY and ADD they are files
/// like all others: an input to hash apart from the context.</para>
/// <para>A file that an exception brings back and a later pattern for its folder would take away again ("a", "!a/b", "a") is in the context, but
/// without its content: fsutil's <c>Open</c> judges it otherwise than its walk. It is not excluded here.</para>
/// <para>A pattern that BuildKit refuses matches nothing here; the build says so itself. Safe to use from several threads.</para>
/// </remarks>
internal sealed class DockerIgnore
{
    private readonly IgnorePattern[] _patterns;
    private readonly bool _mayReturnAnywhere;
    private readonly ConcurrentDictionary<string, Folder> _folders = new(StringComparer.Ordinal);

    private DockerIgnore(IgnorePattern[] patterns)
    {
        _patterns = patterns;
        _mayReturnAnywhere = patterns.Any(p => p.IsException && p.LiteralRoot is null);
    }

    /// <summary>Excludes nothing.</summary>
    public static DockerIgnore None { get; } = new([]);

    public static DockerIgnore Parse(string text)
    {
        var patterns = text.TrimStart('\uFEFF').Split('\n')
            .Where(line => !line.StartsWith('#'))
            .Select(line => IgnorePattern.Parse(line.Trim()))
            .OfType<IgnorePattern>()
            .ToArray();
        return patterns.Length == 0 ? None : new(patterns);
    }

    /// <summary>Whether the file or folder stays out of the context. A folder that is excluded still exists there when a file below it is not.</summary>
    /// <param name="path">Path relative to the context's root, separated by <c>/</c>.</param>
    public bool Excludes(string path)
    {
        if (_patterns.Length == 0 || path.Length == 0) { return false; }
        return Look(path, ParentOf(path), _patterns.Length <= 256 ? stackalloc bool[_patterns.Length] : new bool[_patterns.Length]);
    }

    private Folder? ParentOf(string path)
    {
        var slash = path.LastIndexOf('/');
        if (slash <= 0) { return null; }
        var folder = path[..slash];
        return _folders.TryGetValue(folder, out var known) ? known : _folders.GetOrAdd(folder, LookAtFolder(folder));
    }

    private Folder LookAtFolder(string path)
    {
        var matched = new bool[_patterns.Length];
        var excluded = Look(path, ParentOf(path), matched);
        return new(matched, IsClosed: excluded && !_mayReturnAnywhere && !_patterns.Any(p => p.MayReturnBelow(path)));
    }

    // Each pattern is asked only where it would change the verdict, and what it said of the folder it says of everything below.
    // A pattern that was not asked about the folder is asked anew below it, which is not the same as matching every parent.
    private bool Look(string path, Folder? parent, Span<bool> matched)
    {
        if (parent is { IsClosed: true }) { return true; }
        var excluded = false;
        for (var i = 0; i < _patterns.Length; i++)
        {
            var pattern = _patterns[i];
            matched[i] = parent is not null && parent.Matched[i] || pattern.IsException == excluded && pattern.Matches(path);
            if (matched[i]) { excluded = !pattern.IsException; }
        }
        return excluded;
    }

    /// <param name="Matched">For each pattern, whether it matched this folder or one above it.</param>
    /// <param name="IsClosed">BuildKit does not even look into the folder: no exception names anything below it.</param>
    private sealed record Folder(bool[] Matched, bool IsClosed);
}

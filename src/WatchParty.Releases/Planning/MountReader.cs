using System.Collections.Immutable;
using System.Globalization;
using System.Security.Cryptography;
using WatchParty.Tools.Configuration;
using WatchParty.Tools.Files;
using WatchParty.Tools.Git;
using WatchParty.Tools.Redacting;

namespace WatchParty.Releases.Planning;

/// <summary>What a container reads at one of its mounts.</summary>
/// <param name="Identity">Which file or folder it is. A mount is of that and not of its name: what takes the name later is not seen until
/// the container starts again.</param>
/// <param name="Files">Hash of the content by path; of very many files one hash of all. A file in the checkout is called by its path in
/// it.</param>
/// <param name="IsOwn">Whether the application itself was seen to write it.</param>
internal sealed record MountState(string Identity, ImmutableSortedDictionary<string, string> Files, bool IsOwn = false);

/// <summary>What a mount leads to now.</summary>
/// <param name="Shown">Its name for people.</param>
/// <param name="MayBeOwn">Whether the application may be the one who writes it: a single file that git does not track, mounted to be
/// written.</param>
/// <param name="Came">When the file, the folder or a link to it was made, in nanoseconds since 1970; 0 where nobody knows.</param>
/// <param name="ChangedSince">The files of it that were changed after such a time.</param>
internal sealed record SeenMount(MountState State, string Shown, bool MayBeOwn, long Came, Func<long, IEnumerable<string>> ChangedSince);

/// <summary>Reads what the mounts of a model lead to, behind all links.</summary>
/// <remarks>Of a single file the content counts, whoever tracks it. Of a folder what git tracks counts, by git's own hashes: everything
/// else in it is the data of the application, which may be millions of files and which the container sees change anyway. So no folder is
/// ever walked.</remarks>
internal sealed class MountReader(RepositoryOptions options, GitRepository repository)
{
    // Above this size, in bytes, size and time stand for the content.
    private const long HashedWhole = 16 * 1024 * 1024;
    private const int MostNamed = 500, MostLinks = 40;
    private const string Pending = "pending";

    private string Root => field ??= PhysicalPath.Of(options.Path);

    /// <summary>Where a mount leads to.</summary>
    /// <param name="Links">The links on the way, with their stamps.</param>
    private sealed record Target(MountSection Mount, string Path, FileStamp Stamp, IReadOnlyList<(string Path, FileStamp Stamp)> Links);

    /// <param name="pending">Paths of the repository that are about to change, when the commit is not checked out yet.</param>
    /// <returns>By source; without what is not there, and without sockets and devices.</returns>
    public async Task<IReadOnlyDictionary<string, SeenMount>> ReadAsync(
        ComposeModel model, IReadOnlyCollection<string> pending, CancellationToken cancellationToken)
    {
        List<Target> targets =
        [
            .. model.Services.SelectMany(s => s.Mounts).GroupBy(m => m.Source)
                .Select(g => Find(new MountSection(g.Key, g.Any(m => m.MayWrite)))).OfType<Target>(),
        ];
        var inside = targets.Select(t => PathInRepository(t.Path)).OfType<string>().ToList();
        var asked = inside.Concat(inside.Select(NestedRepository).OfType<string>()).Distinct().ToList();
        IReadOnlyList<IndexEntry> index = asked.Count == 0 ? [] : await repository.IndexAsync(asked, cancellationToken);
        return targets.ToDictionary(t => t.Mount.Source, t => Look(t, index, pending));
    }

    private SeenMount Look(Target target, IReadOnlyList<IndexEntry> index, IReadOnlyCollection<string> pending)
    {
        var path = PathInRepository(target.Path);
        var came = target.Links.Select(l => Math.Max(l.Stamp.Created, l.Stamp.Changed)).Append(target.Stamp.Created).Max();
        var shown = path is null or "" ? target.Path : path;
        var identity = string.Create(CultureInfo.InvariantCulture, $"{target.Stamp.Device:x} {target.Stamp.Inode} {target.Stamp.Created}");
        var files = ImmutableSortedDictionary.CreateBuilder<string, string>(StringComparer.Ordinal);
        if (target.Stamp.Kind == FileKind.Regular)
        {
            files[shown] = pending.Contains(path) ? Pending : ContentOf(target.Path, target.Stamp);
            var tracked = path is not null && index.Any(e => e.Path == path);
            return Seen(files, target.Mount.MayWrite && !tracked, since => FileStamp.Of(target.Path)?.Changed > since ? [shown] : []);
        }
        var own = path is null ? [] : index.Where(e => IsIn(e.Path, path)).ToList();
        foreach (var entry in own) { files[entry.Path] = entry.IsCertain ? entry.Object : ContentOf(Path.Combine(Root, entry.Path)); }
        // A folder of a submodule changes with the commit of that.
        if (path is not null && index.FirstOrDefault(e => e.Mode == TreeEntry.Submodule && IsIn(path, e.Path)) is { } submodule)
        {
            files[submodule.Path] = submodule.Object;
        }
        foreach (var changing in path is null ? [] : pending.Where(p => IsIn(p, path) || files.ContainsKey(p)))
        {
            files[changing] = Pending;
        }
        var single = own.Where(e => e.Mode != TreeEntry.Submodule).Select(e => e.Path).ToList();
        return Seen(files, false, since => single.Where(p => FileStamp.Of(Path.Combine(Root, p))?.Changed > since));

        SeenMount Seen(ImmutableSortedDictionary<string, string>.Builder all, bool mayBeOwn, Func<long, IEnumerable<string>> changedSince)
        {
            // The commit may let a link lead elsewhere.
            var links = target.Links.Select(l => PathInRepository(l.Path));
            if (links.FirstOrDefault(l => l is not null && pending.Contains(l)) is { } link) { all[link] = Pending; }
            var contents = all.Count <= MostNamed ? all.ToImmutable()
                : ImmutableSortedDictionary<string, string>.Empty.Add(shown, ValueHash.Of(all.SelectMany(f => new[] { f.Key, f.Value })));
            return new SeenMount(new MountState(identity, contents), shown, mayBeOwn, came, changedSince);
        }
    }

    private static Target? Find(MountSection mount)
    {
        try
        {
            List<(string, FileStamp)> links = [];
            var path = Resolve(mount.Source, links);
            return FileStamp.Of(path) is { Kind: FileKind.Regular or FileKind.Folder } stamp ? new Target(mount, path, stamp, links) : null;
        }
        // Whether it can be mounted is for the engine to say, which may see what the worker may not.
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            return null;
        }
    }

    private static string Resolve(string path, List<(string, FileStamp)> links)
    {
        var full = Path.TrimEndingDirectorySeparator(Path.GetFullPath(path));
        if (Path.GetDirectoryName(full) is not { } parent) { return full; }
        var folder = Resolve(parent, links);
        var here = Path.Combine(folder, Path.GetFileName(full));
        if (new FileInfo(here).LinkTarget is not { } target || FileStamp.Of(here) is not { } stamp) { return here; }
        links.Add((here, stamp));
        if (links.Count > MostLinks) { throw new IOException($"too many links on the way to {path}"); }
        return Resolve(Path.Combine(folder, target), links);
    }

    private static string ContentOf(string path)
    {
        try
        {
            if (FileStamp.Of(path) is { Kind: FileKind.Regular } stamp) { return ContentOf(path, stamp); }
            return new FileInfo(path).LinkTarget ?? "gone";
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            return "unreadable";
        }
    }

    private static string ContentOf(string path, FileStamp stamp)
    {
        var outside = string.Create(CultureInfo.InvariantCulture, $"{stamp.Size} {stamp.Modified}");
        if (stamp.Size > HashedWhole) { return outside; }
        try
        {
            using var stream = new FileStream(path, FileMode.Open, FileAccess.Read, FileShare.ReadWrite | FileShare.Delete);
            return Convert.ToHexStringLower(SHA256.HashData(stream));
        }
        // A secret that only root may read; its time tells of a change as well.
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            return outside;
        }
    }

    private string? PathInRepository(string path) =>
        path == Root ? "" : PhysicalPath.IsIn(path, Root) ? Path.GetRelativePath(Root, path).Replace('\\', '/') : null;

    /// <summary>The repository within the checkout that <paramref name="path"/> lies in; null when it is the checkout's own.</summary>
    private string? NestedRepository(string path)
    {
        for (var at = path; at.Length > 0; at = Path.GetDirectoryName(at)?.Replace('\\', '/') ?? "")
        {
            if (Path.Exists(Path.Combine(Root, at, ".git"))) { return at; }
        }
        return null;
    }

    private static bool IsIn(string path, string folder) =>
        folder.Length == 0 || path == folder || path.StartsWith(folder + "/", StringComparison.Ordinal);
}

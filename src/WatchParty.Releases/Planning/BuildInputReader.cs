using System.Collections.Immutable;
using System.Globalization;
using System.Security.Cryptography;
using System.Text.Json.Nodes;
using WatchParty.Tools.Configuration;
using WatchParty.Tools.Files;
using WatchParty.Tools.Git;
using WatchParty.Tools.Redacting;

namespace WatchParty.Releases.Planning;

/// <summary>Gathers the inputs of a service's build from the commit and the working tree: all of its build context, whatever the build
/// takes of it.</summary>
/// <remarks>Ignore files, <c>COPY</c> and <c>ONBUILD</c> are not read here: what they leave out is what BuildKit says when it is
/// asked.</remarks>
internal sealed class BuildInputReader(WorkerOptions options, GitRepository repository)
{
    // Above this size the time and the size of an untracked file stand for its content.
    private const long HashedWhole = 1024 * 1024;

    private readonly string _root = PhysicalPath.Of(options.Repository.Path);

    // Above this number looking at each takes longer than to ask BuildKit.
    private const int MostUntracked = 1000;

    /// <param name="Tracked">Files of the commit.</param>
    /// <param name="Others">Untracked files, ignored ones too, and those that git was told not to look at.</param>
    private sealed record Files(IReadOnlyList<TreeEntry> Tracked, IReadOnlyList<string> Others);

    /// <summary>Inputs by service name.</summary>
    public async Task<IReadOnlyDictionary<string, BuildInputs>> ReadAsync(ComposeModel model, string commit,
        CancellationToken cancellationToken)
    {
        var files = await ListAsync(model, commit, cancellationToken);
        return model.Built.ToDictionary(s => s.Name, s => Read(s.Build!, commit, model.BuildSecrets, files));
    }

    /// <summary>The files of all build contexts, with one call of git for each kind, however many services there are.</summary>
    private async Task<Files> ListAsync(ComposeModel model, string commit, CancellationToken cancellationToken)
    {
        List<string> folders = [.. model.Built.SelectMany(s => ContextsOf(s.Build!)).Select(PrefixOf).OfType<string>()
            .Select(p => p.TrimEnd('/')).Distinct()];
        if (folders.Count == 0) { return new Files([], []); }
        var tracked = repository.FilesAsync(commit, folders, cancellationToken);
        var untracked = repository.UntrackedAsync(folders, cancellationToken);
        var unwatched = repository.UnwatchedAsync(folders, cancellationToken);
        await Task.WhenAll(tracked, untracked, unwatched);
        return new Files(await tracked, [.. (await untracked).Where(p => !IsOurs(p)), .. await unwatched]);
    }

    private static IEnumerable<string> ContextsOf(BuildSection build) =>
        build.AdditionalContexts.Values.Prepend(build.Context).Where(c => Path.IsPathFullyQualified(c));

    private BuildInputs Read(BuildSection build, string commit, ImmutableDictionary<string, string> secrets, Files files)
    {
        var tracked = new List<TreeEntry>();
        var others = ImmutableSortedDictionary.CreateBuilder<string, string>(StringComparer.Ordinal);
        string? outside = null;
        foreach (var context in build.AdditionalContexts.Values.Prepend(build.Context))
        {
            outside = ReadContext(context, files, tracked, others) ?? outside;
        }
        var dockerfile = Path.GetFullPath(build.Dockerfile, Directory.Exists(build.Context) ? build.Context : _root);
        if (build.DockerfileInline is null)
        {
            foreach (var file in new[] { dockerfile, $"{dockerfile}.dockerignore" }.Where(File.Exists))
            {
                others[Shown(file)] = ContentIdentity(file);
            }
        }
        foreach (var variable in build.SecretVariables)
        {
            others[BuildInputs.Secret(variable)] = secrets.TryGetValue(variable, out var value) ? ValueHash.Of(value) : "unset";
        }
        foreach (var secret in build.SecretFiles) { others[BuildInputs.Secret(Shown(secret))] = ContentIdentity(secret); }
        var keys = ImmutableSortedDictionary.CreateBuilder<string, string>(StringComparer.Ordinal);
        List<string> section = [WithoutCommit(build.BeyondCache, commit)];
        foreach (var (key, value) in build.Asked)
        {
            var own = value?.DeepClone();
            if (key == "args") { (own as JsonObject)?.Remove(options.Build.CommitArgument); }
            // With another commit it builds from elsewhere.
            if (IsSource(key) && value!.ToJsonString().Contains(commit, StringComparison.Ordinal)) { section.Add(value.ToJsonString()); }
            else { keys[$"build.{key}"] = ValueHash.Of(WithoutCommit(own, commit)); }
        }
        keys["Build:Arguments"] = ValueHash.Of(options.Build.Arguments.OrderBy(p => p.Key, StringComparer.Ordinal)
            .Select(p => $"{p.Key}={p.Value}"));
        return new BuildInputs(ValueHash.Of(section), ValueHash.Of(tracked.Select(e => $"{e.Mode} {e.Object} {e.Path}")),
            others.ToImmutable())
        {
            Keys = keys.ToImmutable(),
            TrackedPaths = [.. tracked.Select(e => e.Path)],
            ContextPrefix = Path.IsPathFullyQualified(build.Context) ? PrefixOf(build.Context) ?? "" : "",
            Outside = outside,
        };
    }

    private static bool IsSource(string key) => key is "additional_contexts" or "context" or "dockerfile_inline";

    /// <summary>What the file makes of the commit differs with every one, as the argument does.</summary>
    private static string WithoutCommit(JsonNode? value, string commit) =>
        (value?.ToJsonString() ?? "").Replace(commit, "(commit)", StringComparison.Ordinal);

    /// <returns>What git cannot tell of it, in words; null when that is nothing.</returns>
    private string? ReadContext(string context, Files files, List<TreeEntry> tracked,
        ImmutableSortedDictionary<string, string>.Builder others)
    {
        // The image of a service is looked at with that service, and any other image with the base images.
        if (context.StartsWith("service:", StringComparison.Ordinal) || context.StartsWith("docker-image://", StringComparison.Ordinal))
        {
            return null;
        }
        if (!Path.IsPathFullyQualified(context)) { return $"its build context {Redaction.Apply(context)} is not in the repository"; }
        if (PrefixOf(context) is not { } prefix) { return $"its build context {context} is not in the repository"; }
        bool IsIn(string path) => path.StartsWith(prefix, StringComparison.Ordinal);
        var own = files.Tracked.Where(e => IsIn(e.Path)).ToList();
        tracked.AddRange(own);
        // A submodule, or a folder of one.
        if (own.Count == 0) { return $"git has no files of its build context {context}"; }
        var seen = files.Others.Where(IsIn).ToList();
        if (seen.Count > MostUntracked) { return $"git does not watch {seen.Count} files of its build context"; }
        foreach (var path in seen) { others[path] = FileIdentity(Path.Combine(_root, path)); }
        return seen.Find(p => p.EndsWith('/')) is { } nested ? $"{nested} is a repository of its own"
            : files.Tracked.FirstOrDefault(e => IsIn(e.Path) && e.Mode == TreeEntry.Submodule) is { } submodule
            ? $"{submodule.Path} is a submodule"
            : null;
    }

    /// <summary>The folder within the repository, with a slash at its end and empty for the repository itself; null outside of
    /// it.</summary>
    private string? PrefixOf(string folder)
    {
        var relative = Path.GetRelativePath(_root, Physical(folder)).Replace('\\', '/');
        if (relative == ".." || relative.StartsWith("../", StringComparison.Ordinal) || Path.IsPathRooted(relative)) { return null; }
        return relative == "." ? "" : relative + "/";
    }

    /// <summary>One that is not there may come with a commit that is not checked out yet; whether it does is for the build to
    /// say.</summary>
    private static string Physical(string folder)
    {
        try
        {
            return PhysicalPath.Of(folder);
        }
        catch (IOException)
        {
            return Path.GetFullPath(folder);
        }
    }

    /// <summary>The drop files and their answers come and go without meaning anything for a build.</summary>
    private static bool IsOurs(string path) => DropFileNames.All.Contains(Path.GetFileName(path));

    private static string FileIdentity(string path)
    {
        try
        {
            var file = new FileInfo(path);
            if (file.LinkTarget is { } target) { return $"link {target}"; }
            var mode = OperatingSystem.IsWindows() ? "" : Convert.ToString((int)File.GetUnixFileMode(path), 8);
            if ((file.Attributes & FileAttributes.Directory) != 0) { return $"folder {mode}"; }
            // A FIFO or a device looks like a file of length 0, and reading one could wait for ever.
            if (file.Length is 0 or > HashedWhole)
            {
                return string.Create(
                    CultureInfo.InvariantCulture, $"{mode} {file.Length} {(file.Length == 0 ? 0 : file.LastWriteTimeUtc.Ticks)}");
            }
            using var stream = file.OpenRead();
            return $"{mode} {Convert.ToHexStringLower(SHA256.HashData(stream))}";
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            return "unreadable";
        }
    }

    /// <summary>The identity of what a link leads to: docker follows it in the paths that it opens itself.</summary>
    private static string ContentIdentity(string path)
    {
        try
        {
            return FileIdentity(PhysicalPath.Of(path));
        }
        catch (IOException)
        {
            return "unreadable";
        }
    }

    private string Shown(string path) =>
        Path.GetRelativePath(_root, Path.Combine(PhysicalPath.Of(Path.GetDirectoryName(path)!), Path.GetFileName(path))) is var relative
            && !relative.StartsWith("..", StringComparison.Ordinal) ? relative : path;
}

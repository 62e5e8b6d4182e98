using System.Collections.Immutable;
using System.Globalization;
using System.Security.Cryptography;
using WatchParty.Worker.Configuration;
using WatchParty.Worker.Tools;
using WatchParty.Worker.Triggering;

namespace WatchParty.Worker.Planning;

/// <summary>Gathers the inputs of a service's build from the commit and the working tree.</summary>
internal sealed class BuildInputReader(WorkerOptions options, GitRepository repository)
{
    // Above this size the time and the size of an untracked file stand for its content.
    private const long HashedWhole = 1024 * 1024;

    private readonly string _root = PhysicalPath.Of(options.Repository.Path);

    private sealed record Files(IReadOnlyList<TreeEntry> Tracked, IReadOnlyList<string> Untracked);

    /// <summary>Inputs by service name.</summary>
    public async Task<IReadOnlyDictionary<string, BuildInputs>> ReadAsync(ComposeModel model, string commit, CancellationToken cancellationToken)
    {
        var files = await ListAsync(model, commit, cancellationToken);
        var inputs = model.Built.ToDictionary(s => s.Name, s => Read(s.Build!, model.BuildSecrets, files));
        // An additional context `service:x` is the image of x: what x is built from counts here too.
        var needed = model.Built.ToDictionary(s => s.Name, s => s.Build!.AdditionalContexts.Values
            .Where(v => v.StartsWith("service:", StringComparison.Ordinal)).Select(v => v["service:".Length..]).Where(inputs.ContainsKey).Order(StringComparer.Ordinal).ToList());
        return inputs.ToDictionary(i => i.Key, i => WithNeeded(i.Key, inputs, needed));
    }

    /// <summary>The inputs of a service together with those of all that it is built from, directly or not.</summary>
    private static BuildInputs WithNeeded(string service, Dictionary<string, BuildInputs> inputs, Dictionary<string, List<string>> needed)
    {
        List<string> all = [service];
        for (var i = 0; i < all.Count; i++) { all.AddRange(needed[all[i]].Except(all)); }
        var own = inputs[service];
        return all.Count == 1 ? own : own with { Tracked = BuildInputs.Hash([own.Tracked, .. all.Skip(1).Select(n => inputs[n]).SelectMany(n => n.Others.Values.Prepend(n.Tracked).Prepend(n.Section))]) };
    }

    /// <summary>The files of all build contexts, with one call of git for each kind, however many services there are.</summary>
    private async Task<Files> ListAsync(ComposeModel model, string commit, CancellationToken cancellationToken)
    {
        List<string> folders = [.. model.Built.SelectMany(s => ContextsOf(s.Build!)).Select(c => PrefixOf(PhysicalPath.Of(c))).OfType<string>().Select(p => p.TrimEnd('/')).Distinct()];
        if (folders.Count == 0) { return new Files([], []); }
        var tracked = repository.FilesAsync(commit, folders, cancellationToken);
        var untracked = repository.UntrackedAsync(folders, cancellationToken);
        await Task.WhenAll(tracked, untracked);
        return new Files(await tracked, [.. (await untracked).Where(p => !IsOurs(p))]);
    }

    private static IEnumerable<string> ContextsOf(BuildSection build) => build.AdditionalContexts.Values.Prepend(build.Context).Where(c => Path.IsPathFullyQualified(c));

    private BuildInputs Read(BuildSection build, ImmutableDictionary<string, string> secrets, Files files)
    {
        var section = BuildInputs.Hash([build.ContentWithout(options.Build.CommitArgument), .. options.Build.Arguments.OrderBy(p => p.Key, StringComparer.Ordinal).Select(p => $"{p.Key}={p.Value}")]);
        var tracked = new List<TreeEntry>();
        var others = ImmutableSortedDictionary.CreateBuilder<string, string>(StringComparer.Ordinal);
        var dockerfile = Path.GetFullPath(build.Dockerfile, Directory.Exists(build.Context) ? build.Context : _root);
        foreach (var context in ContextsOf(build)) { ReadContext(context, dockerfile, files, tracked, others); }
        if (build.DockerfileInline is null && File.Exists(dockerfile)) { others[Shown(dockerfile)] = ContentIdentity(dockerfile); }
        // In no cache key of BuildKit.
        foreach (var variable in build.SecretVariables) { others[$"the secret {variable}"] = secrets.TryGetValue(variable, out var value) ? BuildInputs.Hash(value) : "unset"; }
        foreach (var secret in build.SecretFiles) { others[Shown(secret)] = ContentIdentity(secret); }
        return new BuildInputs(section, BuildInputs.Hash(tracked.Select(e => $"{e.Mode} {e.Object} {e.Path}")), others.ToImmutable())
        {
            TrackedPaths = [.. tracked.Select(e => e.Path)],
            ContextPrefix = Path.IsPathFullyQualified(build.Context) ? PrefixOf(PhysicalPath.Of(build.Context)) ?? "" : "",
        };
    }

    private void ReadContext(string context, string dockerfile, Files files, List<TreeEntry> tracked, ImmutableSortedDictionary<string, string>.Builder others)
    {
        var folder = PhysicalPath.Of(context);
        var ignore = ReadIgnoreFile(folder, dockerfile);
        if (PrefixOf(folder) is not { } prefix)
        {
            // Outside the repository git cannot say what changed; every file counts.
            foreach (var file in Directory.EnumerateFiles(folder, "*", new EnumerationOptions { RecurseSubdirectories = true, IgnoreInaccessible = true, AttributesToSkip = FileAttributes.ReparsePoint }))
            {
                if (!ignore.Excludes(Path.GetRelativePath(folder, file).Replace('\\', '/'))) { others[file] = FileIdentity(file); }
            }
            return;
        }
        bool Seen(string path) => path.StartsWith(prefix, StringComparison.Ordinal) && !ignore.Excludes(path[prefix.Length..]);
        tracked.AddRange(files.Tracked.Where(e => Seen(e.Path)));
        foreach (var path in files.Untracked.Where(Seen)) { others[path] = FileIdentity(Path.Combine(_root, path)); }
    }

    /// <summary>The folder within the repository, with a slash at its end and empty for the repository itself; null outside of it.</summary>
    private string? PrefixOf(string folder)
    {
        var relative = Path.GetRelativePath(_root, folder).Replace('\\', '/');
        if (relative == ".." || relative.StartsWith("../", StringComparison.Ordinal) || Path.IsPathRooted(relative)) { return null; }
        return relative == "." ? "" : relative + "/";
    }

    /// <summary>The ignore file that BuildKit takes: the one named after the Dockerfile replaces the context's (frontend/dockerui/config.go).</summary>
    private static DockerIgnore ReadIgnoreFile(string context, string dockerfile)
    {
        foreach (var file in new[] { dockerfile + ".dockerignore", Path.Combine(context, ".dockerignore") })
        {
            if (File.Exists(file)) { return DockerIgnore.Parse(File.ReadAllText(file)); }
        }
        return DockerIgnore.None;
    }

    /// <summary>The drop files and their answers come and go without meaning anything for a build.</summary>
    private static bool IsOurs(string path) => DropFile.FileNames.Contains(Path.GetFileName(path));

    private static string FileIdentity(string path)
    {
        try
        {
            var file = new FileInfo(path);
            if (file.LinkTarget is { } target) { return $"link {target}"; }
            var mode = OperatingSystem.IsWindows() ? "" : Convert.ToString((int)File.GetUnixFileMode(path), 8);
            if ((file.Attributes & FileAttributes.Directory) != 0) { return $"folder {mode}"; }
            // A FIFO or a device looks like a file of length 0, and reading one could wait for ever.
            if (file.Length is 0 or > HashedWhole) { return string.Create(CultureInfo.InvariantCulture, $"{mode} {file.Length} {(file.Length == 0 ? 0 : file.LastWriteTimeUtc.Ticks)}"); }
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

    private string Shown(string path) => Path.GetRelativePath(_root, Path.Combine(PhysicalPath.Of(Path.GetDirectoryName(path)!), Path.GetFileName(path))) is var relative && !relative.StartsWith("..", StringComparison.Ordinal) ? relative : path;
}

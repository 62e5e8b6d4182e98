using System.Collections.Immutable;
using System.Globalization;
using System.Text.RegularExpressions;
using Microsoft.Extensions.Logging;
using WatchParty.Tools.Configuration;
using WatchParty.Tools.Failures;
using WatchParty.Tools.Processes;

namespace WatchParty.Tools.Git;

/// <summary>A file of a commit.</summary>
/// <param name="Mode">100644, 100755, 120000 (link) or 160000 (submodule).</param>
/// <param name="Path">Relative to the root of the repository, with slashes.</param>
internal sealed record TreeEntry(string Mode, string Object, string Path)
{
    /// <summary>Mode of a submodule, in a tree and in the index.</summary>
    public const string Submodule = "160000";
}

/// <summary>A file of the index.</summary>
/// <param name="IsCertain">Whether git would notice a file that differs from it: not when it is told to assume it unchanged, or to leave it
/// out of the working tree.</param>
internal sealed record IndexEntry(string Mode, string Object, string Path, bool IsCertain);

internal sealed record CommitInfo(string Commit, string Subject, string Author, DateTimeOffset Time);

/// <summary>The application's checkout.</summary>
/// <remarks>Every failure is a <see cref="WorkerException"/> that names what to do. What touches the remote or the files refuses
/// to while the checkout's own configuration could start programs.</remarks>
internal sealed partial class GitRepository(RepositoryOptions options, IToolRunner runner, TimeProvider time, ILogger<GitRepository> logger)
{
    private const int ShortestEntry = 8;

    /// <summary>Variables on top of the process's own, for tests; a null value removes one.</summary>
    public ImmutableDictionary<string, string?> Environment { get; init; } = ImmutableDictionary<string, string?>.Empty;

    private GitProcess Git => field ??= new GitProcess(options, runner, Environment);

    private GitConfiguration Configuration => field ??= new GitConfiguration(options, Git);

    /// <summary>The git folder of the remote, where that is on this machine, as of the last look at it; else null.</summary>
    public string? LocalRemote { get; private set; }

    /// <summary>The branch to follow: the configured one, else the one checked out.</summary>
    public async Task<string> BranchAsync(CancellationToken cancellationToken)
    {
        var folder = Git.GitFolder();
        if (options.Branch is { Length: > 0 } configured) { return configured; }
        // Read directly, because a poll that finds nothing new shall cost one process.
        var head = (await File.ReadAllTextAsync(Path.Combine(folder, "HEAD"), cancellationToken)).Trim();
        const string prefix = "ref: refs/heads/";
        if (head.StartsWith(prefix, StringComparison.Ordinal) && head != prefix + ".invalid") { return head[prefix.Length..]; }
        // Only git can read the "reftable" format, which leaves ".invalid" in the file.
        var name = (await Git.TryAsync(GitCommands.CheckedOutBranch(Git.Folder), cancellationToken)).Output.Trim();
        return name.StartsWith("refs/heads/", StringComparison.Ordinal)
            ? name["refs/heads/".Length..]
            : throw new WorkerException($"No branch is checked out in {Git.Folder} (detached HEAD). Write the branch to follow to " +
                $"Repository:Branch", Remedy.NeedsPerson);
    }

    /// <summary>The commit the remote's branch points to; null when the remote has no such branch.</summary>
    /// <exception cref="WorkerException">The remote did not answer within <see cref="GitCommands.LookLimit"/>, or refused.</exception>
    public async Task<string?> RemoteHeadAsync(CancellationToken cancellationToken)
    {
        var branch = await BranchAsync(cancellationToken);
        var remote = await Configuration.RemoteAsync(fresh: false, cancellationToken);
        var result = await Git.TryAsync(GitCommands.RemoteHead(Git.Folder, remote, branch), cancellationToken);
        if (result.ExitCode != 0)
        {
            throw new WorkerException($"The remote {remote.Name} cannot be read: {GitFailure.Describe(result.ErrorTail)}",
                Remedy.RetriedByItself);
        }
        LocalRemote = remote.GitFolder();
        return TipOf(result.Output, branch);
    }

    /// <summary>The commit of <paramref name="branch"/> in what <c>git ls-remote</c> prints, or null.</summary>
    internal static string? TipOf(string output, string branch)
    {
        // The pattern also finds branches that merely end like it.
        var ending = $"\t{GitCommands.Head(branch)}";
        var line = output.Split('\n').FirstOrDefault(l => l.EndsWith(ending, StringComparison.Ordinal));
        return line is null ? null : Id(line[..^ending.Length]);
    }

    /// <summary>The commit that is checked out.</summary>
    public async Task<string> HeadAsync(CancellationToken cancellationToken)
    {
        Git.GitFolder();
        return await Git.ResolveAsync("HEAD", cancellationToken)
            ?? throw new WorkerException($"The branch checked out in {Git.Folder} has no commit yet. Pull the application's branch once",
                Remedy.NeedsPerson);
    }

    public async Task<bool> HasCommitAsync(string commit, CancellationToken cancellationToken) =>
        await Git.ResolveAsync(Id(commit), cancellationToken) is not null;

    /// <summary>Makes sure that <paramref name="commit"/> with all its files is here. Nothing that is checked out changes.</summary>
    public async Task FetchAsync(string commit, CancellationToken cancellationToken)
    {
        // A fetch that was killed can leave the commit without its files.
        if ((await Git.TryAsync(GitCommands.IsComplete(Git.Folder, Id(commit)), cancellationToken)).ExitCode == 0) { return; }
        var branch = await BranchAsync(cancellationToken);
        var remote = await Configuration.RemoteAsync(fresh: true, cancellationToken);
        GitLocks.RemoveStale(Git.GitFolder(), branch, remote.Name, time, GitLocks.GitRuns, GitLocks.IsOurs, logger);
        var result = await Git.TryAsync(GitCommands.Fetch(Git.Folder, remote, branch), cancellationToken);
        if (result.ExitCode != 0)
        {
            throw new WorkerException($"The branch {branch} cannot be fetched from {remote.Name}: {GitFailure.Describe(result.ErrorTail)}",
                Remedy.RetriedByItself);
        }
        var check = await Git.TryAsync(GitCommands.IsComplete(Git.Folder, commit), cancellationToken);
        if (check.ExitCode == 0) { return; }
        throw await HasCommitAsync(commit, cancellationToken)
            ? new WorkerException($"Objects of {commit[..7]} are missing or broken in {Git.Folder}: " +
                $"{GitFailure.Reason(check.ErrorTail)}. Repair it with `git fetch --refetch`, or clone the application again",
                Remedy.NeedsPerson)
            : new WorkerException($"{commit[..7]} is not on branch {branch} of {remote.Name} any more", Remedy.RetriedByItself);
    }

    /// <summary>Makes sure that <paramref name="commit"/>, which must be here, is signed by one of <c>Repository:AllowedSigners</c>, where
    /// that is set.</summary>
    /// <exception cref="WorkerException">It is not; or, then not for the commit's sake, the signature cannot be looked at.</exception>
    public async Task RefuseUnsignedAsync(string commit, CancellationToken cancellationToken)
    {
        if (options.AllowedSigners is not { Length: > 0 } file) { return; }
        if (SignersFile.Fault(file, Git.Folder) is { } fault)
        {
            throw new WorkerException($"Repository:AllowedSigners cannot be relied on: {fault.Problem}. {fault.Fix}", Remedy.NeedsPerson);
        }
        var result = await Git.TryAsync(GitCommands.VerifySignature(Git.Folder, Id(commit), file), cancellationToken);
        if (result.ExitCode == 0) { return; }
        var words = result.ErrorTail;
        if (words.Contains("cannot run ssh-keygen", StringComparison.Ordinal)
            || words.Contains("unsupported value for gpg.format", StringComparison.Ordinal))
        {
            throw new WorkerException(
                "Signatures cannot be looked at, which Repository:AllowedSigners asks for. Install ssh-keygen (openssh-client) and git " +
                "2.34 or newer", Remedy.NeedsPerson);
        }
        var reason = words.Trim().Length == 0 ? "it is not signed"
            : words.Contains("No principal matched", StringComparison.Ordinal)
            ? $"its key is not in {file}: {GitFailure.Reason(words.Replace("No principal matched.", "", StringComparison.Ordinal))}"
            : $"its signature is not a good one: {GitFailure.Reason(words)}";
        throw new WorkerException($"{commit[..7]} was refused, because Repository:AllowedSigners is set and {reason}. Push a commit " +
            $"signed by one of {file}", Remedy.NeedsNewCommit);
    }

    /// <summary>Moves the followed branch and the files to <paramref name="commit"/>, which must be here.</summary>
    /// <param name="reason">Goes into the name of the stash, should local edits be set aside.</param>
    /// <exception cref="WorkerException">Something of the operator's would be lost; nothing has changed then.</exception>
    public async Task<CheckoutResult> CheckOutAsync(string commit, string reason, CancellationToken cancellationToken)
    {
        var branch = await BranchAsync(cancellationToken);
        var remote = await Configuration.RemoteAsync(fresh: true, cancellationToken);
        GitLocks.RemoveStale(Git.GitFolder(), branch, remote.Name, time, GitLocks.GitRuns, GitLocks.IsOurs, logger);
        if (!await HasCommitAsync(commit, cancellationToken))
        {
            throw new WorkerException($"{commit[..7]} is not in {Git.Folder}", Remedy.NeedsPerson);
        }
        var result = await new GitCheckout(options, Git, remote, logger).RunAsync(branch, commit, reason, cancellationToken);
        if (File.Exists(Path.Combine(Git.Folder, ".gitmodules")))
        {
            await Configuration.CheckSubmodulesAsync(cancellationToken);
            var updated = await Git.TryAsync(GitCommands.Submodules(Git.Folder, remote), cancellationToken);
            if (updated.ExitCode != 0)
            {
                throw new WorkerException($"The submodules of {commit[..7]} cannot be checked out: " +
                    $"{GitFailure.Describe(updated.ErrorTail)}", Remedy.RetriedByItself);
            }
        }
        return result;
    }

    /// <summary>Files of <paramref name="commit"/> at or below <paramref name="folders"/>, which are relative to the root; "" is
    /// all.</summary>
    public async Task<IReadOnlyList<TreeEntry>> FilesAsync(string commit, IReadOnlyCollection<string> folders,
        CancellationToken cancellationToken) =>
        ParseTree(await Git.OutputAsync(
            GitCommands.Files(Git.Folder, Id(commit), Relative(folders)), $"The files of {commit[..7]} cannot be listed",
            cancellationToken));

    /// <summary>Untracked files, ignored ones too, at or below <paramref name="folders"/>; another repository in there is one entry
    /// that ends with a slash.</summary>
    public async Task<IReadOnlyList<string>> UntrackedAsync(IReadOnlyCollection<string> folders, CancellationToken cancellationToken) =>
        Paths(await Git.OutputAsync(GitCommands.Untracked(Git.Folder, Relative(folders)), "The untracked files cannot be listed",
            cancellationToken));

    /// <summary>Tracked files at or below <paramref name="paths"/>, as they are checked out.</summary>
    public async Task<IReadOnlyList<IndexEntry>> IndexAsync(IReadOnlyCollection<string> paths, CancellationToken cancellationToken) =>
        ParseIndex(await Git.OutputAsync(GitCommands.Index(Git.Folder, Relative(paths)), "The tracked files cannot be listed",
            cancellationToken));

    /// <summary>Tracked files at or below <paramref name="folders"/> whose changes git was told not to look for (<c>skip-worktree</c>,
    /// <c>assume-unchanged</c>).</summary>
    public async Task<IReadOnlyList<string>> UnwatchedAsync(IReadOnlyCollection<string> folders, CancellationToken cancellationToken) =>
        [.. (await IndexAsync(folders, cancellationToken)).Where(e => !e.IsCertain).Select(e => e.Path)];

    /// <summary>Paths that differ between two commits; a renamed file counts under both names.</summary>
    public async Task<IReadOnlyList<string>> ChangedPathsAsync(string from, string to, CancellationToken cancellationToken) =>
        Paths(await Git.OutputAsync(GitCommands.ChangedPaths(Git.Folder, Id(from), Id(to)), $"{from[..7]} and {to[..7]} cannot be compared",
            cancellationToken));

    public async Task<CommitInfo> DescribeAsync(string commit, CancellationToken cancellationToken)
    {
        var fields =
            (await Git.OutputAsync(GitCommands.Describe(Git.Folder, Id(commit)), $"{commit[..7]} cannot be read",
                cancellationToken)).TrimEnd('\n').Split('\0');
        var seconds = long.TryParse(fields[3], CultureInfo.InvariantCulture, out var s) ? Math.Clamp(s, 0, 253402300799) : 0;
        return new CommitInfo(fields[0], fields[1], fields[2], DateTimeOffset.FromUnixTimeSeconds(seconds));
    }

    /// <summary>Whether <paramref name="ancestor"/> is <paramref name="commit"/> or part of its history; false when either is not
    /// here.</summary>
    public async Task<bool> IsAncestorAsync(string ancestor, string commit, CancellationToken cancellationToken) =>
        (await Git.TryAsync(GitCommands.IsAncestor(Git.Folder, Id(ancestor), Id(commit)), cancellationToken)).ExitCode == 0;

    /// <summary>Keeps <paramref name="commit"/> from git's garbage collection until <see cref="ForgetAsync"/>.</summary>
    public Task KeepAsync(string commit, long release, CancellationToken cancellationToken) =>
        Git.OutputAsync(
            GitCommands.SetRef(Git.Folder, GitCommands.Release(release), Id(commit)), $"The commit of release {release} cannot be kept",
            cancellationToken);

    /// <summary>Commit by release, of those that <see cref="KeepAsync"/> keeps.</summary>
    public async Task<IReadOnlyDictionary<long, string>> KeptAsync(CancellationToken cancellationToken)
    {
        var lines = (await Git.OutputAsync(GitCommands.Refs(Git.Folder, GitCommands.Releases), "The commits kept cannot be listed",
            cancellationToken)).Split('\n', StringSplitOptions.RemoveEmptyEntries);
        return lines.Select(l => l.Split(' '))
            .Where(p => p.Length == 2
                && long.TryParse(p[1][GitCommands.Releases.Length..], NumberStyles.None, CultureInfo.InvariantCulture, out _))
            .ToDictionary(p => long.Parse(p[1][GitCommands.Releases.Length..], CultureInfo.InvariantCulture), p => Id(p[0]));
    }

    /// <summary>Undoes <see cref="KeepAsync"/>; a release that is not kept is no error.</summary>
    public Task ForgetAsync(long release, CancellationToken cancellationToken) =>
        Git.OutputAsync(
            GitCommands.DeleteRef(Git.Folder, GitCommands.Release(release)), $"The commit of release {release} cannot be let go",
            cancellationToken);

    /// <summary>Packs git's objects when there are many packs, because fetching never does; each fetch leaves one.</summary>
    public async Task TidyAsync(CancellationToken cancellationToken, int packLimit = 50)
    {
        await Configuration.RemoteAsync(fresh: true, cancellationToken);
        await Git.OutputAsync(GitCommands.Tidy(Git.Folder, packLimit), "The repository cannot be packed", cancellationToken);
    }

    /// <summary>Settings of the checkout that could start programs, each with what to do instead; empty when all is well.</summary>
    public Task<IReadOnlyList<string>> DangerousConfigurationAsync(CancellationToken cancellationToken) =>
        Configuration.RefusedAsync(cancellationToken);

    internal static List<TreeEntry> ParseTree(string output)
    {
        List<TreeEntry> entries = [];
        var rest = output.AsSpan();
        while (rest.IndexOf('\0') is >= 0 and var end)
        {
            // "mode type object TAB path"
            var entry = rest[..end];
            var tab = entry.IndexOf('\t');
            if (tab < ShortestEntry)
            {
                throw new WorkerException("git printed a list of files that cannot be read", Remedy.RetriedByItself);
            }
            var space = entry.LastIndexOf(' ') is var last && last < tab ? last : entry[..tab].LastIndexOf(' ');
            entries.Add(new TreeEntry(entry[..6].ToString(), entry[(space + 1)..tab].ToString(), entry[(tab + 1)..].ToString()));
            rest = rest[(end + 1)..];
        }
        return entries;
    }

    internal static List<IndexEntry> ParseIndex(string output) =>
    [
        // "tag mode object stage TAB path"; the tag is S or a small letter for a file that git does not look at.
        .. Paths(output).Select(line => (Tab: line.IndexOf('\t', StringComparison.Ordinal), Line: line)).Where(e => e.Tab > 0)
            .Select(e => (Fields: e.Line[..e.Tab].Split(' '), Path: e.Line[(e.Tab + 1)..])).Where(e => e.Fields.Length == 4)
            .Select(e => new IndexEntry(e.Fields[1], e.Fields[2], e.Path, e.Fields[0] == "H")),
    ];

    private static string[] Paths(string output) => output.Split('\0', StringSplitOptions.RemoveEmptyEntries);

    private static string Relative(string folder) =>
        folder.Replace('\\', '/').Trim('/') is var f && f is "." ? "" : f.StartsWith("./", StringComparison.Ordinal) ? f[2..] : f;

    /// <summary>Empty when one of them is the root, which has the others in it.</summary>
    private static IEnumerable<string> Relative(IReadOnlyCollection<string> folders) =>
        folders.Any(f => Relative(f).Length == 0) ? [] : folders.Select(Relative);

    // An id comes from a remote or a person; what is not one could be an option.
    private static string Id(string commit) => ObjectId().IsMatch(commit)
        ? commit
        : throw new WorkerException($"'{commit}' is not a full commit id", Remedy.NeedsPerson);

    [GeneratedRegex(@"\A[0-9a-f]{40}([0-9a-f]{24})?\z")]
    private static partial Regex ObjectId();
}

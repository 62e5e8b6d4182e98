using System.Collections.Immutable;
using System.Globalization;
using WatchParty.Tools.Processes;

namespace WatchParty.Tools.Git;

/// <summary>Every git command of the worker, as values. Needs git 2.29.</summary>
/// <remarks>The checkout's own configuration is distrusted, the service user's is not. What a fixed option can switch off is
/// switched off here; the keys that no option can switch off are refused by <see cref="GitConfigurationRules"/>.</remarks>
internal static class GitCommands
{
    /// <summary>Wall-clock limit of one look at the remote.</summary>
    public static readonly TimeSpan LookLimit = TimeSpan.FromSeconds(30);

    private static readonly TimeSpan FetchLimit = TimeSpan.FromMinutes(15);

    private static readonly ImmutableDictionary<string, string?> Environment = new Dictionary<string, string?>
    {
        // Nobody sits at a service: every kind of prompt fails at once.
        ["GIT_TERMINAL_PROMPT"] = "0",
        ["GIT_ASKPASS"] = "false",
        ["SSH_ASKPASS"] = "false",
        ["SSH_ASKPASS_REQUIRE"] = "never",
        ["GCM_INTERACTIVE"] = "never",
        ["GIT_EDITOR"] = "false",
        // Stands above protocol.*.allow of any configuration, so "ext::" and other transport programs never start.
        ["GIT_ALLOW_PROTOCOL"] = "file:git:http:https:ssh",
        // Messages are matched.
        ["LC_ALL"] = "C",
        ["LANGUAGE"] = null,
        // A worker started from inside another repository's hook must not work on that one.
        ["GIT_DIR"] = null,
        ["GIT_WORK_TREE"] = null,
        ["GIT_COMMON_DIR"] = null,
        ["GIT_INDEX_FILE"] = null,
        ["GIT_OBJECT_DIRECTORY"] = null,
        ["GIT_ALTERNATE_OBJECT_DIRECTORIES"] = null,
        ["GIT_NAMESPACE"] = null,
        ["GIT_CONFIG"] = null,
        ["GIT_EXTERNAL_DIFF"] = null,
    }.ToImmutableDictionary();

    /// <summary>The branch's line of the remote's list. Without <c>--heads</c> git would ask for every ref.</summary>
    public static ToolCommand RemoteHead(string folder, GitRemote remote, string branch) =>
        Network(folder, remote, ["ls-remote", "--heads"], remote.Name,
            Head(branch)) with
        { Timeout = LookLimit, Grace = TimeSpan.FromSeconds(2), InGroup = false };

    /// <summary>Brings the branch into <c>refs/remotes</c>, whatever was there before.</summary>
    public static ToolCommand Fetch(string folder, GitRemote remote, string branch) => Slow(Network(
        folder, remote,
        ["fetch", "--quiet", "--no-tags", "--no-auto-gc", "--no-recurse-submodules", "--no-write-fetch-head"],
        remote.Name, $"+{Head(branch)}:refs/remotes/{remote.Name}/{branch}"));

    public static ToolCommand Submodules(string folder, GitRemote remote)
    {
        // The submodules' folders are not known beforehand, and they come from the same checkout.
        var command =
            Git(folder, "-c", "safe.directory=*", "submodule", "--quiet", "update", "--init", "--recursive",
                "--checkout") with
            { Timeout = FetchLimit };
        // A committed .gitmodules must not make the worker copy repositories of this machine.
        return command.With("GIT_ALLOW_PROTOCOL", "git:http:https:ssh").With("GIT_SSH_COMMAND", remote.Ssh);
    }

    /// <summary>Every setting with its scope and file, NUL-separated.</summary>
    public static ToolCommand Settings(string folder) => Read(folder, "config", "--list", "-z", "--show-scope", "--show-origin");

    public static ToolCommand SettingsOf(string folder, string file) =>
        Read(folder, "config", "--file", file, "--no-includes", "--list", "-z");

    public static ToolCommand Resolve(string folder, string name) =>
        Read(folder, "rev-parse", "--verify", "--quiet", "--end-of-options", $"{name}^{{commit}}");

    public static ToolCommand CheckedOutBranch(string folder) => Read(folder, "symbolic-ref", "--quiet", "HEAD");

    /// <summary>Exit code 0 only when the commit and its whole tree are there.</summary>
    public static ToolCommand IsComplete(string folder, string commit) =>
        Read(folder, "rev-list", "--objects", "--quiet", "--max-count=1", commit, "--");

    public static ToolCommand Files(string folder, string commit, IEnumerable<string> below) =>
        Read(folder, ["ls-tree", "-r", "-z", "--full-tree", commit, "--", .. below]);

    /// <summary>Untracked files, ignored ones too.</summary>
    public static ToolCommand Untracked(string folder, IEnumerable<string> below) =>
        Read(folder, ["ls-files", "--others", "-z", "--", .. below]);

    /// <summary>Tracked files with their objects, and whether git looks at them in the working tree.</summary>
    public static ToolCommand Index(string folder, IEnumerable<string> below) =>
        Read(folder, ["ls-files", "-v", "--stage", "-z", "--", .. below]);

    public static ToolCommand Tracked(string folder) => Read(folder, "ls-files", "-z");

    public static ToolCommand ChangedPaths(string folder, string from, string to) =>
        Read(folder, "diff-tree", "-r", "-z", "--name-only", "--no-renames", "--no-ext-diff", "--no-textconv", from, to, "--");

    public static ToolCommand Describe(string folder, string commit) =>
        Read(folder, "log", "--max-count=1", "--no-show-signature", "--no-decorate", "--encoding=UTF-8", "--format=%H%x00%s%x00%an%x00%ct",
            commit, "--");

    /// <summary>Exit code 0 only when the commit has a good SSH signature of a key in <paramref name="signers"/>.</summary>
    public static ToolCommand VerifySignature(string folder, string commit, string signers) => Read(
        folder,
        "-c", "gpg.format=ssh", "-c", "gpg.ssh.program=ssh-keygen", "-c", $"gpg.ssh.allowedSignersFile={signers}", "-c",
        "gpg.minTrustLevel=fully",
        // git goes by the signature and not by gpg.format: one of another kind would be asked of programs and keys that are not meant here.
        "-c", "gpg.program=false", "-c", "gpg.openpgp.program=false", "-c", "gpg.x509.program=false",
        "verify-commit", commit);

    public static ToolCommand IsAncestor(string folder, string ancestor, string commit) =>
        Read(folder, "merge-base", "--is-ancestor", ancestor, commit);

    public static ToolCommand LocalEdits(string folder) =>
        Read(folder, "status", "--porcelain=v1", "-z", "--untracked-files=no", "--ignore-submodules=all", "--no-renames");

    /// <summary>Tracked paths whose file differs from that of <paramref name="commit"/>.</summary>
    public static ToolCommand DifferentFrom(string folder, string commit) =>
        // Not diff-index, which calls a file with a new time different without reading it.
        Read(folder, "diff", "-z", "--name-only", "--no-renames", "--no-ext-diff", "--no-textconv", "--ignore-submodules=all", commit,
            "--");

    /// <summary>Paths of <paramref name="commit"/> that the index does not know, with mode and object.</summary>
    public static ToolCommand NewPaths(string folder, string commit) =>
        Read(folder, "diff-index", "--cached", "-z", "--no-renames", "--no-abbrev", "--diff-filter=D", commit, "--");

    /// <summary>Object and name of the refs whose names begin with <paramref name="prefix"/>.</summary>
    public static ToolCommand Refs(string folder, string prefix) =>
        Read(folder, "for-each-ref", "--format=%(objectname) %(refname)", prefix);

    public static ToolCommand RefsWith(string folder, string commit) =>
        Read(folder, "for-each-ref", "--contains", commit, "--format=%(refname)");

    /// <summary>Object ids of files as git would store them.</summary>
    public static ToolCommand HashFiles(string folder, IEnumerable<string> paths) =>
        Read(folder, "hash-object", "--stdin-paths") with { Input = string.Concat(paths.Select(p => p + "\n")) };

    public static ToolCommand Content(string folder, string blob) => Read(folder, "cat-file", "blob", blob);

    /// <summary>Makes a stash without touching anything; the printed commit is stored by <see cref="StoreStash"/>.</summary>
    public static ToolCommand CreateStash(string folder, string message) => Git(folder, "stash", "create", message);

    public static ToolCommand StoreStash(string folder, string message, string stash) =>
        Git(folder, "stash", "store", "--quiet", "--message", message, stash);

    /// <summary>Sets exactly these tracked paths back to the checked-out commit.</summary>
    public static ToolCommand Restore(string folder, IEnumerable<string> paths)
    {
        var command = Git(folder, "restore", "--source=HEAD", "--staged", "--worktree", "--pathspec-from-file=-", "--pathspec-file-nul");
        return command with { Input = Lines(paths) };
    }

    /// <summary>Changes the index only. Lines are <c>mode object TAB path</c>; mode 0 removes.</summary>
    public static ToolCommand UpdateIndex(string folder, IEnumerable<string> lines) =>
        Git(folder, "update-index", "--add", "-z", "--index-info") with { Input = Lines(lines) };

    /// <summary>Moves the branch, the index and the files. Unlike <c>reset --hard</c> git itself then refuses to overwrite
    /// untracked files, ignored ones too, and edits hidden by <c>update-index --assume-unchanged</c>.</summary>
    public static ToolCommand CheckOut(string folder, GitRemote remote, string branch, string commit) => Slow(Git(
        folder, "checkout", "--quiet", "--no-overwrite-ignore", "--no-recurse-submodules", "--no-track", "-B", branch, commit, "--")
        .With("GIT_SSH_COMMAND", remote.Ssh));

    public static ToolCommand SetRef(string folder, string name, string commit) => Git(folder, "update-ref", "--no-deref", name, commit);

    public static ToolCommand DeleteRef(string folder, string name) => Git(folder, "update-ref", "--no-deref", "-d", name);

    /// <summary>Packs the objects when there are many packs or loose objects, in the foreground.</summary>
    public static ToolCommand Tidy(string folder, int packLimit) => Slow(Git(
        folder, "-c", "gc.auto=6700", "-c", $"gc.autoPackLimit={packLimit.ToString(CultureInfo.InvariantCulture)}", "-c",
        "gc.autoDetach=false",
        "gc", "--auto", "--quiet"));

    public static string Head(string branch) => $"refs/heads/{branch}";

    public const string Releases = "refs/watchparty/release/";

    public static string Release(long release) => $"{Releases}{release.ToString(CultureInfo.InvariantCulture)}";

    public static string Saved(string commit) => $"refs/watchparty/saved/{commit}";

    private static ToolCommand Network(string folder, GitRemote remote, IEnumerable<string> command, params IEnumerable<string> operands)
    {
        IEnumerable<string> uploadPack = remote.UploadPack is { } program ? [$"--upload-pack={program}"] : [];
        return Git(folder, [
            // Broken objects are refused; the three old slips of otherwise good histories are not.
            "-c", "fetch.fsckObjects=true", "-c", "fetch.fsck.zeroPaddedFilemode=ignore",
            "-c", "fetch.fsck.missingSpaceBeforeDate=ignore", "-c", "fetch.fsck.badTimezone=ignore",
            "-c", "http.lowSpeedLimit=500", "-c", "http.lowSpeedTime=30",
            .. command, .. uploadPack, "--", .. operands]).With("GIT_SSH_COMMAND", remote.Ssh);
    }

    // An optional lock would fail a command that a person runs at the same moment.
    private static ToolCommand Read(string folder, params IEnumerable<string> arguments) =>
        Git(folder, arguments).With("GIT_OPTIONAL_LOCKS", "0");

    private static ToolCommand Git(string folder, params IEnumerable<string> arguments) => new("git", [
        // A named git folder is never searched for in the parents, and is not asked for its owner by any version of git;
        // safe.directory (heard from the command line since 2.38) does the same for what git starts by itself.
        $"--git-dir={Path.Combine(folder, ".git")}", $"--work-tree={folder}", "--literal-pathspecs",
        "-c", $"safe.directory={folder}",
        "-c", "core.hooksPath=/dev/null", "-c", "core.fsmonitor=false",
        "-c", "credential.interactive=false", "-c", "log.showSignature=false", "-c", "color.ui=false",
        "-c", "submodule.recurse=false", "-c", "gc.auto=0", "-c", "maintenance.auto=false",
        .. arguments])
    {
        WorkingDirectory = folder,
        Environment = Environment,
    };

    private static ToolCommand Slow(ToolCommand command) => command with { Timeout = FetchLimit };

    private static string Lines(IEnumerable<string> lines) => string.Concat(lines.Select(l => l + "\0"));
}

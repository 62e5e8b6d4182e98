using WatchParty.Tools.Git;
using WatchParty.Tools.Processes;

namespace WatchParty.Worker.Tests.Git;

public sealed class GitCommandsTests
{
    private const string Folder = "/srv/watch-party";
    private static readonly GitRemote Remote = GitRemote.Create("origin", "https://example.org/app.git", Folder, null);
    private static readonly string Commit = new('a', 40);

    public static TheoryData<string> Names => [.. All().Select(c => c.Name)];

    [Theory]
    [MemberData(nameof(Names))]
    public void Every_Command_SwitchesOffWhatTheCheckoutCouldStart(string name)
    {
        var command = All().Single(c => c.Name == name).Command;

        Assert.Equal(("git", Folder), (command.Program, command.WorkingDirectory));
        Assert.Contains("core.hooksPath=/dev/null", command.Arguments);
        Assert.Contains("core.fsmonitor=false", command.Arguments);
        Assert.Contains($"safe.directory={Folder}", command.Arguments);
        Assert.Equal("0", command.Environment["GIT_TERMINAL_PROMPT"]);
        Assert.Equal("never", command.Environment["SSH_ASKPASS_REQUIRE"]);
        Assert.DoesNotContain("ext", command.Environment["GIT_ALLOW_PROTOCOL"]!.Split(':'));
        Assert.Null(command.Environment["GIT_DIR"]);
        Assert.True(command.Timeout <= TimeSpan.FromMinutes(15));
    }

    [Fact]
    public void RemoteHead_OfABranch_AsksForHeadsOnlyAndEndsItsOptions()
    {
        var command = GitCommands.RemoteHead(Folder, Remote, "main");

        Assert.Equal(["ls-remote", "--heads", "--", "origin", "refs/heads/main"], After(command, "ls-remote"));
        Assert.Equal(TimeSpan.FromSeconds(30), command.Timeout);
        Assert.Contains("http.lowSpeedTime=30", command.Arguments);
    }

    [Fact]
    public void Fetch_OfABranch_ForcesTheTrackingRefAndNothingElse() => Assert.Equal(
        ["fetch", "--quiet", "--no-tags", "--no-auto-gc", "--no-recurse-submodules", "--no-write-fetch-head", "--", "origin", "+refs/heads/main:refs/remotes/origin/main"],
        After(GitCommands.Fetch(Folder, Remote, "main"), "fetch"));

    [Fact]
    public void CheckOut_OfACommit_NeverOverwritesUntrackedFiles()
    {
        var command = GitCommands.CheckOut(Folder, Remote, "main", Commit);

        Assert.Contains("--no-overwrite-ignore", command.Arguments);
        Assert.DoesNotContain("--force", command.Arguments);
        Assert.Equal(["-B", "main", Commit, "--"], After(command, "-B"));
    }

    [Fact]
    public void Submodules_OfACommit_NeverComeFromThisMachine() =>
        Assert.DoesNotContain("file", GitCommands.Submodules(Folder, Remote).Environment["GIT_ALLOW_PROTOCOL"]!.Split(':'));

    [Theory]
    [InlineData(null, "ssh -o BatchMode=yes -o ConnectTimeout=10 -o ServerAliveInterval=15")]
    [InlineData("ssh -i /etc/key", "ssh -i /etc/key -o BatchMode=yes -o ConnectTimeout=10 -o ServerAliveInterval=15")]
    [InlineData("plink.exe", "plink.exe -batch")]
    public void Remote_WithAnSshProgram_NeverAsks(string? ssh, string expected) =>
        Assert.Equal(expected, GitCommands.Fetch(Folder, GitRemote.Create("origin", "git@example.org:app.git", Folder, ssh), "main").Environment["GIT_SSH_COMMAND"]);

    [Theory]
    [InlineData("https://example.org/app.git", null)]
    [InlineData("git@example.org:app.git", null)]
    [InlineData("ssh://git@example.org/app.git", null)]
    [InlineData("/srv/git/it's.git", "safe.directory='/srv/git/it'\\''s.git'")]
    [InlineData("../git/app.git", "safe.directory='/srv/git/app.git'")]
    [InlineData("file:///srv/my%20git/app.git", "safe.directory='/srv/my git/app.git'")]
    [InlineData("./odd:name", "safe.directory='/srv/watch-party/odd:name'")]
    public void Remote_BehindAPath_IsTrustedByItsOwnUploadPackOnly(string url, string? expected)
    {
        var remote = GitRemote.Create("origin", url, Folder, null);

        if (expected is null) { Assert.Null(remote.UploadPack); }
        else { Assert.Contains(expected, remote.UploadPack, StringComparison.Ordinal); }
    }

    [Theory]
    [InlineData("git@example.org: Permission denied (publickey).\nfatal: Could not read from remote repository.\n\nPlease make sure", "git@example.org: Permission denied (publickey)")]
    [InlineData("remote: Repository not found.\nfatal: repository 'https://u:p@example.org/x/' not found\n", "repository 'https://***@example.org/x/' not found (Repository not found.)")]
    [InlineData("fatal: unable to access 'https://e.org/': Failed to connect to e.org port 443 after 12 ms: No", "unable to access 'https://e.org/': Failed to connect to e.org port 443: No")]
    [InlineData("error: Your local changes would be overwritten by checkout:\n\ta.txt\n\tb.txt\nPlease commit\nAborting\n", "Your local changes would be overwritten by checkout: a.txt, b.txt")]
    [InlineData("warning: x\nfatal: bad\u001b[31m thing\n", "bad [31m thing")]
    [InlineData("", "git gave no reason")]
    public void Reason_OfWhatGitPrinted_IsOneLineWithoutSecrets(string errors, string expected) => Assert.Equal(expected, GitFailure.Reason(errors));

    private static IEnumerable<string> After(ToolCommand command, string first) => command.Arguments.SkipWhile(a => a != first);

    private static IEnumerable<(string Name, ToolCommand Command)> All() =>
    [
        ("remote head", GitCommands.RemoteHead(Folder, Remote, "main")),
        ("fetch", GitCommands.Fetch(Folder, Remote, "main")),
        ("submodules", GitCommands.Submodules(Folder, Remote)),
        ("settings", GitCommands.Settings(Folder)),
        ("files", GitCommands.Files(Folder, Commit, ["backend"])),
        ("untracked", GitCommands.Untracked(Folder, [])),
        ("changed", GitCommands.ChangedPaths(Folder, Commit, Commit)),
        ("describe", GitCommands.Describe(Folder, Commit)),
        ("edits", GitCommands.LocalEdits(Folder)),
        ("stash", GitCommands.CreateStash(Folder, "why")),
        ("restore", GitCommands.Restore(Folder, ["a"])),
        ("check out", GitCommands.CheckOut(Folder, Remote, "main", Commit)),
        ("set ref", GitCommands.SetRef(Folder, "refs/x", Commit)),
        ("tidy", GitCommands.Tidy(Folder, 50)),
    ];
}

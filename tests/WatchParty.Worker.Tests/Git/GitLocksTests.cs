using WatchParty.Tools.Failures;
using WatchParty.Tools.Git;
using WatchParty.Worker.Tests.Fakes;

namespace WatchParty.Worker.Tests.Git;

public sealed class GitLocksTests : IDisposable
{
    private readonly string _folder = Directory.CreateTempSubdirectory("wp-locks-").FullName;
    private readonly RecordingLogger<GitRepository> _log = new();

    public void Dispose() => Directory.Delete(_folder, true);

    [Theory]
    [InlineData("index.lock", false)]
    [InlineData("refs/heads/main.lock", false)]
    [InlineData("index.lock", true)]
    public void RemoveStale_WithAnOldLockAndNoGitAtWork_RemovesItAndSaysSo(string name, bool isOurs)
    {
        var file = Lock(name);

        GitLocks.RemoveStale(_folder, "main", "origin", new Later((isOurs ? GitLocks.OldOfOurs : GitLocks.Old) + TimeSpan.FromSeconds(1)), () => false, _ => isOurs, _log);

        Assert.False(File.Exists(file));
        Assert.Contains(name, Assert.Single(_log.Warnings), StringComparison.Ordinal);
    }

    [Theory]
    [InlineData(10, true, true)]
    [InlineData(1, false, false)]
    [InlineData(0.4, false, true)]
    public void RemoveStale_WithAYoungLockOrAGitAtWork_LeavesIt(double minutes, bool gitRuns, bool isOurs)
    {
        var file = Lock("index.lock");

        var error = Assert.Throws<WorkerException>(() =>
            GitLocks.RemoveStale(_folder, "main", "origin", new Later(TimeSpan.FromMinutes(minutes)), () => gitRuns, _ => isOurs, _log));

        Assert.Equal(Remedy.RetriedByItself, error.Remedy);
        Assert.True(File.Exists(file));
    }

    [RootFact]
    public void Lock_OfThisUser_IsOursAndThatOfAnotherIsNot()
    {
        var file = Lock("index.lock");
        Assert.Equal(new FileInfo("/proc/self/ns/pid").LinkTarget == "pid:[4026531836]", GitLocks.IsOurs(file));

        using (var chown = System.Diagnostics.Process.Start("chown", ["1", file])) { chown.WaitForExit(); }

        Assert.False(GitLocks.IsOurs(file));
        Assert.False(GitLocks.IsOurs(file + ".gone"));
    }

    private string Lock(string name)
    {
        var file = Path.Combine(_folder, name);
        Directory.CreateDirectory(Path.GetDirectoryName(file)!);
        File.WriteAllText(file, "");
        return file;
    }

    private sealed class Later(TimeSpan by) : TimeProvider
    {
        public override DateTimeOffset GetUtcNow() => base.GetUtcNow() + by;
    }
}

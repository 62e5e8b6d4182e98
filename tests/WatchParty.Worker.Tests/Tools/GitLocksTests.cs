using WatchParty.Worker.Tests.Fakes;
using WatchParty.Worker.Tools;

namespace WatchParty.Worker.Tests.Tools;

public sealed class GitLocksTests : IDisposable
{
    private readonly string _folder = Directory.CreateTempSubdirectory("wp-locks-").FullName;
    private readonly RecordingLogger<GitRepository> _log = new();

    public void Dispose() => Directory.Delete(_folder, true);

    [Theory]
    [InlineData("index.lock")]
    [InlineData("refs/heads/main.lock")]
    public void RemoveStale_WithAnOldLockAndNoGitAtWork_RemovesItAndSaysSo(string name)
    {
        var file = Lock(name);

        GitLocks.RemoveStale(_folder, "main", "origin", new Later(GitLocks.Old + TimeSpan.FromSeconds(1)), () => false, _log);

        Assert.False(File.Exists(file));
        Assert.Contains(name, Assert.Single(_log.Warnings), StringComparison.Ordinal);
    }

    [Theory]
    [InlineData(10, true)]
    [InlineData(1, false)]
    public void RemoveStale_WithAYoungLockOrAGitAtWork_LeavesIt(int minutes, bool gitRuns)
    {
        var file = Lock("index.lock");

        var error = Assert.Throws<WorkerException>(() =>
            GitLocks.RemoveStale(_folder, "main", "origin", new Later(TimeSpan.FromMinutes(minutes)), () => gitRuns, _log));

        Assert.Equal(Remedy.RetriedByItself, error.Remedy);
        Assert.True(File.Exists(file));
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

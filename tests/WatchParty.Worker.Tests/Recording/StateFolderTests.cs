using WatchParty.Releases.Recording;
using WatchParty.Tools.Failures;

namespace WatchParty.Worker.Tests.Recording;

public sealed class StateFolderTests : IDisposable
{
    private readonly string _root = Directory.CreateTempSubdirectory("state-").FullName;

    public void Dispose() => Directory.Delete(_root, recursive: true);

    [Fact]
    public void It_is_made_for_this_user_alone_and_found_again()
    {
        var path = Path.Combine(_root, "var", "watchparty");
        var folder = StateFolder.Open(path);
        Assert.Equal(path, StateFolder.Open(path).Path);
        foreach (var made in new[] { path, folder.Logs, folder.Work })
        {
            Assert.Equal(UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute, File.GetUnixFileMode(made));
        }
        Assert.False(folder.OthersCanWrite);
        Assert.Equal(
            ["history.db", "logs", "work", "worker.lock", "worker.sock"],
            new[] { folder.Database, folder.Lock, folder.Socket, folder.Logs, folder.Work }.Select(p => Path.GetRelativePath(path, p)).Order());
        Assert.Equal(["logs", "work"], Directory.GetFileSystemEntries(path).Select(Path.GetFileName).Order());
    }

    [Fact]
    public void A_folder_that_others_can_write_is_used_and_said_to_be()
    {
        File.SetUnixFileMode(_root, File.GetUnixFileMode(_root) | UnixFileMode.GroupWrite);
        Assert.True(StateFolder.Open(_root).OthersCanWrite);
    }

    [Fact]
    public void What_cannot_be_used_is_an_error_with_the_setting_and_the_fix()
    {
        var file = Path.Combine(_root, "file");
        File.WriteAllText(file, "");
        foreach (var path in new[] { file, Path.Combine(file, "below"), "/proc/nowhere", "/sys" })
        {
            var error = Assert.Throws<WorkerException>(() => StateFolder.Open(path));
            Assert.Equal(Remedy.NeedsPerson, error.Remedy);
            Assert.Contains($"State:Folder {path} cannot be used", error.Message, StringComparison.Ordinal);
            Assert.Contains("or set State:Folder to another one", error.Message, StringComparison.Ordinal);
        }
    }

    [Fact]
    public void Emptying_the_work_removes_links_and_not_their_targets()
    {
        var folder = StateFolder.Open(Path.Combine(_root, "state"));
        var outside = Directory.CreateDirectory(Path.Combine(_root, "outside")).FullName;
        File.WriteAllText(Path.Combine(outside, "kept"), "");
        Directory.CreateDirectory(Path.Combine(folder.Work, "build", "deep"));
        File.WriteAllText(Path.Combine(folder.Work, "build", "deep", "file"), "");
        File.WriteAllText(Path.Combine(folder.Work, "file"), "");
        Directory.CreateSymbolicLink(Path.Combine(folder.Work, "link"), outside);
        Directory.CreateSymbolicLink(Path.Combine(folder.Work, "build", "link"), outside);
        File.CreateSymbolicLink(Path.Combine(folder.Work, "dangling"), "nowhere");
        File.WriteAllText(Path.Combine(folder.Path, ".probe-1"), "");
        folder.EmptyWork();
        Assert.Empty(Directory.GetFileSystemEntries(folder.Work));
        Assert.Equal(["logs", "work"], Directory.GetFileSystemEntries(folder.Path).Select(Path.GetFileName).Order());
        Assert.True(File.Exists(Path.Combine(outside, "kept")));

        Directory.Delete(folder.Work);
        Directory.CreateSymbolicLink(folder.Work, outside);
        folder.EmptyWork();
        Assert.Empty(Directory.GetFileSystemEntries(folder.Work));
        Assert.True(File.Exists(Path.Combine(outside, "kept")));
    }
}

using System.Text;
using WatchParty.Worker.Hosting;

namespace WatchParty.Worker.Tests.Triggering;

public sealed class DropFileRefusalTests : IAsyncDisposable
{
    private readonly DropFileBench _bench = new();

    public ValueTask DisposeAsync() => _bench.DisposeAsync();

    private async Task RefusedAndGone(string reason)
    {
        // The other flag shows that work goes on.
        DropFileBench.Touch(_bench.Rebuild);
        _ = _bench.Start();
        await _bench.UntilGone(_bench.Clear);
        await _bench.UntilGone(_bench.Rebuild);
        Assert.Equal(["force-rebuild"], _bench.Handled.Select(h => h.Request.Kind == Worker.Triggering.DropFileKind.ForceRebuild ? "force-rebuild" : "clear-cache"));
        var result = DropFileBench.Result(_bench.ClearResult);
        Assert.Equal("Refused", result.GetProperty("outcome").GetString());
        Assert.Contains(reason, result.GetProperty("error").GetString(), StringComparison.Ordinal);
        Assert.Equal(0, result.GetProperty("targets").GetArrayLength());
        await DropFileBench.Pause();
        Assert.Equal(1, _bench.Log.Count("is refused"));
        await _bench.StopAsync();
    }

    [Fact]
    public async Task A_link_is_removed_and_its_target_untouched()
    {
        var target = Path.Combine(_bench.Root, "secret");
        File.WriteAllText(target, "backend");
        File.SetLastAccessTimeUtc(target, new DateTime(2020, 1, 1, 0, 0, 0, DateTimeKind.Utc));
        var before = (FileStamp.Of(target), File.GetLastAccessTimeUtc(target));
        File.CreateSymbolicLink(_bench.Clear, target);
        await RefusedAndGone("it is a link");
        Assert.Equal(before, (FileStamp.Of(target), File.GetLastAccessTimeUtc(target)));
        Assert.Equal("backend", File.ReadAllText(target));
    }

    [Fact]
    public async Task A_dangling_link_is_removed_and_its_target_not_made()
    {
        File.CreateSymbolicLink(_bench.Clear, Path.Combine(_bench.Root, "nothing"));
        await RefusedAndGone("it is a link");
        Assert.Equal([_bench.Folder], Directory.GetFileSystemEntries(_bench.Root));
    }

    [Fact]
    public Task A_link_to_itself_is_removed()
    {
        File.CreateSymbolicLink(_bench.Clear, _bench.Clear);
        return RefusedAndGone("it is a link");
    }

    [Fact]
    public Task A_link_to_a_folder_is_removed()
    {
        Directory.CreateDirectory(Path.Combine(_bench.Root, "other"));
        Directory.CreateSymbolicLink(_bench.Clear, Path.Combine(_bench.Root, "other"));
        return RefusedAndGone("it is a link");
    }

    [Fact]
    public Task A_fifo_is_removed_and_blocks_nothing()
    {
        DropFileBench.Run("mkfifo", _bench.Clear);
        return RefusedAndGone("it is a FIFO");
    }

    [Fact]
    public async Task A_socket_is_removed()
    {
        using var socket = new System.Net.Sockets.Socket(System.Net.Sockets.AddressFamily.Unix, System.Net.Sockets.SocketType.Dgram, 0);
        socket.Bind(new System.Net.Sockets.UnixDomainSocketEndPoint(_bench.Clear));
        await RefusedAndGone("a socket");
    }

    [RootFact]
    public Task A_device_is_removed()
    {
        DropFileBench.Run("mknod", _bench.Clear, "c", "1", "5");
        return RefusedAndGone("a device");
    }

    [Fact]
    public Task A_huge_file_is_removed_unread()
    {
        using (var file = new FileStream(_bench.Clear, FileMode.CreateNew)) { file.SetLength(50L << 30); }
        return RefusedAndGone("larger than 4096 bytes");
    }

    [Theory]
    [InlineData("--all")]
    [InlineData("front end")]
    [InlineData("$(id)")]
    [InlineData("../backend")]
    [InlineData(",")]
    [InlineData("backend,-x")]
    [InlineData("back\u001bend")]
    public async Task A_first_line_that_is_no_list_of_names_is_refused_and_not_repeated(string line)
    {
        File.WriteAllText(_bench.Clear, line + "\nbackend\n");
        await RefusedAndGone("not a list of service names");
        Assert.DoesNotContain(line.Length > 1 ? line : "\u001b", File.ReadAllText(_bench.ClearResult), StringComparison.Ordinal);
    }

    [Fact]
    public Task A_first_line_that_is_not_text_is_refused()
    {
        File.WriteAllBytes(_bench.Clear, [0xff, 0xfe, (byte)'a']);
        return RefusedAndGone("is not text");
    }

    [Fact]
    public async Task Names_are_accepted_to_their_limits()
    {
        var longest = new string('a', 63);
        File.WriteAllBytes(_bench.Clear, [.. Encoding.UTF8.Preamble, .. Encoding.UTF8.GetBytes($"0db.x-Y_z, {longest},")]);
        _ = _bench.Start();
        await _bench.UntilGone(_bench.Clear);
        Assert.Equal(["0db.x-Y_z", longest], Assert.Single(_bench.Handled).Request.Targets);
    }

    [Fact]
    public async Task A_folder_is_reported_once_per_change_and_left_while_other_work_goes_on()
    {
        Directory.CreateDirectory(_bench.Clear);
        DropFileBench.Touch(_bench.Rebuild);
        _ = _bench.Start();
        await _bench.UntilGone(_bench.Rebuild);
        Assert.Contains("it is a folder", DropFileBench.Result(_bench.ClearResult).GetProperty("error").GetString(), StringComparison.Ordinal);
        await DropFileBench.Pause();
        Assert.Equal(1, _bench.Log.Count("is refused"));

        File.WriteAllText(Path.Combine(_bench.Clear, "kept"), "");
        await _bench.Until(() => _bench.Log.Count("is refused") == 2, "the changed folder is reported");
        Assert.True(File.Exists(Path.Combine(_bench.Clear, "kept")));

        Directory.Delete(_bench.Clear, recursive: true);
        DropFileBench.Touch(_bench.Clear);
        await _bench.UntilGone(_bench.Clear);
        Assert.Equal(2, _bench.Handled.Count);
        await _bench.StopAsync();
    }

    [Fact]
    public async Task A_flag_without_permissions_still_works()
    {
        File.WriteAllText(_bench.Clear, "");
        File.SetUnixFileMode(_bench.Clear, UnixFileMode.None);
        _ = _bench.Start();
        await _bench.UntilGone(_bench.Clear);
        Assert.Equal(["all"], Assert.Single(_bench.Handled).Request.Targets);
    }

    [Fact]
    public async Task Results_replace_a_link_in_their_place_and_never_follow_it()
    {
        var target = Path.Combine(_bench.Root, "secret");
        File.WriteAllText(target, "secret");
        File.CreateSymbolicLink(_bench.ClearResult, target);
        File.CreateSymbolicLink(Path.Combine(_bench.Folder, ".clear-cache.result.json.tmp"), target);
        DropFileBench.Touch(_bench.Clear);
        _ = _bench.Start();
        await _bench.UntilGone(_bench.Clear);
        Assert.Equal("secret", File.ReadAllText(target));
        Assert.Equal(FileKind.Regular, FileStamp.Of(_bench.ClearResult)?.Kind);
        Assert.Equal("Done", DropFileBench.Result(_bench.ClearResult).GetProperty("outcome").GetString());
    }

    [Fact]
    public async Task A_result_that_cannot_be_written_does_not_keep_the_flag()
    {
        Directory.CreateDirectory(_bench.ClearResult);
        DropFileBench.Touch(_bench.Clear);
        _ = _bench.Start();
        await _bench.UntilGone(_bench.Clear);
        Assert.Single(_bench.Handled);
        Assert.Equal(1, _bench.Log.Count("Cannot write"));
        await _bench.StopAsync();
    }
}

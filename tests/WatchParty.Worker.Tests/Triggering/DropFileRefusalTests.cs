using System.Text;
using WatchParty.Tools.Configuration;
using WatchParty.Tools.Files;

namespace WatchParty.Worker.Tests.Triggering;

public sealed class DropFileRefusalTests : DropFileTests
{
    private async Task RefusedAndGone(string reason)
    {
        // The other flag shows that work goes on.
        DropFileBench.Touch(Bench.Rebuild);
        _ = Bench.Start();
        await Bench.UntilGone(Bench.Clear);
        await Bench.UntilGone(Bench.Rebuild);
        Assert.Equal(["force-rebuild"], Bench.Handled.Select(h => h.Request.Kind == DropFileKind.ForceRebuild ? "force-rebuild" : "clear-cache"));
        var result = DropFileBench.Result(Bench.ClearResult);
        Assert.Equal("Refused", result.GetProperty("outcome").GetString());
        Assert.Contains(reason, result.GetProperty("error").GetString(), StringComparison.Ordinal);
        Assert.Equal(0, result.GetProperty("targets").GetArrayLength());
        await DropFileBench.Pause();
        Assert.Equal(1, Bench.Log.Count("is refused"));
        await Bench.StopAsync();
    }

    [Fact]
    public async Task A_link_is_removed_and_its_target_untouched()
    {
        var target = Path.Combine(Bench.Root, "secret");
        File.WriteAllText(target, "backend");
        File.SetLastAccessTimeUtc(target, new DateTime(2020, 1, 1, 0, 0, 0, DateTimeKind.Utc));
        var before = (FileStamp.Of(target), File.GetLastAccessTimeUtc(target));
        File.CreateSymbolicLink(Bench.Clear, target);
        await RefusedAndGone("it is a link");
        Assert.Equal(before, (FileStamp.Of(target), File.GetLastAccessTimeUtc(target)));
        Assert.Equal("backend", File.ReadAllText(target));
    }

    /// <summary>What the refusal is worth: who simply reads the flag has the target's first line, and who simply writes to it has changed the target.</summary>
    [Fact]
    public void A_reader_and_a_writer_that_follow_links_reach_the_target()
    {
        var target = Path.Combine(Bench.Root, "secret");
        File.WriteAllText(target, "secret");
        File.CreateSymbolicLink(Bench.Clear, target);
        Assert.Equal("secret", File.ReadAllText(Bench.Clear));
        File.WriteAllText(Bench.Clear, "changed");
        Assert.Equal("changed", File.ReadAllText(target));
        Assert.Equal("it is a link", new Worker.Triggering.DropFile(Bench.Folder, DropFileKind.ClearCache).Claim()!.Refusal);
    }

    [Fact]
    public async Task A_dangling_link_is_removed_and_its_target_not_made()
    {
        File.CreateSymbolicLink(Bench.Clear, Path.Combine(Bench.Root, "nothing"));
        await RefusedAndGone("it is a link");
        Assert.Equal([Bench.Folder], Directory.GetFileSystemEntries(Bench.Root));
    }

    [Fact]
    public Task A_link_to_itself_is_removed()
    {
        File.CreateSymbolicLink(Bench.Clear, Bench.Clear);
        return RefusedAndGone("it is a link");
    }

    [Fact]
    public Task A_link_to_a_folder_is_removed()
    {
        Directory.CreateDirectory(Path.Combine(Bench.Root, "other"));
        Directory.CreateSymbolicLink(Bench.Clear, Path.Combine(Bench.Root, "other"));
        return RefusedAndGone("it is a link");
    }

    [Fact]
    public Task A_fifo_is_removed_and_blocks_nothing()
    {
        DropFileBench.Run("mkfifo", Bench.Clear);
        return RefusedAndGone("it is a FIFO");
    }

    [Fact]
    public async Task A_socket_is_removed()
    {
        using var socket = new System.Net.Sockets.Socket(System.Net.Sockets.AddressFamily.Unix, System.Net.Sockets.SocketType.Dgram, 0);
        socket.Bind(new System.Net.Sockets.UnixDomainSocketEndPoint(Bench.Clear));
        await RefusedAndGone("a socket");
    }

    [RootFact]
    public Task A_device_is_removed()
    {
        DropFileBench.Run("mknod", Bench.Clear, "c", "1", "5");
        return RefusedAndGone("a device");
    }

    [Fact]
    public Task A_huge_file_is_removed_unread()
    {
        using (var file = new FileStream(Bench.Clear, FileMode.CreateNew)) { file.SetLength(50L << 30); }
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
        File.WriteAllText(Bench.Clear, line + "\nbackend\n");
        await RefusedAndGone("not a list of service names");
        Assert.DoesNotContain(line.Length > 1 ? line : "\u001b", File.ReadAllText(Bench.ClearResult), StringComparison.Ordinal);
    }

    [Fact]
    public Task A_first_line_that_is_not_text_is_refused()
    {
        File.WriteAllBytes(Bench.Clear, [0xff, 0xfe, (byte)'a']);
        return RefusedAndGone("is not text");
    }

    [Fact]
    public async Task Names_are_accepted_to_their_limits()
    {
        var longest = new string('a', 63);
        File.WriteAllBytes(Bench.Clear, [.. Encoding.UTF8.Preamble, .. Encoding.UTF8.GetBytes($"0db.x-Y_z, {longest},")]);
        _ = Bench.Start();
        await Bench.UntilGone(Bench.Clear);
        Assert.Equal(["0db.x-Y_z", longest], Assert.Single(Bench.Handled).Request.Targets);
    }

    [Fact]
    public async Task A_folder_is_reported_once_per_change_and_left_while_other_work_goes_on()
    {
        Directory.CreateDirectory(Bench.Clear);
        DropFileBench.Touch(Bench.Rebuild);
        _ = Bench.Start();
        await Bench.UntilGone(Bench.Rebuild);
        Assert.Contains("it is a folder", DropFileBench.Result(Bench.ClearResult).GetProperty("error").GetString(), StringComparison.Ordinal);
        await DropFileBench.Pause();
        Assert.Equal(1, Bench.Log.Count("is refused"));

        File.WriteAllText(Path.Combine(Bench.Clear, "kept"), "");
        await Bench.Until(() => Bench.Log.Count("is refused") == 2, "the changed folder is reported");
        Assert.True(File.Exists(Path.Combine(Bench.Clear, "kept")));

        Directory.Delete(Bench.Clear, recursive: true);
        DropFileBench.Touch(Bench.Clear);
        await Bench.UntilGone(Bench.Clear);
        Assert.Equal(2, Bench.Handled.Count);
        await Bench.StopAsync();
    }

    [Fact]
    public async Task A_flag_without_permissions_still_works()
    {
        File.WriteAllText(Bench.Clear, "");
        File.SetUnixFileMode(Bench.Clear, UnixFileMode.None);
        _ = Bench.Start();
        await Bench.UntilGone(Bench.Clear);
        Assert.Equal(["all"], Assert.Single(Bench.Handled).Request.Targets);
    }

    [Fact]
    public async Task Results_replace_a_link_in_their_place_and_never_follow_it()
    {
        var target = Path.Combine(Bench.Root, "secret");
        File.WriteAllText(target, "secret");
        File.CreateSymbolicLink(Bench.ClearResult, target);
        File.CreateSymbolicLink(Path.Combine(Bench.Folder, ".clear-cache.result.json.tmp"), target);
        DropFileBench.Touch(Bench.Clear);
        _ = Bench.Start();
        await Bench.UntilGone(Bench.Clear);
        Assert.Equal("secret", File.ReadAllText(target));
        Assert.Equal(FileKind.Regular, FileStamp.Of(Bench.ClearResult)?.Kind);
        Assert.Equal("Done", DropFileBench.Result(Bench.ClearResult).GetProperty("outcome").GetString());
    }

    [Fact]
    public async Task A_result_that_cannot_be_written_does_not_keep_the_flag()
    {
        Directory.CreateDirectory(Bench.ClearResult);
        DropFileBench.Touch(Bench.Clear);
        _ = Bench.Start();
        await Bench.UntilGone(Bench.Clear);
        Assert.Single(Bench.Handled);
        Assert.Equal(1, Bench.Log.Count("Cannot write"));
        await Bench.StopAsync();
    }
}

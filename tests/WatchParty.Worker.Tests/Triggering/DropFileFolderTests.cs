namespace WatchParty.Worker.Tests.Triggering;

public sealed class DropFileFolderTests : IAsyncDisposable
{
    private readonly DropFileBench _bench = new();

    public ValueTask DisposeAsync() => _bench.DisposeAsync();

    [Fact]
    public async Task A_folder_that_is_missing_then_made_is_found()
    {
        Directory.Delete(_bench.Folder);
        _ = _bench.Start();
        await _bench.Until(() => _bench.Log.Count("does not exist") == 1, "the missing folder is reported");
        await DropFileBench.Pause();
        Assert.Equal(1, _bench.Log.Count("does not exist"));
        Directory.CreateDirectory(_bench.Folder);
        DropFileBench.Touch(_bench.Clear);
        await _bench.UntilGone(_bench.Clear);
        await _bench.StopAsync();
    }

    [Fact]
    public async Task A_folder_deleted_and_recreated_is_watched_again()
    {
        _ = _bench.Start();
        for (var i = 1; i <= 3; i++)
        {
            DropFileBench.Touch(_bench.Clear);
            await _bench.Until(() => _bench.Handled.Count == i && File.Exists(_bench.ClearResult) && !File.Exists(_bench.Clear), "the work is done");
            Directory.Delete(_bench.Folder, recursive: true);
            if (i == 2) { await DropFileBench.Pause(); }
            Directory.CreateDirectory(_bench.Folder);
        }
        await _bench.StopAsync();
    }

    [RootTheory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task A_flag_that_cannot_be_removed_is_worked_for_once_and_again_only_when_touched(bool refused)
    {
        if (refused) { File.CreateSymbolicLink(_bench.Clear, "x"); } else { DropFileBench.Touch(_bench.Clear); }
        DropFileBench.Touch(_bench.Rebuild);
        DropFileBench.Run("chattr", "+i", _bench.Folder);
        try
        {
            _ = _bench.Start();
            await _bench.Until(() => _bench.Log.Count("Cannot remove") == 2, "both flags are reported");
            await DropFileBench.Pause(1500);
            Assert.Equal(refused ? 1 : 2, _bench.Handled.Count);
            Assert.Equal(2, _bench.Log.Count("Cannot remove"));

            DropFileBench.Touch(_bench.Rebuild);
            await _bench.Until(() => _bench.Log.Count("Cannot remove") == 3, "the touched flag is worked for again");
            await DropFileBench.Pause();
            Assert.Equal(refused ? 2 : 3, _bench.Handled.Count);
        }
        finally
        {
            DropFileBench.Run("chattr", "-i", _bench.Folder);
        }
        // Its work is done, so now that it can be removed it goes without another.
        await _bench.UntilGone(_bench.Rebuild);
        await _bench.UntilGone(_bench.Clear);
        Assert.Equal(refused ? 2 : 3, _bench.Handled.Count);
        await _bench.StopAsync();
    }

    [RootFact]
    public async Task A_result_says_that_its_flag_cannot_be_removed()
    {
        DropFileBench.Touch(_bench.Clear);
        DropFileBench.Run("chattr", "+i", _bench.Clear);
        try
        {
            _ = _bench.Start();
            await _bench.Until(() => _bench.Log.Count("Cannot remove") == 1, "it is reported");
            await _bench.Until(
                () => DropFileBench.Result(_bench.ClearResult).GetProperty("error").GetString()?.Contains("cannot be removed", StringComparison.Ordinal) == true,
                "the result says so");
            Assert.Equal("Done", DropFileBench.Result(_bench.ClearResult).GetProperty("outcome").GetString());
        }
        finally
        {
            DropFileBench.Run("chattr", "-i", _bench.Clear);
        }
        await _bench.UntilGone(_bench.Clear);
    }

    [Fact]
    public async Task An_overflow_of_events_loses_no_flag()
    {
        _ = _bench.Start();
        await DropFileBench.Pause(300);
        DropFileBench.Run("bash", "-c", $"cd '{_bench.Folder}'; for ((i = 0; i < 30000; i++)); do : > x$((i % 50)).flag; done; : > clear-cache.flag");
        await _bench.UntilGone(_bench.Clear);
        Assert.InRange(_bench.Handled.Count, 1, 2);
        await _bench.StopAsync();
    }
}

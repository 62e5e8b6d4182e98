namespace WatchParty.Worker.Tests.Triggering;

public sealed class DropFileFolderTests : DropFileTests
{
    [Fact]
    public async Task A_folder_that_is_missing_then_made_is_found()
    {
        Directory.Delete(Bench.Folder);
        _ = Bench.Start();
        await Bench.Until(() => Bench.Log.Count("does not exist") == 1, "the missing folder is reported");
        await DropFileBench.Pause();
        Assert.Equal(1, Bench.Log.Count("does not exist"));
        Directory.CreateDirectory(Bench.Folder);
        DropFileBench.Touch(Bench.Clear);
        await Bench.UntilGone(Bench.Clear);
        await Bench.StopAsync();
    }

    [Fact]
    public async Task A_folder_deleted_and_recreated_is_watched_again()
    {
        _ = Bench.Start();
        for (var i = 1; i <= 3; i++)
        {
            DropFileBench.Touch(Bench.Clear);
            await Bench.Until(() => Bench.Handled.Count == i && File.Exists(Bench.ClearResult) && !File.Exists(Bench.Clear), "the work is done");
            Directory.Delete(Bench.Folder, recursive: true);
            if (i == 2) { await DropFileBench.Pause(); }
            Directory.CreateDirectory(Bench.Folder);
        }
        await Bench.StopAsync();
    }

    [RootTheory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task A_flag_that_cannot_be_removed_is_worked_for_once_and_again_only_when_touched(bool refused)
    {
        if (refused) { File.CreateSymbolicLink(Bench.Clear, "x"); } else { DropFileBench.Touch(Bench.Clear); }
        DropFileBench.Touch(Bench.Rebuild);
        DropFileBench.Run("chattr", "+i", Bench.Folder);
        try
        {
            _ = Bench.Start();
            await Bench.Until(() => Bench.Log.Count("Cannot remove") == 2, "both flags are reported");
            await DropFileBench.Pause(1500);
            Assert.Equal(refused ? 1 : 2, Bench.Handled.Count);
            Assert.Equal(2, Bench.Log.Count("Cannot remove"));

            DropFileBench.Touch(Bench.Rebuild);
            await Bench.Until(() => Bench.Log.Count("Cannot remove") == 3, "the touched flag is worked for again");
            await DropFileBench.Pause();
            Assert.Equal(refused ? 2 : 3, Bench.Handled.Count);
        }
        finally
        {
            DropFileBench.Run("chattr", "-i", Bench.Folder);
        }
        // Its work is done, so now that it can be removed it goes without another.
        await Bench.UntilGone(Bench.Rebuild);
        await Bench.UntilGone(Bench.Clear);
        Assert.Equal(refused ? 2 : 3, Bench.Handled.Count);
        await Bench.StopAsync();
    }

    [RootFact]
    public async Task A_result_says_that_its_flag_cannot_be_removed()
    {
        DropFileBench.Touch(Bench.Clear);
        DropFileBench.Run("chattr", "+i", Bench.Clear);
        try
        {
            _ = Bench.Start();
            await Bench.Until(() => Bench.Log.Count("Cannot remove") == 1, "it is reported");
            await Bench.Until(
                () => DropFileBench.Result(Bench.ClearResult).GetProperty("error").GetString()?.Contains("cannot be removed", StringComparison.Ordinal) == true,
                "the result says so");
            Assert.Equal("Done", DropFileBench.Result(Bench.ClearResult).GetProperty("outcome").GetString());
        }
        finally
        {
            DropFileBench.Run("chattr", "-i", Bench.Clear);
        }
        await Bench.UntilGone(Bench.Clear);
    }

    [Fact]
    public async Task An_overflow_of_events_loses_no_flag()
    {
        _ = Bench.Start();
        await DropFileBench.Pause(300);
        DropFileBench.Run("bash", "-c", $"cd '{Bench.Folder}'; for ((i = 0; i < 30000; i++)); do : > x$((i % 50)).flag; done; : > clear-cache.flag");
        await Bench.UntilGone(Bench.Clear);
        Assert.InRange(Bench.Handled.Count, 1, 2);
        await Bench.StopAsync();
    }
}

using WatchParty.Releases.Recording;
using WatchParty.Tools.Failures;
using WatchParty.Worker.Tests.Fakes;

namespace WatchParty.Worker.Tests.Recording;

public sealed class HistoryFileTests : IDisposable
{
    private readonly string _folder = Directory.CreateTempSubdirectory("history-").FullName;
    private readonly ManualTimeProvider _time = new();

    private string FilePath => Path.Combine(_folder, "history.db");

    public void Dispose() => Directory.Delete(_folder, recursive: true);

    [Fact]
    public void A_history_that_is_well_or_not_there_stays()
    {
        Assert.Null(HistoryFile.SetAsideIfBroken(FilePath, _time));
        Write();
        Assert.Null(HistoryFile.SetAsideIfBroken(FilePath, _time));
        Assert.Empty(HistoryFile.SetAside(FilePath));
        File.WriteAllBytes(FilePath, []);
        Assert.Null(HistoryFile.SetAsideIfBroken(FilePath, _time));
    }

    [Fact]
    public void A_file_that_is_no_database_is_set_aside_as_it_is()
    {
        File.WriteAllText(FilePath, new string('x', 5000));
        File.WriteAllText(FilePath + "-wal", "the log");

        var aside = HistoryFile.SetAsideIfBroken(FilePath, _time)!;

        Assert.Equal(new string('x', 5000), File.ReadAllText(aside));
        Assert.Equal([aside], HistoryFile.SetAside(FilePath));
        // A log that stayed behind would be applied to the new file.
        Assert.False(File.Exists(FilePath) || File.Exists(FilePath + "-wal"));
        Write();
        Assert.Null(HistoryFile.SetAsideIfBroken(FilePath, _time));
    }

    [Fact]
    public void Whichever_page_is_damaged_it_is_set_aside_or_works()
    {
        Write();
        var whole = File.ReadAllBytes(FilePath);
        const int page = 4096;
        var set = 0;
        for (var at = 0; at < whole.Length; at += page)
        {
            var damaged = (byte[])whole.Clone();
            damaged.AsSpan(at, page).Fill(0xa5);
            foreach (var file in Directory.EnumerateFiles(_folder)) { File.Delete(file); }
            File.WriteAllBytes(FilePath, damaged);

            if (HistoryFile.SetAsideIfBroken(FilePath, _time) is not null) { set++; }

            Write();
        }
        // A page that nothing uses may be anything.
        Assert.InRange(set, whole.Length / page * 9 / 10, whole.Length / page);
    }

    [Fact]
    public void A_history_that_another_program_has_locked_is_no_broken_one()
    {
        Write();
        using var connection = new Microsoft.Data.Sqlite.SqliteConnection($"Data Source={FilePath};Pooling=False");
        connection.Open();
        using var command = connection.CreateCommand();
        command.CommandText = "PRAGMA locking_mode=EXCLUSIVE; BEGIN EXCLUSIVE";
        command.ExecuteNonQuery();

        Assert.Null(HistoryFile.SetAsideIfBroken(FilePath, _time, busyTimeout: 1));
        var error = Assert.Throws<WorkerException>(() => Database.Open(FilePath, busyTimeout: 1));

        Assert.Equal(Remedy.RetriedByItself, error.Remedy);
        Assert.Contains("is locked by another program", error.Message, StringComparison.Ordinal);
    }

    private void Write()
    {
        using var database = Database.Open(FilePath);
        var history = new History(database, _time);
        for (var release = 0; release < 5; release++) { history.Finish(history.Begin(new string('1', 40), null, "poll", forced: false), ReleaseOutcome.Succeeded, null, PhaseSeconds.Zero); }
    }
}

using WatchParty.Worker.Recording;

namespace WatchParty.Worker.Tests.Recording;

public sealed class DatabaseTests : IDisposable
{
    private readonly string _folder = Directory.CreateTempSubdirectory("database-").FullName;

    private string FilePath => Path.Combine(_folder, "history.db");

    public void Dispose() => Directory.Delete(_folder, recursive: true);

    [Fact]
    public void Database_ThatIsNew_IsCreatedAndKeepsWhatIsWritten()
    {
        using (var database = Database.Open(FilePath)) { database.Execute("INSERT INTO fact VALUES ('a', 'b')"); }
        using (var database = Database.Open(FilePath)) { Assert.Equal("b", database.Scalar<string>("SELECT value FROM fact WHERE name = 'a'")); }
    }

    [Fact]
    public void Database_ThatIsOpen_WritesThroughToTheDisk()
    {
        using var database = Database.Open(FilePath);

        Assert.Equal("wal", database.Scalar<string>("PRAGMA journal_mode"));
        // 2 is FULL: with less, the end of the log may be lost with the power.
        Assert.Equal(2, database.Scalar<long>("PRAGMA synchronous"));
        Assert.Equal(1, database.Scalar<long>("PRAGMA foreign_keys"));
    }

    [Fact]
    public void Database_OfAnEarlierFormat_IsUpgradedAndOnceOnly()
    {
        // Format 0 is an empty file, as a worker leaves it that is killed before its first transaction.
        File.WriteAllBytes(FilePath, []);

        long version;
        using (var database = Database.Open(FilePath)) { version = database.Scalar<long>("PRAGMA user_version"); }
        using (var database = Database.Open(FilePath)) { Assert.Equal(version, database.Scalar<long>("PRAGMA user_version")); }
        Assert.True(version > 0);
    }

    [Fact]
    public void Database_OfANewerFormat_IsRefusedAndLeftAsItIs()
    {
        using (var database = Database.Open(FilePath)) { database.Execute("PRAGMA user_version=9999"); }

        var error = Assert.Throws<WorkerException>(() => Database.Open(FilePath));

        Assert.Equal(Remedy.NeedsPerson, error.Remedy);
        Assert.Contains(FilePath, error.Message, StringComparison.Ordinal);
        Assert.Contains("was written by a newer version of the worker (format 9999", error.Message, StringComparison.Ordinal);
        Assert.Contains("Install that version again, or move the file aside", error.Message, StringComparison.Ordinal);
        Assert.Equal(error.Message, Assert.Throws<WorkerException>(() => Database.Open(FilePath)).Message);
    }

    [Theory]
    [InlineData("This is no database, and it is long enough to be looked at for what it is: a text of more than one hundred bytes.")]
    public void File_ThatIsNoDatabase_IsRefusedAndLeftAsItIs(string content)
    {
        File.WriteAllText(FilePath, content);

        var error = Assert.Throws<WorkerException>(() => Database.Open(FilePath));

        Assert.Equal(Remedy.NeedsPerson, error.Remedy);
        Assert.StartsWith($"The history {FilePath} cannot be opened: ", error.Message, StringComparison.Ordinal);
        Assert.EndsWith("Move it aside to start a new one.", error.Message, StringComparison.Ordinal);
        Assert.Equal(content, File.ReadAllText(FilePath));
    }

    [Fact]
    public void Folder_InItsPlace_IsRefused()
    {
        Directory.CreateDirectory(FilePath);

        Assert.Contains("cannot be opened", Assert.Throws<WorkerException>(() => Database.Open(FilePath)).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Transaction_ThatFails_LeavesNothing()
    {
        using var database = Database.Open(FilePath);

        Assert.Throws<InvalidOperationException>(() => database.Transaction(() =>
        {
            database.Execute("INSERT INTO fact VALUES ('a', 'b')");
            throw new InvalidOperationException();
        }));
        Assert.Null(database.Scalar<string>("SELECT value FROM fact"));
    }

    [Fact]
    public async Task Database_UsedByManyThreads_LosesNothing()
    {
        using var database = Database.Open(FilePath);

        await Parallel.ForAsync(0, 50, (n, _) =>
        {
            database.Transaction(() => database.Execute("INSERT INTO fact VALUES ($n, '')", ("$n", $"{n}")));
            return ValueTask.CompletedTask;
        });
        Assert.Equal(50, database.Scalar<long>("SELECT COUNT(*) FROM fact"));
    }
}

using Microsoft.Data.Sqlite;
using WatchParty.Releases.Recording;
using WatchParty.Tools.Configuration;
using WatchParty.Tools.Failures;

namespace WatchParty.Worker.Tests.Recording;

public sealed class DatabaseTests : IDisposable
{
    /// <summary>As the first version of the worker wrote it.</summary>
    private const string Format1 = """
        CREATE TABLE release (
            id INTEGER PRIMARY KEY AUTOINCREMENT,
            commit_id TEXT NOT NULL,
            previous_commit TEXT,
            trigger TEXT NOT NULL,
            forced INTEGER NOT NULL,
            state TEXT NOT NULL,
            outcome TEXT,
            error TEXT,
            configuration_hash TEXT,
            seconds TEXT,
            notes TEXT NOT NULL DEFAULT '[]',
            log TEXT,
            started_at INTEGER NOT NULL,
            ended_at INTEGER
        );
        CREATE INDEX release_outcome ON release (outcome, id);
        CREATE INDEX release_commit ON release (commit_id, id);
        CREATE TABLE service (
            release_id INTEGER NOT NULL REFERENCES release (id) ON DELETE CASCADE,
            position INTEGER NOT NULL,
            name TEXT NOT NULL,
            action TEXT NOT NULL,
            reason TEXT NOT NULL,
            fresh INTEGER NOT NULL,
            image_name TEXT NOT NULL,
            image_id TEXT,
            inputs TEXT,
            inputs_commit TEXT,
            basis TEXT,
            seconds REAL NOT NULL DEFAULT 0,
            total INTEGER NOT NULL DEFAULT 0,
            cached INTEGER NOT NULL DEFAULT 0,
            executed INTEGER NOT NULL DEFAULT 0,
            missed TEXT NOT NULL DEFAULT '[]',
            saved REAL NOT NULL DEFAULT 0,
            advice TEXT NOT NULL DEFAULT '[]',
            PRIMARY KEY (release_id, name)
        ) WITHOUT ROWID;
        CREATE TABLE step (
            release_id INTEGER NOT NULL REFERENCES release (id) ON DELETE CASCADE,
            service TEXT NOT NULL,
            position INTEGER NOT NULL,
            stage TEXT NOT NULL,
            text TEXT NOT NULL,
            state TEXT NOT NULL,
            seconds REAL NOT NULL,
            digest TEXT NOT NULL,
            error TEXT,
            PRIMARY KEY (release_id, service, position)
        ) WITHOUT ROWID;
        CREATE INDEX step_runs ON step (service, text, state, release_id);
        CREATE TABLE quarantine (commit_id TEXT PRIMARY KEY, release_id INTEGER NOT NULL, reason TEXT NOT NULL, since INTEGER NOT NULL);
        CREATE TABLE fresh_mark (service TEXT PRIMARY KEY, reason TEXT NOT NULL, since INTEGER NOT NULL);
        CREATE TABLE seal (service TEXT PRIMARY KEY, seal TEXT NOT NULL);
        CREATE TABLE warm (service TEXT PRIMARY KEY, since INTEGER NOT NULL);
        CREATE TABLE housekeeping (
            id INTEGER PRIMARY KEY AUTOINCREMENT,
            kind TEXT NOT NULL,
            report TEXT NOT NULL,
            ended_at INTEGER NOT NULL
        );
        CREATE INDEX housekeeping_kind ON housekeeping (kind, id);
        CREATE TABLE fact (name TEXT PRIMARY KEY, value TEXT NOT NULL);

        """;

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
    public void Database_WithoutSpace_FailsWithWhatToDoAndGoesOnByItself()
    {
        using var database = Database.Open(FilePath);
        database.Execute($"PRAGMA max_page_count={database.Scalar<long>("PRAGMA page_count")}");

        var error = Assert.Throws<WorkerException>(() => database.Execute("INSERT INTO fact VALUES ('a', $text)", ("$text", new string('x', 100_000))));

        Assert.Equal(Remedy.RetriedByItself, error.Remedy);
        Assert.Contains($"Free some space on the disk of {_folder}", error.Message, StringComparison.Ordinal);
        database.Execute("PRAGMA max_page_count=1000000");
        database.Execute("INSERT INTO fact VALUES ('a', 'b')");
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
    public void Database_OfFormat1_KeepsItsReleases()
    {
        using (var connection = new SqliteConnection($"Data Source={FilePath};Pooling=False"))
        {
            connection.Open();
            using var command = connection.CreateCommand();
            command.CommandText = Format1 + """
                INSERT INTO release (id, commit_id, trigger, forced, state, outcome, configuration_hash, seconds, started_at, ended_at)
                VALUES (7, '1111111111111111111111111111111111111111', 'poll', 0, 'Done', 'Succeeded', 'abc', '{"detect":0,"plan":0,"build":1,"deploy":1,"verify":1,"total":3}', 1000, 4000);
                INSERT INTO service (release_id, position, name, action, reason, fresh, image_name, image_id) VALUES (7, 0, 'web', 'Built', 'first build', 0, 'app-web', 'sha256:1');
                PRAGMA user_version=1;
                """;
            command.ExecuteNonQuery();
        }

        for (var time = 0; time < 2; time++)
        {
            using var database = Database.Open(FilePath);
            var history = new History(database, TimeProvider.System);
            Assert.Equal(("abc", null, "sha256:1"), (history.Deployed()!.ConfigurationHash, history.Deployed()!.ResourcesHash, history.Deployed()!.Served.Services["web"].ImageId));
            Assert.Null(history.Find(7)!.SecondsWithoutAnswer);
            Assert.Equal(8 + time, history.Begin("2222222222222222222222222222222222222222", null, "poll", forced: false));
        }
    }

    [Fact]
    public void Database_OfANewerFormat_IsRefusedAndLeftAsItIs()
    {
        using (var database = Database.Open(FilePath)) { database.Execute("PRAGMA user_version=9999"); }

        var error = Assert.Throws<ConfigurationFaultsException>(() => Database.Open(FilePath));

        Assert.Contains(FilePath, error.Message, StringComparison.Ordinal);
        Assert.Contains("was written by a newer version of the worker (format 9999", error.Message, StringComparison.Ordinal);
        Assert.Contains("Install that version again, or move the file aside", error.Message, StringComparison.Ordinal);
        Assert.Equal(error.Message, Assert.Throws<ConfigurationFaultsException>(() => Database.Open(FilePath)).Message);
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

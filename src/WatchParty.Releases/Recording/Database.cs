using System.Collections.Frozen;
using System.Globalization;
using Microsoft.Data.Sqlite;
using WatchParty.Tools.Configuration;
using WatchParty.Tools.Failures;
using WatchParty.Tools.Processes;
using WatchParty.Tools.Redacting;

namespace WatchParty.Releases.Recording;

/// <summary>The SQLite file with the history. Every write is on disk when its call returns (WAL, <c>synchronous=FULL</c>).</summary>
internal sealed class Database : IDisposable
{
    /// <summary>What each format adds to the one before; format 1 is the first. A published one never changes.</summary>
    private static readonly string[] Formats =
    [
        """
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
        """,
        """
        ALTER TABLE release ADD COLUMN resources_hash TEXT;
        ALTER TABLE release ADD COLUMN unanswered TEXT;
        """,
        "ALTER TABLE step ADD COLUMN started_at INTEGER;",
        """
        ALTER TABLE release ADD COLUMN project TEXT;
        ALTER TABLE release ADD COLUMN source TEXT;
        ALTER TABLE release ADD COLUMN before TEXT;
        CREATE INDEX service_image ON service (image_id);
        """,
        "CREATE TABLE mounted (container TEXT PRIMARY KEY, project TEXT NOT NULL, mounts TEXT NOT NULL);",
    ];

    /// <summary>Seconds.</summary>
    public const int BusyTimeout = 30;

    /// <summary>Parameters by which rows are found, and what is compared with the like of it later. All other text is words, and no secret
    /// of it is kept.</summary>
    private static readonly FrozenSet<string> Identities = FrozenSet.ToFrozenSet(
    [
        "$id", "$commit", "$previous", "$prefix", "$deployed", "$name", "$service", "$image", "$imageName", "$imageId", "$inputs", "$basis",
        "$digest", "$hash",
        "$resources", "$project", "$source", "$before", "$seal", "$file", "$mounts", "$kind", "$state", "$outcome", "$action", "$stage",
    ]);

    private readonly SqliteConnection _connection;
    private readonly Lock _lock = new();

    private readonly Failpoints? _failpoints;

    private Database(SqliteConnection connection, Failpoints? failpoints) => (_connection, _failpoints) = (connection, failpoints);

    /// <exception cref="WorkerException">The file is no database, or its disk is full.</exception>
    /// <exception cref="ConfigurationFaultsException">A newer version of the worker wrote it: no restart changes that, so none is
    /// made.</exception>
    /// <param name="busyTimeout">Seconds for which another program's lock is waited for, at each statement.</param>
    public static Database Open(string file, int busyTimeout = BusyTimeout, Failpoints? failpoints = null)
    {
        var connection = new SqliteConnection(
            new SqliteConnectionStringBuilder { DataSource = file, Pooling = false, DefaultTimeout = busyTimeout }.ToString());
        try
        {
            connection.Open();
            var database = new Database(connection, failpoints);
            database.Execute("PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL; PRAGMA foreign_keys=ON;");
            database.Transaction(() => database.Upgrade(file));
            return database;
        }
        catch (Exception e) when (e is SqliteException || e.InnerException is SqliteException)
        {
            connection.Dispose();
            var fault = e as SqliteException ?? (SqliteException)e.InnerException!;
            throw fault.SqliteErrorCode is SQLitePCL.raw.SQLITE_BUSY or SQLitePCL.raw.SQLITE_LOCKED
                ? new WorkerException($"The history {file} is locked by another program. End that (`fuser {file}` names it)",
                    Remedy.RetriedByItself, e)
                : OfTheDisk(file, fault) is { } advice
                ? new WorkerException($"The history {file} cannot be opened: {fault.Message} {advice}", Remedy.RetriedByItself, e)
                : new WorkerException($"The history {file} cannot be opened: {fault.Message}. Move it aside to start a new one.",
                    Remedy.NeedsPerson, e);
        }
        catch
        {
            connection.Dispose();
            throw;
        }
    }

    public void Dispose() => _connection.Dispose();

    public void Transaction(Action work)
    {
        if (_failpoints is null) { RunTransaction(work); } else { _failpoints.Around("record commit", () => RunTransaction(work)); }
    }

    private void RunTransaction(Action work) => Guard(() =>
    {
        using var transaction = _connection.BeginTransaction();
        work();
        transaction.Commit();
        return true;
    });

    public int Execute(string sql, params ReadOnlySpan<(string Name, object? Value)> values)
    {
        var parameters = values.ToArray();
        return Guard(() => Run(sql, parameters, c => c.ExecuteNonQuery()));
    }

    public T? Scalar<T>(string sql, params ReadOnlySpan<(string Name, object? Value)> values)
    {
        var parameters = values.ToArray();
        return Guard(() => Run(sql, parameters, c => c.ExecuteScalar() is T value ? value : default));
    }

    public List<T> Query<T>(string sql, Func<SqliteDataReader, T> read, params ReadOnlySpan<(string Name, object? Value)> values)
    {
        var parameters = values.ToArray();
        return Guard(() =>
        {
            using var command = Command(sql, parameters);
            using var reader = command.ExecuteReader();
            List<T> rows = [];
            while (reader.Read()) { rows.Add(read(reader)); }
            return rows;
        });
    }

    private T Run<T>(string sql, (string Name, object? Value)[] parameters, Func<SqliteCommand, T> run)
    {
        using var command = Command(sql, parameters);
        var call = _failpoints is null || sql.StartsWith("SELECT", StringComparison.Ordinal) ? null : Failpoints.NameOf(sql, parameters);
        if (call is not null) { _failpoints!.Before(call); }
        var result = run(command);
        if (call is not null) { _failpoints!.After(call); }
        return result;
    }

    /// <summary>A full disk or a foreign lock is an expected failure like any other, and is tried again.</summary>
    private T Guard<T>(Func<T> work)
    {
        lock (_lock)
        {
            try
            {
                return work();
            }
            catch (SqliteException e)
            {
                throw new WorkerException($"The history {_connection.DataSource} cannot be used: {e.Message} {OfTheDisk(_connection.DataSource, e)}".TrimEnd(), Remedy.RetriedByItself, e);
            }
        }
    }

    /// <summary>What a person has to do when the disk is the reason; null when it is not.</summary>
    private static string? OfTheDisk(string file, SqliteException e) => e.SqliteErrorCode switch
    {
        SQLitePCL.raw.SQLITE_FULL => $"Free some space on the disk of {Path.GetDirectoryName(file)}; the worker then goes on by itself",
        SQLitePCL.raw.SQLITE_IOERR => $"See whether the disk of {Path.GetDirectoryName(file)} is full or broken (df, dmesg); the worker " +
            $"goes on by itself when it is well",
        _ => null,
    };

    private SqliteCommand Command(string sql, (string Name, object? Value)[] values)
    {
        var command = _connection.CreateCommand();
#pragma warning disable CA2100 // Every statement is a constant of this folder; values are parameters.
        command.CommandText = sql;
#pragma warning restore CA2100
        foreach (var (name, value) in values)
        {
            command.Parameters.AddWithValue(name,
                value is string text && !Identities.Contains(name) ? Redaction.ApplyToDocument(text) : value ?? DBNull.Value);
        }
        return command;
    }

    private void Upgrade(string file)
    {
        var version = Scalar<long>("PRAGMA user_version");
        if (version > Formats.Length)
        {
            throw new ConfigurationFaultsException([new ConfigurationFault(
                "State:Folder",
                file, $"the history was written by a newer version of the worker (format {version}, this one knows {Formats.Length})",
                "Install that version again, or move the file aside")]);
        }
        if (version == Formats.Length) { return; }
        foreach (var format in Formats[(int)version..]) { Execute(format); }
        Execute(string.Create(CultureInfo.InvariantCulture, $"PRAGMA user_version={Formats.Length}"));
    }
}

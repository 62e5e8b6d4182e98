using System.Globalization;
using Microsoft.Data.Sqlite;
using WatchParty.Tools.Failures;

namespace WatchParty.Releases.Recording;

/// <summary>The file of the history, looked at before it is used.</summary>
internal static class HistoryFile
{
    private const string Mark = ".broken-";

    // The write-ahead log first: one that stayed behind would be applied to the new file.
    private static readonly string[] Parts = ["-wal", "-shm", ""];

    /// <summary>Histories that were set aside; a person looks at them and deletes them.</summary>
    public static IEnumerable<string> SetAside(string file) =>
        Directory.EnumerateFiles(Path.GetDirectoryName(file)!, Path.GetFileName(file) + Mark + "*")
        .Where(f => !f.EndsWith("-wal", StringComparison.Ordinal) && !f.EndsWith("-shm", StringComparison.Ordinal))
        .Order(StringComparer.Ordinal);

    /// <summary>Moves a history that is no database any more, or a damaged one, out of the way of a new one. Only the holder of the lock
    /// may.</summary>
    /// <returns>Where it is now, or null when all is well.</returns>
    /// <exception cref="WorkerException">It is damaged and cannot be moved.</exception>
    public static string? SetAsideIfBroken(string file, TimeProvider time, int busyTimeout = Database.BusyTimeout)
    {
        if (!File.Exists(file) || !IsBroken(file, busyTimeout)) { return null; }
        var aside = string.Create(CultureInfo.InvariantCulture, $"{file}{Mark}{time.GetUtcNow():yyyyMMdd-HHmmss}");
        try
        {
            foreach (var part in Parts.Where(p => File.Exists(file + p))) { File.Move(file + part, aside + part, overwrite: true); }
            return aside;
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new WorkerException($"The history {file} is damaged and cannot be moved aside: {e.Message.TrimEnd('.')}. Move it to " +
                $"another folder", Remedy.NeedsPerson, e);
        }
    }

    private static bool IsBroken(string file, int busyTimeout)
    {
        try
        {
            using var connection = new SqliteConnection(
                new SqliteConnectionStringBuilder { DataSource = file, Mode = SqliteOpenMode.ReadWrite, Pooling = false, DefaultTimeout = busyTimeout }.ToString());
            connection.Open();
            using var command = connection.CreateCommand();
            command.CommandText = "PRAGMA quick_check(1)";
            return command.ExecuteScalar() is not "ok";
        }
        catch (SqliteException e)
        {
            // Whatever else stands in the way is told by who opens it next.
            return e.SqliteErrorCode is SQLitePCL.raw.SQLITE_CORRUPT or SQLitePCL.raw.SQLITE_NOTADB;
        }
    }
}

using WatchParty.Releases.Recording;
using WatchParty.Worker.EngineTests.Harness;

namespace WatchParty.Worker.Benchmarks;

/// <summary>The verbs that read the history, and a start that finds nothing new, with a year's and with a lifetime's releases.</summary>
internal static class HistoryBenchmark
{
    private const int Many = 100_000;

    public static async Task<int> RunAsync(int rounds)
    {
        await using var small = await PrepareAsync(10);
        await using var large = await PrepareAsync(Many);
        string[][] verbs = [["history", "--last", "20"], ["status"], ["show", "5"], ["doctor"], ["once"]];
        var table = new MarkdownTable("", "10 releases, s", $"{Many} releases, s", "×");
        foreach (var verb in verbs)
        {
            List<double> few = [], many = [];
            for (var round = 0; round < rounds; round++)
            {
                few.Add(await TimeAsync(small, verb));
                many.Add(await TimeAsync(large, verb));
            }
            table.Add($"`{string.Join(' ', verb)}`", Figure.Of(Figure.Median(few)), Figure.Of(Figure.Median(many)), Figure.Of(Figure.Median(many) / Figure.Median(few)));
        }
        Console.WriteLine($"Whole processes, {Figure.Count(rounds, "round")}, medians; the large history is a file of {new FileInfo(Path.Combine(large.State, "history.db")).Length / 1e6:0} MB");
        Console.WriteLine();
        table.Write();
        return 0;
    }

    /// <summary>An application with so many releases of two services and 16 steps, and one real one on top.</summary>
    internal static async Task<Application> PrepareAsync(int releases)
    {
        var app = await Application.SampleAsync();
        Directory.CreateDirectory(app.State);
        using (var database = Database.Open(Path.Combine(app.State, "history.db")))
        {
            database.Transaction(() =>
            {
                database.Execute("""
                    WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < $count)
                    INSERT INTO release (commit_id, trigger, forced, state, outcome, seconds, started_at, ended_at)
                    SELECT printf('%040x', i), 'poll', 0, 'Done', CASE WHEN i % 10 = 0 THEN 'BuildFailed' ELSE 'Succeeded' END,
                        '{"detect":0.1,"plan":0.2,"build":8,"deploy":1,"verify":2,"total":11.3}', i * 100000, i * 100000 + 11300 FROM n
                    """, ("$count", releases));
                database.Execute("""
                    INSERT INTO service (release_id, position, name, action, reason, fresh, image_name, image_id, seconds, total, cached, executed)
                    SELECT id, p, name, 'Built', 'content.txt changed', 0, name || ':latest', 'sha256:' || id, 4, 8, 3, 5
                    FROM release, (SELECT 0 AS p, 'backend' AS name UNION SELECT 1, 'frontend')
                    """);
                database.Execute("""
                    WITH RECURSIVE n(i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM n WHERE i < 7)
                    INSERT INTO step (release_id, service, position, stage, text, state, seconds, digest)
                    SELECT release_id, name, i, 'build', 'RUN step ' || i, CASE WHEN i < 3 THEN 'Cached' ELSE 'Executed' END, 0.5, 'sha256:' || release_id || i FROM service, n
                    """);
            });
        }
        (await app.OnceAsync()).Succeeded();
        return app;
    }

    private static Task<double> TimeAsync(Application app, string[] verb) => Figure.SecondsOfAsync(async () =>
    {
        var run = await app.RunAsync(verb);
        // The doctor has warnings for the sample.
        Assert.True(run.ExitCode == 0 || verb[0] == "doctor", $"{verb[0]}: {run.All}");
    });
}

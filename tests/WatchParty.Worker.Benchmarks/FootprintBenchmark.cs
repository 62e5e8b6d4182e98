using System.Globalization;
using WatchParty.Worker.EngineTests.Harness;

namespace WatchParty.Worker.Benchmarks;

/// <summary>What the running service needs while nothing happens, and how soon it is up and gone.</summary>
internal static class FootprintBenchmark
{
    private static readonly TimeSpan Idle = TimeSpan.FromMinutes(1);

    public static async Task<int> RunAsync(int rounds)
    {
        await using var app = await Application.SampleAsync();
        (await app.OnceAsync()).Succeeded();
        var table = new MarkdownTable("poll interval", "processor time a minute, s", "resident, MB", "private, MB", "threads", "open files", "from start to the first poll, s", "SIGTERM to the end, s");
        foreach (var interval in new[] { "00:00:30", "00:00:01" })
        {
            app.Configure("Repository:PollInterval", interval);
            List<double> busy = [], resident = [], own = [], threads = [], files = [], start = [], stop = [];
            for (var round = 0; round < rounds; round++)
            {
                var service = await app.StartServiceAsync();
                start.Add(await Figure.SecondsOfAsync(() => service.SaysAsync("is up")));
                // What the start itself needed is over by then.
                await Task.Delay(TimeSpan.FromSeconds(10), TimeProvider.System);
                var before = ProcessFigures.ProcessorSeconds(service.Id);
                await Task.Delay(Idle, TimeProvider.System);
                busy.Add((ProcessFigures.ProcessorSeconds(service.Id) - before) / Idle.TotalMinutes);
                resident.Add(ProcessFigures.Megabytes(service.Id, "VmRSS"));
                own.Add(ProcessFigures.Megabytes(service.Id, "RssAnon"));
                threads.Add(ProcessFigures.Status(service.Id, "Threads"));
                files.Add(Directory.GetFiles($"/proc/{service.Id}/fd").Length);
                stop.Add((await service.StopAsync()).Elapsed.TotalSeconds);
            }
            table.Add([interval, .. new[] { busy, resident, own, threads, files, start, stop }.Select(f => Figure.Of(Figure.Median(f)))]);
        }
        Console.WriteLine($"{Figure.Count(rounds, "round")}, medians; children of the service count as its processor time");
        Console.WriteLine();
        table.Write();
        return 0;
    }
}

/// <summary>What Linux says of a process.</summary>
internal static class ProcessFigures
{
    private const double TicksPerSecond = 100;

    public static double Megabytes(int process, string key) => Status(process, key) / 1e3;

    /// <summary>A number of <c>/proc/PID/status</c>.</summary>
    public static double Status(int process, string key) =>
        double.Parse(File.ReadLines($"/proc/{process}/status").Single(l => l.StartsWith(key + ':', StringComparison.Ordinal)).Split([':', '\t', ' '], StringSplitOptions.RemoveEmptyEntries)[1], CultureInfo.InvariantCulture);

    /// <summary>Processor time of the process and of its children that have ended.</summary>
    public static double ProcessorSeconds(int process)
    {
        // The name in brackets may have blanks in it; utime, stime, cutime and cstime are fields 14 to 17.
        var text = File.ReadAllText($"/proc/{process}/stat");
        return text[(text.LastIndexOf(')') + 2)..].Split(' ')[11..15].Sum(t => double.Parse(t, CultureInfo.InvariantCulture)) / TicksPerSecond;
    }
}

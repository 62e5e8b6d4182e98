using System.Diagnostics;
using System.Globalization;
using Microsoft.Extensions.Logging.Abstractions;
using WatchParty.Tools.Configuration;
using WatchParty.Tools.Git;
using WatchParty.Tools.Processes;
using WatchParty.Worker.EngineTests.Harness;

namespace WatchParty.Worker.Benchmarks;

/// <summary>A look at a remote that has nothing new beside a bare <c>git ls-remote</c>, and what 10,000 looks leave behind.</summary>
internal static class PollBenchmark
{
    private const int Polls = 10_000;
    private const int Settled = 1_000;

    public static async Task<int> RunAsync(int rounds)
    {
        await using var app = await Application.SampleAsync();
        var repository = new GitRepository(
            new RepositoryOptions { Path = app.Checkout }, new ToolRunner(TimeProvider.System, NullLogger<ToolRunner>.Instance), TimeProvider.System, NullLogger<GitRepository>.Instance);
        List<double> polls = [], bare = [];
        for (var i = 0; i < rounds * 20; i++)
        {
            polls.Add(await Figure.SecondsOfAsync(() => repository.RemoteHeadAsync(CancellationToken.None)));
            bare.Add(await Figure.SecondsOfAsync(() => Command.OutputAsync("git", ["ls-remote", "--heads", "origin", "main"], app.Checkout)));
        }
        Console.WriteLine($"A poll {Figure.Of(Figure.Median(polls) * 1e3)} ms, a bare `git ls-remote` {Figure.Of(Figure.Median(bare) * 1e3)} ms, medians of {polls.Count}: {Figure.Of(Figure.Median(polls) / Figure.Median(bare))} × (goal 1.2)");
        Console.WriteLine();

        var table = new MarkdownTable("after polls", "resident, MB", "managed heap, MB", "threads", "open files");
        double settled = 0, last = 0;
        for (var i = 1; i <= Polls; i++)
        {
            await repository.RemoteHeadAsync(CancellationToken.None);
            if (i % Settled != 0) { continue; }
            using var process = Process.GetCurrentProcess();
            last = process.WorkingSet64 / 1e6;
            if (i == Settled) { settled = last; }
            table.Add(i.ToString(CultureInfo.InvariantCulture), Figure.Of(last), Figure.Of(GC.GetTotalMemory(false) / 1e6),
                process.Threads.Count.ToString(CultureInfo.InvariantCulture), Directory.GetFiles("/proc/self/fd").Length.ToString(CultureInfo.InvariantCulture));
        }
        table.Write();
        Console.WriteLine($"Resident after {Polls} polls {Figure.Of(last / settled)} × of after {Settled} (goal 1.03)");
        return 0;
    }
}

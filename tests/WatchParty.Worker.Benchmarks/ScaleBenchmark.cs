using System.Globalization;
using WatchParty.Worker.EngineTests.Harness;

namespace WatchParty.Worker.Benchmarks;

/// <summary>How the worker's own time grows with the number of services and the size of a build context.</summary>
internal static class ScaleBenchmark
{
    private sealed record Size(string Name, int Services, Func<Application, Task> Prepare);

    private static readonly Size[] Sizes =
    [
        new("1 service", 1, _ => Task.CompletedTask),
        new("10 services", 10, _ => Task.CompletedTask),
        new("100 services", 100, _ => Task.CompletedTask),
        new("a context of 50,000 files", 1, FillWithFilesAsync),
        new("a context of 2 GB", 1, FillWithBytesAsync),
    ];

    public static async Task<int> RunAsync(int rounds)
    {
        var table = new MarkdownTable("", "documents-only commit: worker, s", "commit of one service: worker, s", "bare bake and up, s", "worker / bare");
        foreach (var size in Sizes)
        {
            await using var worker = await StartAsync(size);
            await using var bare = await StartAsync(size);
            var (first, second) = (new TheWorker(worker), new BareDocker(bare));
            string[] all = [.. Enumerable.Range(0, size.Services).Select(Name)];
            await first.ReleaseAsync(all);
            await second.ReleaseAsync(all);
            List<double> documents = [], commits = [], bares = [];
            for (var round = 0; round < rounds; round++)
            {
                await worker.PushAsync("docs.txt", $"{Guid.NewGuid():N}\n");
                documents.Add((await first.ReleaseAsync([])).Seconds);
                await worker.PushAsync($"{Name(0)}/content.txt", $"{Guid.NewGuid():N}\n");
                commits.Add((await first.ReleaseAsync([Name(0)])).Seconds);
                await bare.PushAsync($"{Name(0)}/content.txt", $"{Guid.NewGuid():N}\n");
                bares.Add((await second.ReleaseAsync([Name(0)])).Seconds);
                await Console.Error.WriteLineAsync(string.Create(CultureInfo.InvariantCulture, $"round {round + 1}: {size.Name}: documents {documents[^1]:0.00} s, commit {commits[^1]:0.00} s, bare {bares[^1]:0.00} s"));
            }
            table.Add(size.Name, Figure.Of(Figure.Median(documents)), Figure.Of(Figure.Median(commits)), Figure.Of(Figure.Median(bares)), Figure.Of(Figure.Median(commits) / Figure.Median(bares)));
        }
        Console.WriteLine($"{await Engine.DescribeAsync()}; {Figure.Count(rounds, "round")}, medians");
        Console.WriteLine();
        table.Write();
        return 0;
    }

    /// <summary>Services without containers: what is measured is the worker and the build.</summary>
    private static async Task<Application> StartAsync(Size size)
    {
        List<(string Path, string? Text)> files = [("docs.txt", "words\n"), (".gitignore", ".env\nmedia/\n")];
        var compose = "services:\n";
        for (var i = 0; i < size.Services; i++)
        {
            var name = Name(i);
            compose += $"  {name}:\n    image: PROJECT-{name}:latest\n    build: {{context: ./{name}, args: {{GIT_COMMIT_HASH: \"${{GIT_COMMIT_HASH:-unknown}}\"}}}}\n    deploy: {{replicas: 0}}\n";
            files.Add(($"{name}/Dockerfile", "FROM watchparty-sample-base:1\nCOPY . /app\nARG GIT_COMMIT_HASH\nENV GIT_COMMIT_HASH=$GIT_COMMIT_HASH\n"));
            files.Add(($"{name}/content.txt", $"{name}\n"));
        }
        var app = await Application.OfAsync([("compose.yaml", compose), .. files]);
        await size.Prepare(app);
        return app;
    }

    private static Task FillWithFilesAsync(Application app) => Command.ShellAsync($"""
        for folder in $(seq 50); do mkdir -p {Name(0)}/src/$folder; (cd {Name(0)}/src/$folder; seq 1000 | xargs -I N sh -c 'echo N > N.txt'); done
        git add --all; git commit --quiet --message Files; git push --quiet origin HEAD:main
        """, app.Clone);

    /// <summary>As uploads are: untracked, but part of the build context.</summary>
    private static Task FillWithBytesAsync(Application app) =>
        Command.ShellAsync($"mkdir -p {Name(0)}/media; for file in $(seq 20); do head -c 100000000 /dev/urandom > {Name(0)}/media/$file; done", app.Checkout);

    private static string Name(int index) => string.Create(CultureInfo.InvariantCulture, $"s{index}");
}

using WatchParty.Worker.EngineTests.Harness;

namespace WatchParty.Worker.Benchmarks;

/// <summary>A build step that prints 1 GB: what the running service needs for it beside a bake whose output is thrown away.</summary>
internal static class OutputBenchmark
{
    private const string Dockerfile = """
        FROM watchparty-sample-base:1
        COPY . /app
        RUN yes "a line of a compiler that has much to say about the program that it translates" | head -c 1000000000
        CMD ["sleep", "1000000"]

        """;

    public static async Task<int> RunAsync(int rounds)
    {
        await using var app = await StartAsync();
        await using var other = await StartAsync();
        (await app.OnceAsync()).Succeeded();
        var bare = new BareDocker(other);
        await bare.ReleaseAsync(["web"]);
        var service = await app.StartServiceAsync();
        await service.SaysAsync("is up");
        // A release that prints nothing, so that what follows is the output's doing alone.
        await app.ReleasedAsync(await app.PushAsync("web/Dockerfile", Dockerfile[..Dockerfile.IndexOf("RUN", StringComparison.Ordinal)] + "CMD [\"sleep\", \"1000000\"]\n"));
        var idle = ProcessFigures.Megabytes(service.Id, "VmRSS");

        // The peak begins anew.
        await File.WriteAllTextAsync($"/proc/{service.Id}/clear_refs", "5");

        List<double> with = [], without = [];
        for (var round = 0; round < rounds; round++)
        {
            var release = await app.ReleasedAsync(await app.PushAsync(("web/Dockerfile", Dockerfile), ("web/content.txt", $"{Guid.NewGuid():N}\n")));
            with.Add((double)release["seconds"]!["build"]!);
            await other.PushAsync("web/content.txt", $"{Guid.NewGuid():N}\n");
            without.Add(await Scripts.TimeAsync("git pull --quiet; docker compose config | docker buildx bake --progress quiet -f - web > /dev/null 2>&1", other));
        }
        Console.WriteLine($"{await Engine.DescribeAsync()}; a build that prints 1 GB, {Figure.Count(rounds, "round")}, medians: worker {Figure.Of(Figure.Median(with))} s, bake with its output thrown away {Figure.Of(Figure.Median(without))} s, {Figure.Of(Figure.Median(with) / Figure.Median(without))} × (goal 1.1)");
        Console.WriteLine($"Resident memory of the service: idle {Figure.Of(idle)} MB, peak {Figure.Of(ProcessFigures.Megabytes(service.Id, "VmHWM"))} MB (goal: 32 MB more); build log {new DirectoryInfo(Path.Combine(app.State, "logs")).GetFiles().Max(f => f.Length) / 1e6:0.0} MB");
        await service.StopAsync();
        return 0;
    }

    private static Task<Application> StartAsync() => Application.OfAsync(
        ("compose.yaml", "services:\n  web:\n    image: PROJECT-web:latest\n    build: {context: ./web, args: {GIT_COMMIT_HASH: \"${GIT_COMMIT_HASH:-unknown}\"}}\n    init: true\n"),
        ("web/Dockerfile", Dockerfile), ("web/content.txt", "first\n"), (".gitignore", ".env\n"));
}

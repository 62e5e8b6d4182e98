using System.Collections.Immutable;
using WatchParty.Releases.Baking;
using WatchParty.Releases.Caching;
using WatchParty.Releases.Planning;
using WatchParty.Releases.Recording;
using WatchParty.Tools.Configuration;
using WatchParty.Tools.Docker;
using WatchParty.Worker.Tests.Baking;
using WatchParty.Worker.Tests.Fakes;

namespace WatchParty.Worker.Tests.Caching;

/// <summary>What a bake tells that is stopped at its first step.</summary>
public sealed class GuardedBakeTests : IDisposable
{
    private const string Time = "2026-01-02T03:04:05Z", Later = "2026-01-02T03:04:06Z";
    private readonly string _folder = Directory.CreateTempSubdirectory("watchparty-bake-").FullName;

    public void Dispose() => Directory.Delete(_folder, recursive: true);

    [Fact]
    public async Task A_step_that_ended_has_run_and_one_that_the_stop_broke_off_has_not()
    {
        var result = await RunAsync(
            Vertex("1", "[deps 1/2] COPY packages.txt .", started: true, cached: true),
            Vertex("2", "[builder 2/3] COPY src src", started: true),
            Vertex("2", "[builder 2/3] COPY src src", started: true, ended: Time),
            Vertex("3", "[runner 1/2] RUN build", started: true),
            // Its input was being looked at; BuildKit tells a start and an error of it when that is broken off.
            Vertex("4", "[builder 1/3] COPY --from=deps /deps .", started: true),
            Vertex("4", "[builder 1/3] COPY --from=deps /deps .", started: true, ended: Time, error: "context canceled"),
            Vertex("3", "[runner 1/2] RUN build", started: true, ended: Later, error: "process did not complete successfully: context canceled"));

        Assert.Equal("COPY src src", result.WouldRun);
        Assert.Equal(["COPY src src", "RUN build"], result.Begun.Select(b => b.Text));
        Assert.Equal(["COPY src src"], result.Ran.Select(r => r.Name.Text));
        Assert.False(result.AllCached);
    }

    private async Task<GuardedBakeResult> RunAsync(params string[] trace)
    {
        var model = ComposeModel.Parse("""{"name":"p","services":{"web":{"image":"web","build":{"context":"/c"}}}}""");
        File.WriteAllText(Path.Combine(_folder, "compose.yaml"), "services: {}\n");
        var options = new BuildOptions();
        var project = new ComposeProject(_folder, new ComposeOptions(), options.CommitArgument, ImmutableDictionary<string, string?>.Empty);
        var runner = new ScriptedRunner().Expect("buildx bake", errors: string.Join('\n', trace));
        var bake = new GuardedBake(options, project, Definitions.Asking(new Definitions.Tools("2.26.1")), StateFolder.Open(_folder), runner);
        return await bake.RunAsync(model, [new BakeTarget("web", model.Services.Single(), "c", [])], makesImages: false, CancellationToken.None);
    }

    private static string Vertex(string digest, string name, bool started = false, string? ended = null, bool cached = false, string? error = null) =>
        $$"""{"vertexes":[{"digest":"sha256:{{digest}}","name":"{{name}}","cached":{{(cached ? "true" : "false")}}"""
        + (started ? $",\"started\":\"{Time}\"" : "") + (ended is null ? "" : $",\"completed\":\"{ended}\"") + (error is null ? "" : $",\"error\":\"{error}\"") + "}]}";
}

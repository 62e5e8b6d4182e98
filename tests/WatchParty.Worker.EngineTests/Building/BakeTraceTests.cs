using Microsoft.Extensions.Logging.Abstractions;
using WatchParty.Releases.Baking;
using WatchParty.Releases.Recording;
using WatchParty.Tools.Processes;

namespace WatchParty.Worker.EngineTests.Building;

/// <summary>Real builds of two services that share a Dockerfile and one of its own; the base image is that of <c>tests/engine/base-image.sh</c>.</summary>
[Trait("Engine", "Older")]
public sealed class BakeTraceTests : IDisposable
{
    private readonly string _folder = Directory.CreateTempSubdirectory("watchparty-").FullName;
    private readonly ToolRunner _runner = new(TimeProvider.System, NullLogger<ToolRunner>.Instance);

    public BakeTraceTests()
    {
        // Something in it is new each time, so that the first build is a cold one whatever the builder holds.
        var salt = Guid.NewGuid().ToString("N");
        Write("backend/Dockerfile", $"""
            FROM watchparty-sample-base:1 AS builder
            WORKDIR /src
            COPY app.py .
            RUN echo {salt} && sleep 0.3 && cp app.py app.bin
            FROM watchparty-sample-base:1
            ARG GIT_COMMIT_HASH
            COPY --from=builder /src/app.bin /
            RUN echo "$GIT_COMMIT_HASH" > /commit
            """);
        Write("backend/app.py", salt);
        Write("frontend/Dockerfile", $"""
            FROM watchparty-sample-base:1
            RUN echo {salt}; for i in $(seq 30); do echo "line $i"; done
            COPY package.json /
            """);
        Write("frontend/package.json", salt);
        Write("bake.json", """
            {"group":{"default":{"targets":["backend","celery","front_end"]}},"target":{
              "backend":{"context":"backend","args":{"GIT_COMMIT_HASH":"1"}},"celery":{"context":"backend","args":{"GIT_COMMIT_HASH":"1"}},
              "front_end":{"context":"frontend"}}}
            """);
    }

    public void Dispose() => Directory.Delete(_folder, recursive: true);

    [Fact]
    public async Task Cold_warm_next_commit_and_fresh_builds_are_told_apart()
    {
        Assert.Equal(["backend 0/4", "celery 0/4", "front_end 0/2"], await CountsAsync());
        for (var round = 0; round < 3; round++)
        {
            Assert.Equal(["backend 4/4", "celery 4/4", "front_end 2/2"], await CountsAsync());
            Assert.Equal(["backend 3/4", "celery 3/4", "front_end 2/2"], await CountsAsync("--set", $"*.args.GIT_COMMIT_HASH=next{round}"));
            Assert.Equal(["backend 0/4", "celery 0/4", "front_end 0/2"], await CountsAsync("--no-cache"));
        }
    }

    [Fact]
    public async Task One_target_alone_is_counted_the_same()
    {
        var (_, cold) = await BakeAsync(["backend"], "backend");
        var (_, warm) = await BakeAsync(["backend"], "backend");
        var (_, fresh) = await BakeAsync(["backend"], "backend", "--no-cache");
        Assert.All(cold.StepsOf("backend").Concat(fresh.StepsOf("backend")), s => Assert.Equal(StepState.Executed, s.State));
        Assert.All(warm.StepsOf("backend"), s => Assert.Equal(StepState.Cached, s.State));
        Assert.Equal((4, 4, 4), (cold.StepsOf("backend").Count, warm.StepsOf("backend").Count, fresh.StepsOf("backend").Count));
        Assert.InRange(cold.StepsOf("backend").Single(s => s.Text.Contains("sleep", StringComparison.Ordinal)).Elapsed, TimeSpan.FromSeconds(0.3), TimeSpan.FromMinutes(1));
    }

    [Fact]
    public async Task A_failing_build_names_its_step_and_the_last_lines()
    {
        Write("frontend/Dockerfile", "FROM watchparty-sample-base:1 AS tests\nRUN for i in $(seq 30); do echo \"line $i\"; done; exit 7\nRUN true\n");
        var (code, report) = await BakeAsync(["backend", "celery", "front_end"]);
        Assert.NotEqual(0, code);
        var failure = report.FirstFailure!;
        Assert.Equal(("front_end", "", 2, 3, StepState.Failed), (failure.Target, failure.Stage, failure.Number, failure.Of, failure.State));
        Assert.EndsWith("exit code: 7", failure.Error, StringComparison.Ordinal);
        Assert.Equal(Enumerable.Range(11, 20).Select(i => $"line {i}"), failure.LogTail);
        // A newer buildx names the target in between, where there are several.
        Assert.Contains(report.Text, t => t.StartsWith("ERROR: ", StringComparison.Ordinal) && t.Contains("failed to solve: ", StringComparison.Ordinal));
    }

    private async Task<IEnumerable<string>> CountsAsync(params string[] options)
    {
        string[] services = ["backend", "celery", "front_end"];
        var (code, report) = await BakeAsync(services, options);
        Assert.True(code == 0, string.Join('\n', report.Text));
        var steps = services.ToDictionary(s => s, report.StepsOf);
        Assert.All(steps.Values.SelectMany(s => s), s => Assert.True(s.State is StepState.Cached or StepState.Executed, s.ToString()));
        return steps.Select(s => $"{s.Key} {s.Value.Count(x => x.State == StepState.Cached)}/{s.Value.Count}");
    }

    private async Task<(int Code, StepReport Report)> BakeAsync(string[] services, params string[] options)
    {
        var report = new StepReport(services);
        // Exported without tags, two equal images of one bake can collide on the containerd store ("moby-dangling@…: already exists").
        var command = new ToolCommand("docker", ["buildx", "bake", "--progress=rawjson", "-f", "bake.json", "--set", "*.output=type=cacheonly", .. options]) { WorkingDirectory = _folder }
            .With("BUILDX_NO_DEFAULT_ATTESTATIONS", "1");
        var result = await _runner.RunAsync(command, (stream, token) => BuildTrace.ReadAsync(stream, report.Add, token), CancellationToken.None);
        return (result.ExitCode, report);
    }

    private void Write(string path, string text)
    {
        var file = Path.Combine(_folder, path);
        Directory.CreateDirectory(Path.GetDirectoryName(file)!);
        File.WriteAllText(file, text);
    }
}

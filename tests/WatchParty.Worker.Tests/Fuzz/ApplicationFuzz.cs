using System.Text;
using WatchParty.Releases.Baking;
using WatchParty.Releases.Building;
using WatchParty.Releases.Planning;
using WatchParty.Tools.Configuration;
using WatchParty.Tools.Docker;
using WatchParty.Tools.Failures;
using WatchParty.Tools.Redacting;
using WatchParty.Worker.Tests.Baking;
using WatchParty.Worker.Tests.Planning;

namespace WatchParty.Worker.Tests.Fuzz;

/// <summary>What a committer writes, and what docker makes of it.</summary>
public sealed class ApplicationFuzz
{
    private const string Dockerfile = """
        # syntax=docker/dockerfile:1
        ARG VERSION=3.12
        FROM --platform=$BUILDPLATFORM python:${VERSION:-3}-slim AS base
        ARG GIT_COMMIT_HASH
        ENV HASH=$GIT_COMMIT_HASH
        RUN --mount=type=cache,target=/root <<EOF
        pip install -r requirements.txt
        EOF
        FROM base
        COPY --from=base ["a b", "/x"]
        ONBUILD RUN echo \
          hi
        """;

    private const string Model = """
        { "name": "app", "services": {
            "backend": { "build": { "context": "/srv/app/backend", "args": { "GIT_COMMIT_HASH": "abc" }, "additional_contexts": { "base": "service:web" }, "cache_from": ["web:latest"] }, "environment": { "API_KEY": "hunter2" },
              "depends_on": { "web": { "condition": "service_started", "restart": true } }, "deploy": { "replicas": 2 }, "volumes": [ { "type": "bind", "source": "/srv/app/x" } ] },
            "web": { "image": "web:1", "build": { "context": "/srv/app/web", "target": "production", "secrets": [ { "source": "npm" } ] }, "restart": "always", "scale": 3, "network_mode": "service:backend" } },
          "secrets": { "npm": { "file": "/none/npm" }, "token": { "environment": "TOKEN" } } }
        """;

    private static readonly string[] Traces =
        [.. new[] { "missing-base", "single-cached", "single-failing", "heredoc" }.Select(n => string.Join('\n', Encoding.UTF8.GetString(Trace.Bytes(n)).Split('\n').Where(l => l.Length < 700).Take(4)))];

    private static readonly ComposeProject Project = new("/none", new ComposeOptions(), "GIT_COMMIT_HASH", System.Collections.Immutable.ImmutableDictionary<string, string?>.Empty);

    [Fact]
    public Task Compose_models() => Fuzz.RunAsync(m =>
    {
        // Half a character is what compose's encoder never prints.
        var text = m.Json(Model, ComposeModels.WithProfile).Replace("\\ud800", "\\ufffd", StringComparison.Ordinal);
        try
        {
            var model = ComposeModel.Parse(text);
            // Names become folders, image names and arguments.
            Assert.All(model.Services, s => Assert.Matches("^[A-Za-z0-9_][A-Za-z0-9._-]*$", s.Name));
            Secrets.In(text, Project.EnvFiles);
        }
        catch (WorkerException)
        {
        }
    });

    [Fact]
    public Task Build_traces() => Fuzz.RunAsync(m =>
    {
        var bytes = m.Next(2) == 0 ? m.Bytes(Traces) : Encoding.UTF8.GetBytes(m.Json(Traces));
        using var stream = new MemoryStream(bytes);
        var report = new StepReport(["web", "backend"]);
        // Over a stream in memory it never waits.
        Assert.True(BuildTrace.ReadAsync(stream, report.Add, 1 << 16, CancellationToken.None).IsCompletedSuccessfully);
        foreach (var step in report.StepsOf("web")) { Assert.InRange(step.LogTail.Count, 0, StepLog.LineLimit); }
        Assert.NotNull(BuildFailedException.Of(report.FirstFailure, report.Text).Message);
        Assert.NotNull(report.BaseDigests);
    });

    [Fact]
    public Task Dockerfiles() => Fuzz.RunAsync(m =>
    {
        var text = m.Text(Dockerfile, "FROM a\nFROM b AS c\nCOPY --from=0 / /\n", "FROM scratch\nARG A=${B:+x}\n");
        var file = WatchParty.Releases.Planning.Dockerfile.Parse(text);
        file.BaseImages(new Dictionary<string, string> { ["VERSION"] = m.Text("3") }, m.Pick(null, "base", ""));
        file.NeededStages("base");
        WatchParty.Releases.Planning.Dockerfile.WithNamedStages(text);
        foreach (var instruction in file.Stages.SelectMany(s => s.Instructions)) { instruction.Arguments(); }
    });

    [Fact]
    public Task Image_names_and_words_of_steps() => Fuzz.RunAsync(m =>
    {
        var name = m.Text("registry.example:5000/a/b:1", "busybox", "a@sha256:0123", "[web production 2/4] RUN make", "[internal] load build context", "[web stage-0 1/1] FROM a@sha256:1");
        ImageName.Split(name);
        ImageName.Full(name);
        ImageName.NamesRegistry(name);
        StepName.Parse(name, ["web"]);
        Bake.ImageOf(name);
    });
}

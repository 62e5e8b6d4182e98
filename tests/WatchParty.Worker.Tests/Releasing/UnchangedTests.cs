using WatchParty.Releases.Planning;
using WatchParty.Releases.Recording;
using WatchParty.Tools.Docker;
using WatchParty.Tools.Processes;
using WatchParty.Worker.Tests.Fakes;

namespace WatchParty.Worker.Tests.Releasing;

/// <summary>A service stays as it is when its build would give the image that it has, and only then.</summary>
public sealed class UnchangedTests
{
    private const string Dockerfile = """
        FROM base:1
        COPY serve.sh .
        ARG GIT_COMMIT_HASH=unknown
        RUN sh -n serve.sh
        CMD ["sh", "serve.sh"]

        """;

    private static async Task<Flow> ReleasedAsync(ImageStore store, string more = "")
    {
        var flow = new Flow(store).With([
            .. FlowApplication.WebAndDatabase,
            ("web/Dockerfile", Dockerfile),
            ("compose.yaml", FlowApplication.Compose(FlowApplication.Built("web", more), FlowApplication.Ready("db", "postgres:16"))),
        ]);
        Assert.Equal(ReleaseOutcome.Succeeded, (await flow.ReleaseAsync()).Outcome);
        return flow;
    }

    private static ServiceReport Web(ReleaseReport report) => report.Services.Single(s => s.Name == "web");

    [Theory]
    [InlineData(ImageStore.GraphDriver)]
    [InlineData(ImageStore.Containerd)]
    internal async Task A_file_of_the_context_that_no_step_reads_touches_nothing(ImageStore store)
    {
        using var flow = await ReleasedAsync(store);
        var (serving, containers) = (flow.Serving, flow.Engine.Containers.Select(c => c.Id).ToList());

        var report = await flow.ReleaseAsync(("web/notes.txt", "words\n"));

        Assert.Equal((ReleaseOutcome.Succeeded, ServiceAction.Unchanged, "nothing changed that its build reads"),
            (report.Outcome, Web(report).Action, Web(report).Reason));
        Assert.Equal(serving, flow.Serving);
        Assert.Equal(containers, flow.Engine.Containers.Select(c => c.Id));
        Assert.DoesNotContain(flow.Engine.Names.Keys, n => n.Contains("watchparty-asked", StringComparison.Ordinal));

        // What was asked once is known.
        flow.Tools.Commands.Clear();
        Assert.Equal("no input changed", Web(await flow.ReleaseAsync(("docs/README.md", "more\n"))).Reason);
        Assert.DoesNotContain(flow.Tools.Commands, c => Failpoints.NameOf(c) is "buildx bake" && !c.Arguments.Contains("*.output=type=cacheonly"));
    }

    [Theory]
    [InlineData("web/serve.sh", "exec other\n")]
    [InlineData("web/Dockerfile", "FROM base:1\nCOPY serve.sh .\nARG GIT_COMMIT_HASH=unknown\nRUN sh -n serve.sh\nCMD [\"sh\", \"serve.sh\", \"-v\"]\n")]
    [InlineData("web/Dockerfile", "FROM base:1\nCOPY serve.sh .\nARG GIT_COMMIT_HASH=unknown\nRUN sh -n serve.sh\nLABEL a=b\nCMD [\"sh\", \"serve.sh\"]\n")]
    public async Task What_a_step_reads_and_what_only_the_configuration_has_is_built(string path, string content)
    {
        using var flow = await ReleasedAsync(ImageStore.GraphDriver);
        var before = flow.Serving;

        var report = await flow.ReleaseAsync((path, content));

        Assert.Equal((ReleaseOutcome.Succeeded, ServiceAction.Built, $"{path} changed"), (report.Outcome, Web(report).Action, Web(report).Reason));
        Assert.NotEqual(before, flow.Serving);
    }

    [Fact]
    public async Task A_comment_in_the_Dockerfile_builds_nothing()
    {
        using var flow = await ReleasedAsync(ImageStore.GraphDriver);

        Assert.Equal(ServiceAction.Unchanged, Web(await flow.ReleaseAsync(("web/Dockerfile", "# words\n" + Dockerfile))).Action);
    }

    [Fact]
    public async Task A_base_image_that_was_replaced_is_built_on()
    {
        using var flow = await ReleasedAsync(ImageStore.GraphDriver);
        flow.Engine.Add("base:1", "other");

        Assert.Equal(ServiceAction.Built, Web(await flow.ReleaseAsync(("docs/README.md", "more\n"))).Action);
    }

    [Theory]
    [InlineData(ImageStore.GraphDriver)]
    [InlineData(ImageStore.Containerd)]
    internal async Task An_image_name_with_the_commit_moves_and_the_image_stays(ImageStore store)
    {
        using var flow = await ReleasedAsync(store);
        var compose = FlowApplication.Compose(
            FlowApplication.Built("web").Replace("app-web:latest", "app-web:${GIT_COMMIT_HASH}", StringComparison.Ordinal), FlowApplication.Ready("db", "postgres:16"));
        Assert.Equal(ReleaseOutcome.Succeeded, (await flow.ReleaseAsync(("compose.yaml", compose))).Outcome);
        var image = flow.Engine.Containers.Single(c => c.Service == "web").Image.Id;

        var report = await flow.ReleaseAsync(("docs/README.md", "more\n"));

        // As compose would by hand: the name is part of the container.
        Assert.Equal((ReleaseOutcome.Succeeded, ServiceAction.Restarted), (report.Outcome, Web(report).Action));
        Assert.Equal(image, flow.Engine.Find($"app-web:{report.Commit}")!.Id);
        Assert.Equal(image, flow.Engine.Containers.Single(c => c.Service == "web").Image.Id);
    }
}

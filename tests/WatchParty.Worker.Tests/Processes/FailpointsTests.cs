using System.Collections.Immutable;
using Microsoft.Extensions.Logging.Abstractions;
using WatchParty.Releases.Recording;
using WatchParty.Tools.Configuration;
using WatchParty.Tools.Docker;
using WatchParty.Tools.Git;
using WatchParty.Tools.Processes;

namespace WatchParty.Worker.Tests.Processes;

public sealed class FailpointsTests
{
    private static readonly ComposeProject Project = ComposeProject.From(
        new WorkerOptions { Compose = { Files = ["/etc/hostname"], ProjectName = "app" } });

    private readonly List<string> _reached = [];

    private Failpoints Points => new(_reached.Add);

    [Fact]
    public void Program_IsNamedByWhatItIsCalledFor()
    {
        var remote = GitRemote.Create("origin", "/srv/app.git", "/srv/app", null);

        Assert.Equal("compose up", Failpoints.NameOf(
            DockerCommands.ComposeUp(Project, "1", TimeSpan.Zero, new UpOptions(false, false), "web")));
        Assert.Equal("compose config", Failpoints.NameOf(DockerCommands.ComposeHashes(Project, "app", "{}")));
        Assert.Equal("buildx bake", Failpoints.NameOf(
            DockerCommands.BakeNothing(Project, new BuildOptions { Builder = "b" }, new BakeFile("{}", [], ImmutableDictionary<string, string>.Empty), ["web"])));
        Assert.Equal("docker pull", Failpoints.NameOf(DockerCommands.Pull(Project, "base:1")));
        Assert.Equal("git ls-remote", Failpoints.NameOf(GitCommands.RemoteHead("/srv/app", remote, "main")));
        Assert.Equal("git checkout", Failpoints.NameOf(GitCommands.CheckOut("/srv/app", remote, "main", "1")));
        Assert.Equal("git update-ref", Failpoints.NameOf(GitCommands.SetRef("/srv/app", GitCommands.Release(1), "1")));
    }

    [Fact]
    public async Task Program_HasAPointBeforeAndAfterIt()
    {
        var runner = new FailpointRunner(new ToolRunner(TimeProvider.System, NullLogger<ToolRunner>.Instance), Points);

        await runner.RunAsync(new ToolCommand("true"), CancellationToken.None);

        Assert.Equal(["before true", "after true"], _reached);
    }

    [Fact]
    public void Write_IsNamedByWhatIsWritten()
    {
        using var database = Database.Open(":memory:", failpoints: Points);
        var history = new History(database, TimeProvider.System);
        _reached.Clear();

        var release = history.Begin("1", null, "poll", forced: false);
        history.Enter(release, ReleaseState.Building);
        history.Finish(release, ReleaseOutcome.BuildFailed, null, PhaseSeconds.Zero);
        history.Find(release);
        history.LiftQuarantine("1");

        Assert.Equal(
        [
            "before record commit", "before record insert release", "after record insert release", "after record commit",
            "before record update release state Building", "after record update release state Building",
            "before record commit", "before record update release state BuildFailed", "after record update release state BuildFailed",
            "after record commit",
            "before record delete quarantine", "after record delete quarantine",
        ], _reached);
    }

    [Fact]
    public void Write_ThatDoesNotOutliveItsPoint_IsNotThere()
    {
        var kill = "";
        using var database = Database.Open(":memory:",
            failpoints: new Failpoints(p => { if (p == kill) { throw new InvalidOperationException(p); } }));
        var history = new History(database, TimeProvider.System);
        kill = "after record insert release";

        Assert.Throws<InvalidOperationException>(() => history.Begin("1", null, "poll", forced: false));

        Assert.True(history.IsEmpty());
    }

    [Fact]
    public void Worker_WithoutTheVariables_HasNoPoints() => Assert.Null(Failpoints.FromEnvironment());
}

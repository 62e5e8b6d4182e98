using WatchParty.Worker.Deploying;
using WatchParty.Worker.Planning;
using WatchParty.Worker.Tests.Planning;
using WatchParty.Worker.Tools;

namespace WatchParty.Worker.Tests.Deploying;

public sealed class DeployerEffectsTests
{
    private static readonly ComposeModel Model = ComposeModels.Of(
        ("backend", """{ "image": "app-backend", "build": { "context": "/srv/app" } }"""), ("celery", """{ "image": "app-backend" }"""), ("redis", """{ "image": "redis:7" }"""));

    private static ReleasePlan Plan(bool built) => new("commit", Model,
        [.. Model.Services.Select(s => new ServicePlan(s, built && s.Build is not null ? ServiceAction.Built : ServiceAction.Unchanged, "", false, null))], ConfigurationChanged: false);

    /// <summary>Containers as "service id image configuration".</summary>
    private static ContainerSet Set(params string[] containers) => ContainerSet.Of(containers.Select(c => c.Split(' ')).Select(c => new ContainerSummary(
        c[1], [], c[2], "running", new() { ["com.docker.compose.service"] = c[0], ["com.docker.compose.config-hash"] = c[3] })));

    private static string Effects(bool built, ContainerSet before, ContainerSet after) =>
        string.Join('\n', Deployer.Effects(Plan(built), before, after).Select(e => $"{e.Service} {e.Image} {e.Action}: {e.Reason}"));

    private static readonly string[] Running = ["backend 1 b1 x", "celery 2 b1 x", "redis 3 r1 x"];

    [Fact]
    public void Deployment_ThatTouchedNothing_HasNoEffects() => Assert.Empty(Effects(false, Set(Running), Set(Running)));

    [Theory]
    [InlineData(true, "celery 20 b2 x", "celery app-backend Restarted: it runs the image of backend")]
    [InlineData(false, "celery 20 b2 x", "celery app-backend Restarted: image app-backend changed")]
    [InlineData(true, "celery 20 b1 y", "celery app-backend Restarted: its configuration changed")]
    [InlineData(true, "celery 20 b2 y", "celery app-backend Restarted: its configuration changed")]
    [InlineData(true, "celery 20 b1 x", "celery app-backend Restarted: compose replaced it together with a service that it depends on")]
    public void Service_WithANewContainer_IsRestartedForAReason(bool built, string container, string effect) =>
        Assert.Equal(effect, Effects(built, Set(Running), Set("backend 10 b2 x", container, "redis 3 r1 x")).Split('\n').Single(l => !l.StartsWith("backend", StringComparison.Ordinal)));

    [Fact]
    public void Service_ThatWasBuilt_IsNotListedAgain() => Assert.Empty(Effects(true, Set(Running), Set("backend 10 b2 x", "celery 2 b1 x", "redis 3 r1 x")));

    [Fact]
    public void Service_ThatWasNotThere_IsStarted() => Assert.Equal("redis redis:7 Restarted: it was not running", Effects(true, Set(Running[..2]), Set(Running)));

    [Fact]
    public void Service_WithOneMoreContainer_IsRestarted() => Assert.StartsWith("redis redis:7 Restarted", Effects(false, Set(Running), Set([.. Running, "redis 4 r1 x"])), StringComparison.Ordinal);

    [Fact]
    public void Container_OfAServiceThatIsGone_IsRemoved() =>
        Assert.Equal("mail  Removed: it is no longer in the compose file", Effects(false, Set([.. Running, "mail 9 m1 x"]), Set(Running)));

    [Fact]
    public void Container_WithoutAServiceLabel_IsNobodys() =>
        Assert.Empty(Deployer.Effects(Plan(false), ContainerSet.Of([new ContainerSummary("9", [], "m1", "running", [])]), ContainerSet.Of([])));

    [Fact]
    public void Service_ThatIsScaledToNothing_IsNotRemoved() => Assert.DoesNotContain("Removed", Effects(false, Set(Running), Set(Running[..2])), StringComparison.Ordinal);
}

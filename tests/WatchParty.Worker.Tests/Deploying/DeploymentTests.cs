using WatchParty.Releases.Deploying;
using WatchParty.Releases.Planning;
using WatchParty.Tools.Docker;
using WatchParty.Worker.Tests.Planning;

namespace WatchParty.Worker.Tests.Deploying;

public sealed class DeploymentTests
{
    private static readonly ComposeModel Model = ComposeModels.Of(
        ("backend", """{ "image": "app-backend", "restart": "always", "build": { "context": "/srv/app" }, "depends_on": { "migrate": { "condition": "service_completed_successfully" } } }"""),
        ("celery", """{ "image": "app-backend", "restart": "always" }"""),
        ("migrate", """{ "image": "app-tools" }"""),
        ("redis", """{ "image": "redis:7", "restart": "always" }"""),
        ("sidecar", """{ "image": "redis:7", "restart": "always", "network_mode": "service:redis" }"""),
        ("sidecars", """{ "image": "redis:7", "restart": "always", "volumes_from": ["sidecar:ro"] }"""));

    private static readonly string[] Running = ["backend 1 b1 x", "celery 2 b1 x", "migrate 3 t1 x exited", "redis 4 r1 x", "sidecar 5 r1 x", "sidecars 6 r1 x"];

    private static ReleasePlan Plan(bool built = false) => new("commit", Model,
        [.. Model.Services.Select(s => new ServicePlan(s, built && s.Build is not null ? ServiceAction.Built : ServiceAction.Unchanged, "", false, null))], ConfigurationChanged: false);

    /// <summary>Containers as "service id image configuration status start restarts exit-code", the last four with defaults.</summary>
    private static ContainerSet Set(params IEnumerable<string> containers) => new([.. containers.Select(c => c.Split(' ')).Select(c => new SeenContainer(
        c[0], $"/app-{c[0]}-{c[1]}", c[1], c[2], c[3], c.ElementAtOrDefault(4) ?? "running", int.Parse(c.ElementAtOrDefault(7) ?? "0", null), c.ElementAtOrDefault(5) ?? "t0", int.Parse(c.ElementAtOrDefault(6) ?? "0", null)))]);

    /// <summary><see cref="Running"/> with the containers of some services replaced.</summary>
    private static ContainerSet With(params string[] containers) =>
        Set(Running.Where(r => containers.All(c => c.Split(' ')[0] != r.Split(' ')[0])).Concat(containers.Where(c => c.Contains(' ', StringComparison.Ordinal))));

    private static string Differing(ContainerSet containers) => string.Join(' ', Deployment.Differing(Model, containers,
        Expected(new() { ["app-backend"] = "b1", ["app-tools"] = "t1", ["redis:7"] = "r1" })));

    private static Expected Expected(Dictionary<string, string> images, ComposeModel? model = null) => new((model ?? Model).Services.ToDictionary(s => s.Name, _ => "x"),
        (model ?? Model).Services.ToDictionary(s => s.Name, s => images.GetValueOrDefault(s.Image)), new Dictionary<string, NetworkDetails>());

    private static string Words(IEnumerable<ServiceEffect> effects) => string.Join('\n', effects.Select(e => $"{e.Service} {e.Image} {e.Action}: {e.Reason}"));

    private static string Effects(bool built, ContainerSet after, ContainerSet? before = null) =>
        Words(new Deployment(Model, [], new Dictionary<string, MountReaction> { ["celery"] = new(MountHandling.Restart, "it mounts a, which changed") }, before ?? Set(Running)).Effects(Plan(built), after));

    [Fact]
    public void Nothing_Differs_WhenAllRunsAsItShould() => Assert.Empty(Differing(Set(Running)));

    [Theory]
    [InlineData("celery 2 b0 x", "celery")]
    [InlineData("celery 2 b1 y", "celery")]
    [InlineData("celery 2 b1 x exited", "celery")]
    [InlineData("celery 2 b1 x restarting", "celery")]
    [InlineData("celery", "celery")]
    [InlineData("redis 4 r0 x", "redis sidecar sidecars")]
    [InlineData("sidecar", "sidecar sidecars")]
    [InlineData("migrate 3 t0 x exited", "migrate")]
    [InlineData("migrate 3 t1 x exited t0 0 1", "migrate")]
    [InlineData("migrate 3 t1 x created", "migrate")]
    public void Service_ThatIsNotAsItShouldBe_DiffersWithThoseThatFollowIt(string container, string differing) => Assert.Equal(differing, Differing(With(container)));

    [Fact]
    public void Service_WithOneContainerTooMany_Differs() => Assert.Equal("celery", Differing(Set([.. Running, "celery 20 b1 x"])));

    [Fact]
    public void OneShotService_ThatNobodyAwaits_RunsWithEachDeployment()
    {
        var model = ComposeModels.Of(("job", """{ "image": "app-tools", "restart": "no" }"""));

        Assert.Equal(["job"], Deployment.Differing(model, Set("job 1 t1 x exited"), Expected(new() { ["app-tools"] = "t1" }, model)));
    }

    [Fact]
    public void Deployment_ThatTouchedNothing_HasNoEffects() => Assert.Empty(Effects(false, Set(Running)));

    [Theory]
    [InlineData(true, "celery 20 b2 x", "celery app-backend Restarted: it runs the image of backend")]
    [InlineData(false, "celery 20 b2 x", "celery app-backend Restarted: image app-backend changed")]
    [InlineData(true, "celery 20 b1 y", "celery app-backend Restarted: its configuration changed")]
    [InlineData(true, "celery 20 b2 y", "celery app-backend Restarted: its configuration changed")]
    [InlineData(true, "celery 2 b1 x running t1", "celery app-backend Restarted: it mounts a, which changed")]
    [InlineData(true, "redis 40 r1 x", "redis redis:7 Restarted: compose replaced it together with a service that it depends on\nsidecar redis:7 Restarted: it has to follow redis")]
    [InlineData(true, "migrate 3 t1 x exited t1", "migrate app-tools Restarted: it had ended and runs again")]
    public void Service_WithANewContainerOrStart_IsRestartedForAReason(bool built, string container, string effects) =>
        Assert.Equal(effects, Effects(built, With([container, .. container.StartsWith("redis", StringComparison.Ordinal) ? ["sidecar 50 r1 y"] : Array.Empty<string>()])));

    [Fact]
    public void Container_ThatItsRestartPolicyStarted_IsNobodysDoing() => Assert.Empty(Effects(false, With("redis 4 r1 x running t1 1")));

    [Fact]
    public void Service_ThatWasBuilt_IsNotListedAgain() => Assert.Empty(Effects(true, With("backend 10 b2 x")));

    [Theory]
    [InlineData("redis")]
    [InlineData("redis 4 r1 x exited")]
    public void Service_ThatDidNotRun_IsStarted(string before) =>
        Assert.Equal("redis redis:7 Restarted: it was not running", Effects(true, With("redis 4 r1 x running t1"), With(before)).Split('\n')[0]);

    [Fact]
    public void Service_WithOneMoreContainer_IsRestarted() => Assert.StartsWith("celery app-backend Restarted", Effects(false, Set([.. Running, "celery 20 b1 x"])), StringComparison.Ordinal);

    [Fact]
    public void Container_OfAServiceThatIsGone_IsRemoved() =>
        Assert.Equal("mail  Removed: it is no longer in the compose file", Effects(false, Set(Running), Set([.. Running, "mail 9 m1 x"])));

    [Fact]
    public void Container_WithoutAServiceLabel_IsNobodys() => Assert.Empty(Effects(false, Set(Running), Set([.. Running, " 9 m1 x"])));

    [Fact]
    public void Service_ThatIsScaledToNothing_IsNotRemoved() => Assert.DoesNotContain("Removed", Effects(false, With("redis")), StringComparison.Ordinal);

    [Fact]
    public void Deployment_ThatIsUndone_SaysWhatWasReplacedOnTheWay()
    {
        var deployment = new Deployment(Model, null, Deployment.NoReactions, Set([.. Running.Where(r => !r.StartsWith("celery", StringComparison.Ordinal)), "mail 9 m1 x", "post 8 m1 x"]));

        Assert.Equal(
            """
            celery app-backend Removed: it came with this commit and went with it
            redis redis:7 Restarted: it was replaced, and brought back with the release before
            mail  Restarted: it is not in the compose file of this commit, and came back with the release before
            """,
            Words(deployment.EffectsUndone(Plan(built: true), With("celery", "backend 10 b1 x", "redis 40 r1 x", "mail 90 m1 x", "post 8 m1 x"))));
    }
}

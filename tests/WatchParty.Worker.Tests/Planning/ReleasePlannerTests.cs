using System.Collections.Immutable;
using WatchParty.Releases.Planning;

namespace WatchParty.Worker.Tests.Planning;

public sealed class ReleasePlannerTests
{
    private static readonly ComposeModel Model = ComposeModels.Of(
        ("backend", """{ "image": "app-backend", "build": { "context": "/srv/app/backend" } }"""),
        ("celery", """{ "image": "app-backend" }"""),
        ("worker", """{ "image": "app-backend", "build": { "context": "/srv/app/backend" } }"""));

    private static readonly BuildInputs Inputs = new("section", "tracked", ImmutableSortedDictionary<string, string>.Empty.Add("backend/.env", "1")) { TrackedPaths = ["backend/app.py", "backend/models.py"] };

    /// <summary>Nothing changed since a release of commit old.</summary>
    private static PlanningFacts Facts(BuildInputs? before = null) => new(
        "new", Model, ForceRebuild: false,
        new Dictionary<string, BuildInputs> { ["backend"] = Inputs, ["worker"] = Inputs },
        new Dictionary<string, string> { ["app-backend"] = "sha256:1", ["sha256:1"] = "sha256:1" },
        Model.Built.Select(s => s.Name).ToDictionary(n => n, n => new DeployedService(n, "sha256:1", before ?? Inputs, "old")),
        Model.ConfigurationHash,
        new Dictionary<string, IReadOnlyCollection<string>> { ["old"] = ["README.md"] },
        new HashSet<string>(),
        new Dictionary<string, string>(),
        new Dictionary<string, string>());

    /// <summary>The backend was built on this image, and the registry had this digest for it.</summary>
    private static PlanningFacts OnBase(string id, string digest) => Facts() with
    {
        Deployed = new Dictionary<string, DeployedService>
        {
            ["backend"] = new("backend", "sha256:1", Inputs, "old", new BuildBasis("old", "FROM python", new Dictionary<string, string>(), new Dictionary<string, string> { ["python"] = id })
            {
                BaseDigests = new Dictionary<string, string> { ["python"] = digest },
            }),
        },
    };

    private static Dictionary<string, string> Python(string value) => new() { ["python"] = value };

    private static (ServiceAction Action, string Reason, bool Fresh) Backend(PlanningFacts facts)
    {
        var plan = ReleasePlanner.Plan(facts).Services.Single(s => s.Name == "backend");
        return (plan.Action, plan.Reason, plan.Fresh);
    }

    [Fact]
    public void Service_WithNothingNew_IsUnchanged() => Assert.Equal((ServiceAction.Unchanged, "no input changed", false), Backend(Facts()));

    [Fact]
    public void Service_WhenForced_IsBuiltFreshWhateverElse() =>
        Assert.Equal((ServiceAction.Built, "a forced rebuild was asked for", true), Backend(Facts() with { ForceRebuild = true, FreshMarks = new HashSet<string> { "backend" } }));

    [Fact]
    public void Service_WithAFreshMark_IsBuiltFreshAndNoOther()
    {
        var facts = Facts() with { FreshMarks = new HashSet<string> { "backend" } };

        Assert.Equal((ServiceAction.Built, "its cache was cleared", true), Backend(facts));
        Assert.Equal(ServiceAction.Unchanged, ReleasePlanner.Plan(facts).Services.Single(s => s.Name == "worker").Action);
    }

    [Fact]
    public void Service_ThatWasNeverDeployed_IsBuiltFirst() =>
        Assert.Equal((ServiceAction.Built, ReleasePlanner.FirstBuild, false), Backend(Facts() with { Deployed = new Dictionary<string, DeployedService>() }));

    [Fact]
    public void Service_ThatWasDeployedWithoutBeingBuilt_IsBuiltFirst() => Assert.Equal(
        (ServiceAction.Built, ReleasePlanner.FirstBuild, false),
        Backend(Facts() with { Deployed = new Dictionary<string, DeployedService> { ["backend"] = new("backend", null, null, "old") } }));

    [Fact]
    public void Service_WhoseImageIsMissing_IsBuilt() =>
        Assert.Equal((ServiceAction.Built, "image app-backend is missing", false), Backend(Facts() with { CurrentImages = new Dictionary<string, string>() }));

    [Theory]
    [InlineData("sha256:2")]
    [InlineData(null)]
    public void Service_WhoseImageLostItsName_GetsItBackWithoutABuild(string? named)
    {
        Dictionary<string, string> images = new() { ["sha256:1"] = "sha256:1" };
        if (named is not null) { images["app-backend"] = named; }
        var plan = ReleasePlanner.Plan(Facts() with { CurrentImages = images });

        Assert.Equal((ServiceAction.Unchanged, "no input changed", "sha256:1"), (plan.Services[0].Action, plan.Services[0].Reason, plan.Services[0].Retag));
        Assert.Contains("backend", plan.Named.Select(s => s.Name));
        Assert.Null(ReleasePlanner.Plan(Facts()).Services[0].Retag);
    }

    private static readonly BuildBasis Basis = new("old", "FROM python", new Dictionary<string, string>(), new Dictionary<string, string>());

    private static PlanningFacts Based(PlanningFacts facts) => facts with { Deployed = facts.Deployed.ToDictionary(d => d.Key, d => d.Value with { Basis = Basis }) };

    [Fact]
    public void Service_WithAChangedFile_IsAskedAbout_AndStaysWhenItsBuildDoesNotReadIt()
    {
        var plan = ReleasePlanner.Plan(Based(Facts(Inputs with { Tracked = "other" })));
        Assert.True(plan.Services[0].AsksFirst);

        var answered = ReleasePlanner.Answered(plan, new Dictionary<string, BuildBasis> { ["backend"] = Basis }, new Dictionary<string, string>());
        Assert.Equal((ServiceAction.Unchanged, "nothing changed that its build reads"), (answered.Services[0].Action, answered.Services[0].Reason));
        Assert.Equal(ServiceAction.Built, answered.Services.Single(s => s.Name == "worker").Action);
    }

    [Fact]
    public void Service_WhoseSecretOrSectionChanged_IsBuiltWithoutAsking()
    {
        var secret = ReleasePlanner.Plan(Based(Facts(Inputs with { Others = Inputs.Others.Add(BuildInputs.Secret("TOKEN"), "1") }))).Services[0];
        Assert.Equal((ServiceAction.Built, "the secret TOKEN changed", false, false), (secret.Action, secret.Reason, secret.AsksFirst, secret.Fresh));
        // What was made with another value is in the cache under the same key.
        var other = Inputs with { Others = Inputs.Others.Add(BuildInputs.Secret("TOKEN"), "2") };
        var facts = Based(Facts(Inputs with { Others = Inputs.Others.Add(BuildInputs.Secret("TOKEN"), "1") }));
        secret = ReleasePlanner.Plan(facts with { Inputs = facts.Inputs.ToDictionary(i => i.Key, _ => other) }).Services[0];
        Assert.Equal(("the secret TOKEN changed", false, true), (secret.Reason, secret.AsksFirst, secret.Fresh));
        Assert.False(ReleasePlanner.Plan(Based(Facts(Inputs with { Section = "other" }))).Services[0].AsksFirst);
    }

    [Fact]
    public void Service_WithSomethingThatGitCannotTell_IsAskedAboutEachTime()
    {
        var facts = Based(Facts());
        var context = ReleasePlanner.Plan(facts with { Inputs = facts.Inputs.ToDictionary(i => i.Key, i => i.Value with { Outside = "backend/lib is a submodule" }) }).Services[0];
        Assert.Equal(("backend/lib is a submodule", true), (context.Reason, context.AsksFirst));

        var step = ReleasePlanner.Plan(Facts() with { Deployed = Facts().Deployed.ToDictionary(d => d.Key, d => d.Value with { Basis = Basis with { Outside = "ADD https://x takes" } }) }).Services[0];
        Assert.Equal(("ADD https://x takes", true), (step.Reason, step.AsksFirst));
        var answered = ReleasePlanner.Answered(ReleasePlanner.Plan(facts with { Inputs = facts.Inputs.ToDictionary(i => i.Key, i => i.Value with { Outside = "it is elsewhere" }) }),
            new Dictionary<string, BuildBasis>(), new Dictionary<string, string> { ["backend"] = "RUN x" });
        Assert.Equal("it is elsewhere, and RUN x would run again", answered.Services[0].Reason);
    }

    [Fact]
    public void Service_ThatIsBuiltOnAnother_IsAskedAboutWithIt()
    {
        var model = ComposeModels.Of(
            ("top", """{ "build": { "context": "/a", "additional_contexts": { "x": "service:middle" } } }"""),
            ("middle", """{ "build": { "context": "/b", "additional_contexts": { "x": "service:basis" } } }"""),
            ("basis", """{ "build": { "context": "/c" } }"""));
        string[] names = ["top", "middle", "basis"];
        var facts = Facts() with
        {
            Model = model,
            Inputs = names.ToDictionary(n => n, n => n == "basis" ? Inputs with { Tracked = "new" } : Inputs),
            Deployed = names.ToDictionary(n => n, n => new DeployedService(n, "sha256:1", Inputs, "old", Basis)),
        };
        var plan = ReleasePlanner.Plan(facts);

        Assert.All(plan.Services, s => Assert.True(s is { Action: ServiceAction.Built, AsksFirst: true }));
        Assert.Equal(["it is built on middle", "it is built on basis"], plan.Services.Take(2).Select(s => s.Reason));

        // What the cache has of them stands on the base as it was.
        plan = ReleasePlanner.Plan(facts with { FreshMarks = new HashSet<string> { "basis" } });
        Assert.All(plan.Services, s => Assert.True(s is { Action: ServiceAction.Built, AsksFirst: false, Fresh: true }));
    }

    [Theory]
    [InlineData("backend/app.py", "backend/app.py changed")]
    [InlineData("README.md backend/models.py backend/app.py", "backend/models.py and 1 more changed")]
    [InlineData("", "files of its build context changed")]
    [InlineData(null, "files of its build context changed")]
    public void Service_WithAChangedFile_IsBuiltAndTheReasonNamesIt(string? paths, string reason)
    {
        var changed = paths is null ? [] : new Dictionary<string, IReadOnlyCollection<string>> { ["old"] = paths.Split(' ', StringSplitOptions.RemoveEmptyEntries) };

        Assert.Equal((ServiceAction.Built, reason, false), Backend(Facts(Inputs with { Tracked = "other" }) with { ChangedPaths = changed }));
    }

    [Fact]
    public void Service_WithAChangedSection_IsBuilt() =>
        Assert.Equal((ServiceAction.Built, "its build section changed", false), Backend(Facts(Inputs with { Section = "other" })));

    [Fact]
    public void Service_WithAChangedUntrackedFile_IsBuilt() =>
        Assert.Equal((ServiceAction.Built, "backend/.env changed", false), Backend(Facts(Inputs with { Others = Inputs.Others.SetItem("backend/.env", "2") })));

    [Fact]
    public void Service_ThatIsNotBuiltHere_IsLeftAlone()
    {
        var celery = ReleasePlanner.Plan(Facts() with { ForceRebuild = true }).Services.Single(s => s.Name == "celery");

        Assert.Equal((ServiceAction.Unchanged, "it is not built here", false, null), (celery.Action, celery.Reason, celery.Fresh, celery.Inputs));
    }

    [Fact]
    public void Services_WithOneBuildSectionAndImage_AreBuiltOnce()
    {
        var plan = ReleasePlanner.Plan(Facts() with { ForceRebuild = true });

        Assert.Equal(["backend", "celery", "worker"], plan.Services.Select(s => s.Name));
        Assert.Equal("backend", Assert.Single(plan.Builds).Name);
        Assert.Equal("backend", plan.BuiltFor(plan.Services.Single(s => s.Name == "worker")).Name);
    }

    [Fact]
    public void Service_WhoseMountedFilesChanged_GetsThemAndSaysWhy()
    {
        var reaction = new MountReaction(MountHandling.Restart, "it mounts a, which changed");

        var plan = ReleasePlanner.Plan(Facts() with { Reactions = new Dictionary<string, MountReaction> { ["celery"] = reaction } });

        Assert.True(plan.HasReactions);
        Assert.Equal((ServiceAction.Unchanged, reaction.Reason, reaction), plan.Services.Single(s => s.Name == "celery") is var s ? (s.Action, s.Reason, s.Reaction!) : default);
    }

    [Fact]
    public void Service_WhoseChangesAreIgnored_SaysSoAndNeedsNothing()
    {
        var plan = ReleasePlanner.Plan(Facts() with { Reactions = new Dictionary<string, MountReaction> { ["celery"] = new(MountHandling.Ignore, "it mounts a, and is left as it is") } });

        Assert.False(plan.HasReactions);
        Assert.Equal("it mounts a, and is left as it is", plan.Services.Single(s => s.Name == "celery").Reason);
    }

    [Fact]
    public void Plan_KnowsWhetherNetworksOrVolumesChanged()
    {
        Assert.False(ReleasePlanner.Plan(Facts() with { DeployedResourcesHash = Model.ResourcesHash }).ResourcesChanged);
        Assert.True(ReleasePlanner.Plan(Facts() with { DeployedResourcesHash = "other" }).ResourcesChanged);
        Assert.True(ReleasePlanner.Plan(Facts()).ResourcesChanged);
    }

    [Fact]
    public void Plan_KnowsWhetherTheConfigurationChanged()
    {
        Assert.False(ReleasePlanner.Plan(Facts()).ConfigurationChanged);
        Assert.True(ReleasePlanner.Plan(Facts() with { DeployedConfigurationHash = "other" }).ConfigurationChanged);
        Assert.True(ReleasePlanner.Plan(Facts() with { DeployedConfigurationHash = null }).ConfigurationChanged);
    }

    [Fact]
    public void Service_WhoseBaseImageWasReplacedHere_IsBuilt()
    {
        Assert.Equal((ServiceAction.Built, "base image python was replaced on this engine", false), Backend(OnBase("sha256:a", "sha256:d") with { BaseImages = Python("sha256:b") }));
        Assert.Equal(ServiceAction.Unchanged, Backend(OnBase("sha256:a", "sha256:d") with { BaseImages = Python("sha256:a") }).Action);
    }

    [Fact]
    public void Service_WhoseBaseImageIsNoMoreHere_IsNotBuilt() =>
        Assert.Equal(ServiceAction.Unchanged, Backend(OnBase("sha256:a", "sha256:d") with { BaseImages = new Dictionary<string, string>() }).Action);

    [Fact]
    public void Service_WhoseBaseImageSomebodyPulledSince_IsAskedAbout() =>
        Assert.True(ReleasePlanner.Plan(OnBase("", "sha256:d") with { BaseImages = Python("sha256:b") }).Services[0] is { Action: ServiceAction.Built, AsksFirst: true });

    [Fact]
    public void Service_WhoseBaseImageIsNewInItsRegistry_IsBuiltAndPullsIt()
    {
        var plan = ReleasePlanner.Plan(OnBase("", "sha256:d") with { NewBaseDigests = Python("sha256:e") });

        Assert.Equal([("backend", ServiceAction.Built, "base image python is new in its registry", true), ("worker", ServiceAction.Built, "first build", false)],
            plan.Services.Where(s => s.Service.Build is not null).Select(s => (s.Name, s.Action, s.Reason, s.Pull)));
        Assert.Equal(ServiceAction.Unchanged, Backend(OnBase("", "sha256:d") with { NewBaseDigests = Python("sha256:d") }).Action);
    }
}

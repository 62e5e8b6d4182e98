using System.Collections.Immutable;
using Microsoft.Extensions.Logging.Abstractions;
using WatchParty.Releases.Deploying;
using WatchParty.Releases.Planning;
using WatchParty.Releases.Recording;
using WatchParty.Releases.Releasing;
using WatchParty.Releases.Signals;
using WatchParty.Tools.Configuration;
using WatchParty.Tools.Docker;
using WatchParty.Tools.Failures;
using WatchParty.Tools.Processes;
using WatchParty.Worker.Tests.Fakes;
using WatchParty.Worker.Tests.Planning;
using WatchParty.Worker.Tests.Verifying;
using static WatchParty.Worker.Tests.Verifying.AnsweringRunner;
using static WatchParty.Worker.Tests.Verifying.StandingEngine;

namespace WatchParty.Worker.Tests.Deploying;

public sealed class DeployerTests : IDisposable
{
    private static readonly ComposeModel Model = ComposeModels.Of(("web", """{ "image": "app" }"""), ("db", """{ "image": "app" }"""));

    private readonly StandingEngine _engine = new(new ManualTimeProvider());
    private AnsweringRunner _runner = new(_ => Says());

    private readonly string _folder = Directory.CreateTempSubdirectory("deployer-").FullName;

    public void Dispose() => Directory.Delete(_folder, recursive: true);

    public DeployerTests()
    {
        File.WriteAllText(Path.Combine(_folder, "compose.yaml"), "services: {}\n");
        _engine.Images["app"] = new ImageDetails("image", null, null, 0, null);
        _engine.Runs("web", () => Running());
        _engine.Runs("db", () => Running());
    }

    private async Task<UpAnswer> UpAsync(Func<ToolCommand, ToolResult>? answer = null, string[]? services = null, bool pull = true,
        IReadOnlyDictionary<string, string>? images = null)
    {
        if (answer is not null) { _runner = new(answer); }
        var project = new ComposeProject(_folder, new(), "COMMIT", ImmutableDictionary<string, string?>.Empty);
        var ownership = new Ownership(project, _runner, _engine, null!, null!);
        var tools = new DeploymentTools(new DeployOptions(), null!, project, _runner, _engine, new ProgressFeed());
        var deployer = new Deployer(tools, _engine, ownership, new MountWatch(tools.Options, null!, null!), NullLogger<Deployer>.Instance);
        var deployment = new Deployment(Model, services is null ? null : [.. services], Deployment.NoReactions,
            await _engine.LookAsync())
        { Images = images };
        return await deployer.UpAsync("abc", deployment, default, pull);
    }

    private string Calls =>
        string.Join('\n', _runner.Asked.Select(c => string.Join(' ', c.Arguments.SkipWhile(a => a != "--no-build").Skip(1))));

    [Fact]
    public async Task Compose_ThatEndsWell_AndContainersThatAreRight_AreNothingToTell()
    {
        Assert.Equal((null, 0, 0), await UpAsync() is var up ? (up.Complaint, up.Differences.Count, up.Notes.Length) : default);
        Assert.Single(_runner.Asked);
    }

    [Fact]
    public async Task Compose_ThatRefusesBeforeItTouchesAContainer_IsAFailureThatIsTriedAgain()
    {
        var refused = await Assert.ThrowsAsync<WorkerException>(() =>
            UpAsync(_ => Says(errors: "network proxy declared as external, but could not be found\n", exitCode: 1)));

        Assert.Equal(Remedy.RetriedByItself, refused.Remedy);
        Assert.Equal("Docker compose refused, and no container was touched: network proxy declared as external, but could not be found",
            refused.Message);
        Assert.Equal(new ReleaseFailure(ReleaseOutcome.Failed, refused.Message, false), ReleaseFailure.Of(refused, deploying: true,
            default));
    }

    [Fact]
    public async Task Compose_ThatFailsAfterItTouchedAContainer_HasAComplaint()
    {
        var up = await UpAsync(_ =>
        {
            _engine.Runs("web", () => Ended(137));
            return Says(errors: "Error response from daemon: port is already allocated\n", exitCode: 1);
        });

        Assert.Equal("Error response from daemon: port is already allocated", up.Complaint);
        Assert.Single(_runner.Asked);
    }

    [Fact]
    public async Task Difference_ThatComposeLeft_IsMendedByMakingTheServiceAnewOnce()
    {
        _engine.Images["app"] = new ImageDetails("newer", null, null, 0, null);

        var up = await UpAsync(c =>
        {
            if (c.Arguments.Contains("--force-recreate")) { _engine.Images["app"] = new ImageDetails("image", null, null, 0, null); }
            return Says();
        }, services: ["web"]);

        Assert.Empty(up.Differences);
        Assert.Equal("db runs another image than app, and was made anew for that after compose had left it so", Assert.Single(up.Notes)
            .Replace("web", "db", StringComparison.Ordinal));
        Assert.Equal("-- web\n--force-recreate -- db web", Calls);
    }

    [Fact]
    public async Task Difference_ThatIsLeftEvenThen_IsTold()
    {
        _engine.Images["app"] = new ImageDetails("newer", null, null, 0, null);

        Assert.Equal(["web", "db"], (await UpAsync(services: [])).Differences.Select(d => d.Service));
        Assert.Equal("--force-recreate -- db web", Calls);
    }

    [Fact]
    public async Task Images_ThatAreGivenByTheirIds_AreWhatIsComparedWith()
    {
        _engine.Images.Clear();

        Assert.Empty((await UpAsync(pull: false, images: new Dictionary<string, string> { ["web"] = "image" })).Differences);
        Assert.Equal("--pull never", Calls);
    }

    [Fact]
    public async Task Warnings_OfCompose_AreNotes()
    {
        var up = await UpAsync(_ =>
            Says(output: "Volume \"app_data\" exists but doesn't match configuration in compose file. Recreate (data will be lost)?"));

        Assert.Equal("compose: Volume \"app_data\" exists with other options than the compose file has, and stays as it is",
            Assert.Single(up.Notes));
    }
}

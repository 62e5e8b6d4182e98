using System.Collections.Immutable;
using Microsoft.Extensions.Logging.Abstractions;
using WatchParty.Releases.Deploying;
using WatchParty.Releases.Planning;
using WatchParty.Releases.Signals;
using WatchParty.Releases.Verifying;
using WatchParty.Tools.Configuration;
using WatchParty.Tools.Docker;
using WatchParty.Worker.Tests.Fakes;
using WatchParty.Worker.Tests.Planning;
using static WatchParty.Worker.Tests.Verifying.StandingEngine;

namespace WatchParty.Worker.Tests.Verifying;

public sealed class HealthVerifierTests
{
    private readonly ManualTimeProvider _time = new();
    private readonly StandingEngine _engine;
    private readonly DateTimeOffset _begun;
    private readonly DeployOptions _options = new() { WaitTimeout = TimeSpan.FromSeconds(30), SettleTime = TimeSpan.FromSeconds(5) };

    public HealthVerifierTests()
    {
        _engine = new StandingEngine(_time);
        _begun = _time.GetUtcNow();
    }

    private static ComposeModel One(string section = "{}") => ComposeModels.Of(("web", section));

    private double Elapsed => (_time.GetUtcNow() - _begun).TotalSeconds;

    /// <summary>State until a number of seconds has gone by, and after.</summary>
    private Func<ContainerState> Until(double seconds, ContainerState first, ContainerState then) => () => Elapsed < seconds ? first : then;

    private async Task<ImmutableArray<string>> VerifyAsync(ComposeModel model, UpAnswer? up = null, ContainerSet? before = null)
    {
        using var http = new HttpClient();
        var tools = new DeploymentTools(
            _options, null!, new ComposeProject("/", new(), "COMMIT", ImmutableDictionary<string, string?>.Empty),
            new AnsweringRunner(_ => throw new NotSupportedException()), _engine, new ProgressFeed());
        var deployer = new Deployer(tools, _engine, null!, null!, NullLogger<Deployer>.Instance);
        var verifier = new HealthVerifier(_options, _engine, deployer, http, new ProgressFeed(), _time);
        var verifying = verifier.VerifyAsync(new Deployment(model, null, Deployment.NoReactions, before ?? new([])),
            up ?? UpAnswer.Nothing, default);
        while (!verifying.IsCompleted) { await Task.WhenAny(verifying, _time.AdvanceToNextTimerAsync(default)); }
        return await verifying;
    }

    private async Task<string> FailureAsync(ComposeModel model, UpAnswer? up = null, ContainerSet? before = null) =>
        (await Assert.ThrowsAsync<UnhealthyException>(() => VerifyAsync(model, up, before))).Message;

    [Fact]
    public async Task SettlingTime_CountsFromTheContainersStart_ByTheEnginesClock()
    {
        _engine.Runs("web", () => Running(), age: TimeSpan.FromSeconds(3));

        Assert.Empty(await VerifyAsync(One()));
        Assert.InRange(Elapsed, 1.9, 2.2);
    }

    [Fact]
    public async Task Container_ThatRanForLong_IsNotWatchedAgain()
    {
        _engine.Runs("web", () => Running(), age: TimeSpan.FromDays(3));

        await VerifyAsync(One());
        Assert.Equal(0, Elapsed);
    }

    [Fact]
    public async Task Complaint_OfCompose_IsNeverASuccess()
    {
        _engine.Runs("web", () => Running("healthy"));

        Assert.Equal("docker compose up failed: web hook exited with status 3",
            await FailureAsync(One(), new UpAnswer("web hook exited with status 3", [], [])));
    }

    [Fact]
    public async Task Complaint_IsTheLesserReasonBesideTheContainersOwnWords()
    {
        _engine.Runs("web", () => Running("unhealthy", "no such table"));

        Assert.Equal("web is unhealthy: no such table (compose: dependency failed to start)",
            await FailureAsync(One(), new UpAnswer("dependency failed to start", [], [])));
    }

    [Fact]
    public async Task Difference_ThatIsLeftAfterCompose_IsAFailure() => Assert.Equal(
        "After docker compose up web is not in the network app_default",
        await FailureAsync(One(), new UpAnswer(null, [new Difference("web", "web is not in the network app_default")], [])));

    [Fact]
    public async Task Server_ThatEndsWith0_IsAFailure_ThatSaysHowAJobIsWritten()
    {
        _engine.Runs("web", Until(3, Running(), Ended(0)));

        Assert.StartsWith("web ended with exit code 0, and the file does not say that it is to end. A job has", await FailureAsync(One()),
            StringComparison.Ordinal);
    }

    [Theory]
    [InlineData(20, 0, null)]
    [InlineData(20, 3, "web ended with exit code 3")]
    public async Task Job_IsWaitedFor_AndItsExitCodeIsTheVerdict(int seconds, int exitCode, string? failure)
    {
        _engine.Runs("web", Until(seconds, Running(), Ended(exitCode)));

        if (failure is not null) { Assert.Equal(failure, await FailureAsync(One("""{ "restart": "no" }"""))); }
        else { Assert.Empty(await VerifyAsync(One("""{ "restart": "no" }"""))); }
        Assert.InRange(Elapsed, seconds, seconds + 1);
    }

    [Fact]
    public async Task Job_WithTheHealthCheckOfItsImage_IsJudgedByItsEnd()
    {
        _engine.Runs("web", Until(10, Running("unhealthy"), Ended(0)));

        Assert.Empty(await VerifyAsync(One("""{ "restart": "no" }""")));
    }

    [Fact]
    public async Task Job_ThatNobodyAwaitsAndThatDoesNotEnd_IsTakenForAServer_AndThatIsSaid()
    {
        _engine.Runs("web", () => Running());

        Assert.Contains("web has not ended after 30 s, so it is taken for a server",
            Assert.Single(await VerifyAsync(One("""{ "restart": "on-failure" }"""))), StringComparison.Ordinal);
        Assert.InRange(Elapsed, 30, 31);
    }

    [Fact]
    public async Task Server_WithTheRestartPolicyOfAJob_IsWaitedForOnce()
    {
        _engine.Runs("web", () => Running(), "old");
        var before = await _engine.LookAsync();
        _engine.Runs("web", () => Running(), "old");

        Assert.Empty(await VerifyAsync(One("""{ "restart": "on-failure" }"""), before: before));
        Assert.InRange(Elapsed, 4.9, 5.2);
    }

    [Fact]
    public async Task Job_ThatOthersAwait_IsNeverTakenForAServer()
    {
        _engine.Runs("web", () => Running());
        _engine.Runs("app", () => Running(), age: TimeSpan.FromHours(1));
        var model = ComposeModels.Of(("web", "{}"),
            ("app", """{ "depends_on": { "web": { "condition": "service_completed_successfully" } } }"""));

        Assert.Equal("web is a job and has not ended yet", await FailureAsync(model, before: await _engine.LookAsync()));
    }

    [Fact]
    public async Task Check_IsGivenWhatItAllowsItself_BeyondTheWait()
    {
        _engine.Runs("web", Until(55, Running("starting"), Running("healthy")), check: new(["CMD"])
        {
            StartPeriod = 60_000_000_000,
            Interval = 1_000_000_000,
            Timeout = 1_000_000_000,
            Retries = 3
        });

        Assert.Empty(await VerifyAsync(One()));
        Assert.InRange(Elapsed, 55, 56);
    }

    [Fact]
    public async Task Check_ThatIsNotHealthyInItsTime_IsAFailure()
    {
        _engine.Runs("web", () => Running("starting", "refused"), check: new(["CMD"])
        {
            Interval = 8_000_000_000,
            Timeout = 2_000_000_000,
            Retries = 4
        });

        Assert.Equal("web is not healthy yet: refused", await FailureAsync(One()));
        Assert.InRange(Elapsed, 40, 46);
    }

    [Fact]
    public async Task Check_OfTheImageThatFails_IsNamedAsThat()
    {
        _engine.Runs("web", () => Running("unhealthy", "refused"));

        Assert.Equal("web is unhealthy: refused (the check comes with the image app, whose command web replaces; "
            + "if it does not fit, take it away (healthcheck: {disable: true}) or write a check of its own)",
            await FailureAsync(One("""{ "image": "app", "command": ["celery"] }""")));
    }

    [Fact]
    public async Task Check_ThatIsIgnored_HasNoSay()
    {
        _engine.Runs("web", () => Running("unhealthy"));

        Assert.Empty(await VerifyAsync(One().With(new Dictionary<string, ServiceKeys> { ["web"] = new(IgnoresHealth: true) })));
        Assert.InRange(Elapsed, 4.9, 5.2);
    }

    [Fact]
    public async Task Check_ThatWasUnhealthyBefore_IsOnlyToldWhenTheReleaseDidNotTouchItsContainer()
    {
        _engine.Runs("web", () => Running("unhealthy", "refused"), age: TimeSpan.FromHours(1));
        var before = await _engine.LookAsync();

        Assert.Equal("web was unhealthy before this release, which did not touch it: refused",
            Assert.Single(await VerifyAsync(One(), before: before)));
        _engine.Runs("web", () => Running("unhealthy", "refused"));
        Assert.Equal("web is unhealthy: refused", await FailureAsync(One(), before: before));
    }

    [Fact]
    public async Task CrashLoop_IsAFailure()
    {
        _engine.Runs("web", () => Running(), restarts: () => (int)Elapsed);

        Assert.StartsWith("web restarts again and again", await FailureAsync(One("""{ "restart": "always" }""")), StringComparison.Ordinal);
        Assert.InRange(Elapsed, 3, 3.3);
    }

    [Fact]
    public async Task Container_ThatDoesNotComeToRun_IsWaitedForAsLongAsTheReleaseHas()
    {
        _engine.Runs("web", () => new("created", false, false, 0, null, null));

        Assert.Equal("web is created", await FailureAsync(One()));
        Assert.InRange(Elapsed, 30, 31);
    }
}

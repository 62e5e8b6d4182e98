using Microsoft.Extensions.Logging.Abstractions;
using WatchParty.Releases.Planning;
using WatchParty.Releases.Recording;
using WatchParty.Releases.Releasing;
using WatchParty.Tools.Configuration;
using WatchParty.Worker.Notifying;
using WatchParty.Worker.Tests.Fakes;
using WatchParty.Worker.Tests.Recording;
using WatchParty.Worker.Triggering;

namespace WatchParty.Worker.Tests.Notifying;

public sealed class NotifierTests : IAsyncLifetime
{
    private static readonly ReleaseReport Good = new(
        "12", RecordBench.Commit, RecordBench.Other, "poll", ReleaseOutcome.Succeeded,
        [
            new ServiceReport("backend", ServiceAction.Built, "backend/app.py changed", false, new StepCounts(13, 9, 4), 8, "sha256:1", []),
            new ServiceReport("redis", ServiceAction.Unchanged, "it is not built here", false, StepCounts.None, 0, null, []),
        ],
        RecordBench.Seconds, null);

    private readonly RecordBench _bench = new();
    private readonly HttpReceiver _receiver = new();
    private readonly Courier _courier = new(TimeProvider.System);
    private readonly WorkerOptions _options = new() { PublicAddress = "https://deploy.example.org/" };
    private Notifier _notifier = null!;

    public Task InitializeAsync()
    {
        _options.Notifications = [new NotificationOptions { Kind = NotificationChannel.Webhook, Url = _receiver.Address, On = [.. NotificationKinds.Names] }];
        _notifier = New();
        return Task.CompletedTask;
    }

    public async Task DisposeAsync()
    {
        await _notifier.DisposeAsync();
        _courier.Dispose();
        _receiver.Dispose();
        _bench.Dispose();
    }

    private Notifier New() => new(_options, _bench.History, _courier, _bench.Time, NullLogger<Notifier>.Instance);

    private static ReleaseReport Bad(ReleaseOutcome outcome, string error = "backend: it failed") => Good with { Outcome = outcome, Error = error };

    private async Task<string[]> EventsAsync() => [.. (await _receiver.NextAsync()).Json.GetProperty("events").EnumerateArray().Select(e => e.GetString()!)];

    [Theory]
    [InlineData("BuildFailed", true, "Failure Quarantine", "Release 12 was not built")]
    [InlineData("RolledBack", true, "Rollback Quarantine", "Release 12 was taken back")]
    [InlineData("DeployFailed", true, "Failure Quarantine", "Release 12 is not healthy and was not taken back")]
    [InlineData("Failed", true, "Failure Quarantine", "Release 12 failed")]
    [InlineData("Failed", false, "Failure", "Release 12 could not be made")]
    public async Task Failure_IsToldWithWhatItMeansAndWhatToDo(string outcome, bool quarantined, string events, string title)
    {
        if (quarantined) { _bench.History.Quarantine(RecordBench.Commit, 12, "it failed"); }

        _notifier.Ended(Bad(Enum.Parse<ReleaseOutcome>(outcome)));

        var got = (await _receiver.NextAsync()).Json;
        Assert.Equal(events, string.Join(' ', got.GetProperty("events").EnumerateArray()));
        Assert.Equal(title, got.GetProperty("title").GetString());
        Assert.Equal(("watch-party", "12", RecordBench.Commit, "https://deploy.example.org/releases/12"),
            (got.GetProperty("application").GetString(), got.GetProperty("release").GetString(), got.GetProperty("commit").GetString(), got.GetProperty("link").GetString()));
        Assert.Equal("backend", Assert.Single(got.GetProperty("services").EnumerateArray().ToList()).GetString());
        Assert.Equal("backend: it failed", got.GetProperty("reason").GetString());
        Assert.NotEmpty(got.GetProperty("meaning").GetString()!);
        Assert.Contains("`watchparty-worker ", got.GetProperty("whatToDo").GetString(), StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("NothingToDo")]
    [InlineData("Superseded")]
    [InlineData("Interrupted")]
    [InlineData("Quarantined")]
    public async Task Release_ThatNobodyNeedsToHearOf_IsNotTold(string outcome)
    {
        _notifier.Ended(Bad(Enum.Parse<ReleaseOutcome>(outcome)));
        _notifier.Ended(Good);

        Assert.Equal(["Success"], await EventsAsync());
    }

    [Fact]
    public async Task Success_AfterAFailureThatWasTold_IsARecovery_AlsoInALaterProcess_AndOnlyOnce()
    {
        _notifier.Ended(Bad(ReleaseOutcome.BuildFailed));
        Assert.Equal(["Failure"], await EventsAsync());
        await _notifier.DisposeAsync();
        _notifier = New();

        _notifier.Ended(Good);
        _notifier.Ended(Good with { Release = "13" });

        var got = (await _receiver.NextAsync()).Json;
        Assert.Equal("Recovery Success", string.Join(' ', got.GetProperty("events").EnumerateArray()));
        Assert.Equal("It is healthy (11.4 s, 9 of 13 steps cached). Before: release 12 was not built.", got.GetProperty("meaning").GetString());
        Assert.Equal(["Success"], await EventsAsync());
    }

    [Fact]
    public async Task Rollback_ByAPerson_SaysWhichCommitWaits()
    {
        _bench.History.Quarantine(RecordBench.Other, 12, "a person went back to release 9");

        _notifier.Ended(Good with { Trigger = "rollback to 9 (ann)" });

        var got = (await _receiver.NextAsync()).Json;
        Assert.Equal("Rollback Quarantine Success", string.Join(' ', got.GetProperty("events").EnumerateArray()));
        Assert.Equal("Release 12: rollback to 9 (ann)", got.GetProperty("title").GetString());
        Assert.Contains("(2222222) is not released again", got.GetProperty("whatToDo").GetString(), StringComparison.Ordinal);
    }

    [Fact]
    public async Task Failure_ThatStaysTheSame_IsHeldBackForFourHours()
    {
        _notifier.Ended(Bad(ReleaseOutcome.Failed, "engine: no answer after 30.1 s"));
        _bench.Time.Advance(TimeSpan.FromHours(1));
        _notifier.Ended(Bad(ReleaseOutcome.Failed, "engine: no answer after 30.2 s"));
        _notifier.Ended(Bad(ReleaseOutcome.Failed, "no space left"));
        _bench.Time.Advance(Notifier.HoldBack);
        _notifier.Ended(Bad(ReleaseOutcome.Failed, "engine: no answer after 30.3 s"));
        await _notifier.DisposeAsync();

        Assert.Equal(["engine: no answer after 30.1 s", "no space left", "engine: no answer after 30.3 s"], _receiver.All.Select(r => r.Json.GetProperty("reason").GetString()));
    }

    [Fact]
    public async Task Failure_AfterARecovery_IsToldAtOnce()
    {
        foreach (var report in (ReleaseReport[])[Bad(ReleaseOutcome.Failed), Good, Bad(ReleaseOutcome.Failed)]) { _notifier.Ended(report); }
        await _notifier.DisposeAsync();

        Assert.Equal(["Failure", "Recovery", "Failure"], _receiver.All.Select(r => r.Json.GetProperty("event").GetString()));
    }

    [Fact]
    public async Task Channel_WithoutOn_IsToldEverythingButSuccess()
    {
        _options.Notifications[0].On = [];
        foreach (var report in (ReleaseReport[])[Good, Bad(ReleaseOutcome.Failed), Good with { Release = "13" }, Good with { Release = "14" }]) { _notifier.Ended(report); }
        await _notifier.DisposeAsync();

        Assert.Equal(["Failure", "Recovery"], _receiver.All.Select(r => r.Json.GetProperty("event").GetString()));
    }

    [Fact]
    public async Task Reason_IsShortReadableAndWithoutSecrets()
    {
        _notifier.Ended(Bad(ReleaseOutcome.BuildFailed, $"backend: \u001b[31mred\u001b[0m https://user:hunter2@host/ {new string('x', 5000)} the end"));

        var reason = (await _receiver.NextAsync()).Json.GetProperty("reason").GetString()!;
        Assert.StartsWith("backend: red https://***@host/ xxx", reason, StringComparison.Ordinal);
        Assert.EndsWith("x the end", reason, StringComparison.Ordinal);
        Assert.InRange(reason.Length, 800, Notification.ReasonLimit + 10);
    }

    [Fact]
    public async Task DeployedRelease_ThatIsNotUpAfterAStart_IsToldOnce_AlsoByLaterProcesses_AndThatItIsUpAgain()
    {
        foreach (var error in (string?[])[null, "db: port 5432 is taken", "db: port 5432 is taken", null, null])
        {
            _notifier.BroughtUp(12, RecordBench.Commit, error);
            await _notifier.DisposeAsync();
            _notifier = New();
        }

        Assert.Equal(
            [("Failure", "Release 12 could not be brought up again", "db: port 5432 is taken"), ("Recovery", "Release 12 is up again", null)],
            _receiver.All.Select(r => (r.Json.GetProperty("event").GetString(), r.Json.GetProperty("title").GetString(), r.Json.GetProperty("reason").GetString())));
        Assert.All(_receiver.All, r => Assert.Equal(("12", RecordBench.Commit, "https://deploy.example.org/releases/12"),
            (r.Json.GetProperty("release").GetString(), r.Json.GetProperty("commit").GetString(), r.Json.GetProperty("link").GetString())));
    }

    [Fact]
    public async Task Success_AfterADeployedReleaseThatWasNotUp_IsARecovery()
    {
        _notifier.BroughtUp(11, RecordBench.Other, "db: port 5432 is taken");
        _notifier.Ended(Good);
        _notifier.BroughtUp(12, RecordBench.Commit, null);
        await _notifier.DisposeAsync();

        Assert.Equal(["Failure", "Recovery"], _receiver.All.Select(r => r.Json.GetProperty("event").GetString()));
        Assert.Contains("Before: release 11 could not be brought up again.", _receiver.All.Last().Json.GetProperty("meaning").GetString(), StringComparison.Ordinal);
    }

    [Fact]
    public async Task Remote_ThatDoesNotAnswer_IsToldAfterAQuarterOfAnHour_AndAgainWhenItDoes()
    {
        var time = _bench.Time;
        var state = new PollState(null, "no route", time.GetUtcNow());
        using var watch = new PollWatch(() => state, _options, _notifier, time);
        DateTimeOffset? told = null;
        void Pass(int minutes)
        {
            for (var minute = 0; minute < minutes; minute++)
            {
                time.Advance(TimeSpan.FromMinutes(1));
                told = watch.Look(told);
            }
        }

        Pass(14);
        Assert.Null(told);
        Pass(20);
        state = new PollState(time.GetUtcNow(), null, time.GetUtcNow());
        Pass(3);
        await _notifier.DisposeAsync();

        Assert.Equal(
            [("PollTrouble", "The remote has not answered for 15 minutes"), ("Recovery", "The remote answers again after 35 minutes")],
            _receiver.All.Select(r => (r.Json.GetProperty("event").GetString(), r.Json.GetProperty("title").GetString())));
        Assert.Equal("no route", _receiver.All.First().Json.GetProperty("reason").GetString());
    }

    [Fact]
    public void Listener_ThatThrows_KeepsNoReleaseFromGoingOn_AndNoOtherFromHearing()
    {
        var log = new RecordingLogger<ReleaseListeners>();
        var heard = new Ear();
        var listeners = new ReleaseListeners([new Ear { Throws = true }, heard], log);

        listeners.Began(1, RecordBench.Commit, "poll");
        listeners.Ended(Good);

        Assert.Equal(2, heard.Heard);
        Assert.Equal(2, log.Entries.Count);
    }

    private sealed class Ear : IReleaseListener
    {
        public bool Throws { get; init; }

        public int Heard { get; private set; }

        public void Began(long release, string commit, string trigger) => Hear();

        public void Ended(ReleaseReport report) => Hear();

        private void Hear()
        {
            if (Throws) { throw new InvalidOperationException("deaf"); }
            Heard++;
        }
    }
}

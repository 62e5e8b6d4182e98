using Microsoft.Extensions.Logging.Abstractions;
using WatchParty.Releases.Recording;
using WatchParty.Tools.Configuration;
using WatchParty.Worker.Notifying;
using WatchParty.Worker.Tests.Fakes;
using WatchParty.Worker.Tests.Recording;

namespace WatchParty.Worker.Tests.Notifying;

/// <summary>Statuses of commits against stand-ins of the forges' documented interfaces.</summary>
public sealed class CommitStatusTests : IDisposable
{
    private static readonly ReleaseReport Report = new(
        "12", RecordBench.Commit, null, "poll", ReleaseOutcome.Succeeded, [], RecordBench.Seconds, null);

    private readonly Courier _courier = new(TimeProvider.System);

    public void Dispose() => _courier.Dispose();

    private async Task TellAsync(HttpReceiver receiver, CommitStatusProvider provider, string project, params ReleaseReport[] ends)
    {
        var options = new WorkerOptions
        {
            PublicAddress = "https://deploy.example.org",
            CommitStatus = new CommitStatusOptions { Provider = provider, Address = $"{receiver.Address}/api/", Project = project, Token = "token" },
        };
        var status = new CommitStatus(options, _courier, TimeProvider.System, NullLogger<CommitStatus>.Instance);
        status.Began(12, RecordBench.Commit, "poll");
        foreach (var report in ends) { status.Ended(report); }
        await status.DisposeAsync();
    }

    [Theory]
    [InlineData("GitHub", "/api/repos/owner/name/statuses/", "Authorization", "Bearer token")]
    [InlineData("Gitea", "/api/repos/owner/name/statuses/", "Authorization", "token token")]
    [InlineData("GitLab", "/api/projects/owner%2Fname/statuses/", "PRIVATE-TOKEN", "token")]
    public async Task Release_ShowsAsPendingAndThenAsSuccess(string provider, string path, string header, string value)
    {
        using var receiver = new HttpReceiver((context, _) => context.Response.StatusCode = 201);

        await TellAsync(receiver, Enum.Parse<CommitStatusProvider>(provider), "owner/name", Report);

        Assert.All(receiver.All, r => Assert.Equal(("POST", path + RecordBench.Commit, value), (r.Method, r.Path, r.Headers[header])));
        Assert.All(receiver.All, r => Assert.Equal("watchparty", r.Json.GetProperty(provider == "GitLab" ? "name" : "context").GetString()));
        Assert.All(receiver.All, r => Assert.Equal("https://deploy.example.org/releases/12", r.Json.GetProperty("target_url").GetString()));
        Assert.Equal([("pending", "release 12 is under way"), ("success", "deployed as release 12 in 11.4 s")], receiver.All.Select(r => (r.Json.GetProperty("state").GetString(), r.Json.GetProperty("description").GetString())));
    }

    [Fact]
    public async Task GitHub_GetsWhatItAsksOfEveryRequest()
    {
        using var receiver = new HttpReceiver();

        await TellAsync(receiver, CommitStatusProvider.GitHub, "owner/name");

        var got = await receiver.NextAsync();
        Assert.Equal(("application/vnd.github+json", "2022-11-28", "watchparty-worker"), (got.Headers["Accept"], got.Headers["X-GitHub-Api-Version"], got.Headers["User-Agent"]));
    }

    [Theory]
    [InlineData("GitHub", "BuildFailed", "failure")]
    [InlineData("GitHub", "RolledBack", "failure")]
    [InlineData("GitHub", "Failed", "error")]
    [InlineData("GitHub", "Superseded", "error")]
    [InlineData("GitHub", "Interrupted", "pending")]
    [InlineData("GitLab", "BuildFailed", "failed")]
    [InlineData("GitLab", "Superseded", "canceled")]
    [InlineData("Gitea", "DeployFailed", "failure")]
    public async Task Failure_ShowsWithItsReason_InOneShortLine(string provider, string outcome, string state)
    {
        using var receiver = new HttpReceiver();

        await TellAsync(receiver, Enum.Parse<CommitStatusProvider>(provider), "owner/name", Report with { Outcome = Enum.Parse<ReleaseOutcome>(outcome), Error = "backend: it\nfailed " + new string('x', 500) });

        var last = receiver.All.Last().Json;
        Assert.Equal(state, last.GetProperty("state").GetString());
        Assert.InRange(last.GetProperty("description").GetString()!.Length, 10, 140);
        Assert.DoesNotContain('\n', last.GetProperty("description").GetString()!);
    }

    [Fact]
    public async Task GitLab_ThatHasTheStatusAlready_IsNotTriedAgain()
    {
        using var receiver = new HttpReceiver((context, _) =>
        {
            context.Response.StatusCode = 400;
            context.Response.OutputStream.Write("""{"message":"Cannot transition status via :enqueue from :pending (Reason(s): Status cannot transition via \"enqueue\")"}"""u8);
        });

        await TellAsync(receiver, CommitStatusProvider.GitLab, "42", Report);

        Assert.Equal(["/api/projects/42/statuses/" + RecordBench.Commit, "/api/projects/42/statuses/" + RecordBench.Commit], receiver.All.Select(r => r.Path));
    }

    [Fact]
    public async Task Nobody_IsToldWithoutAProvider()
    {
        using var receiver = new HttpReceiver();

        await TellAsync(receiver, CommitStatusProvider.None, "owner/name", Report);

        Assert.Empty(receiver.All);
    }
}

using System.Net;
using System.Text.Json.Nodes;
using Microsoft.Extensions.Logging;
using WatchParty.Releases.Recording;
using WatchParty.Releases.Releasing;
using WatchParty.Tools.Configuration;

namespace WatchParty.Worker.Notifying;

/// <summary>How a commit's release goes, in words that all providers have in common.</summary>
internal enum CommitState
{
    Pending,
    Success,

    /// <summary>The commit is at fault.</summary>
    Failure,

    /// <summary>Something else is, or a newer commit came first.</summary>
    Error,
}

internal sealed record CommitUpdate(string Commit, CommitState State, string Description, string? Link);

/// <summary>Shows beside the commit, at its forge, how its release goes (<c>CommitStatus</c>).</summary>
internal sealed class CommitStatus(WorkerOptions options, Courier courier, TimeProvider time,
    ILogger<CommitStatus> logger) : IReleaseListener, IAsyncDisposable
{
    /// <summary>GitHub refuses a longer one.</summary>
    private const int LongestDescription = 140;

    private readonly CommitStatusOptions _options = options.CommitStatus;
    private readonly Outbox<CommitUpdate> _outbox = new("the commit status",
        (update, token) => SendAsync(update, options.CommitStatus, courier, token), time, logger);

    public void Began(long release, string commit, string trigger) =>
        Put(commit, CommitState.Pending, $"release {release} is under way", $"{release}");

    public void Ended(ReleaseReport report)
    {
        var took = ReleaseText.Seconds(report.Seconds.Total);
        var (state, description) = report.Outcome switch
        {
            ReleaseOutcome.Succeeded => (CommitState.Success, $"deployed as release {report.Release} in {took}"),
            ReleaseOutcome.BuildFailed => (CommitState.Failure, $"not built: {report.Error}"),
            ReleaseOutcome.RolledBack => (CommitState.Failure, $"not healthy and taken back: {report.Error}"),
            ReleaseOutcome.DeployFailed => (CommitState.Failure, $"not healthy: {report.Error}"),
            ReleaseOutcome.Superseded => (CommitState.Error, report.Error ?? "superseded"),
            ReleaseOutcome.Interrupted => (CommitState.Pending, "interrupted; it is tried again"),
            _ => (CommitState.Error, $"could not be released: {report.Error}"),
        };
        Put(report.Commit, state, description, report.Release);
    }

    public ValueTask DisposeAsync() => _outbox.DisposeAsync();

    private void Put(string commit, CommitState state, string description, string? release)
    {
        if (_options.Provider == CommitStatusProvider.None) { return; }
        var line = description.ReplaceLineEndings(" ");
        _outbox.Put(new CommitUpdate(commit, state, line.Length <= LongestDescription ? line : $"{line[..(LongestDescription - 1)]}…",
            options.PublicAddress is { } address ? $"{address.TrimEnd('/')}/releases/{release}" : null));
    }

    private static async Task SendAsync(CommitUpdate update, CommitStatusOptions options, Courier courier,
        CancellationToken cancellationToken)
    {
        using var request = Request(update, options, SecretFile.Read(options.Token, options.TokenFile) ?? "");
        try
        {
            await courier.SendAsync(request, cancellationToken);
        }
        catch (NotDeliveredException e) when (options.Provider == CommitStatusProvider.GitLab
            && e.Message.Contains("Cannot transition status", StringComparison.Ordinal))
        {
            // GitLab's words for: that is its status already.
        }
    }

    internal static HttpRequestMessage Request(CommitUpdate update, CommitStatusOptions options, string token)
    {
        var gitLab = options.Provider == CommitStatusProvider.GitLab;
        var document = new JsonObject
        {
            ["state"] = gitLab && update.State is CommitState.Failure ? "failed"
                : gitLab && update.State is CommitState.Error ? "canceled" : update.State.ToString().ToLowerInvariant(),
            [gitLab ? "name" : "context"] = options.Context,
            ["description"] = update.Description,
        };
        if (update.Link is { } link) { document["target_url"] = link; }
        var address = (options.Address ?? (gitLab ? "https://gitlab.com/api/v4" : "https://api.github.com")).TrimEnd('/');
        var project = options.Project!.Trim('/');
        var request = Courier.Post(
            gitLab ? $"{address}/projects/{WebUtility.UrlEncode(project)}/statuses/{update.Commit}" : $"{address}/repos/{project}/statuses/{update.Commit}",
            Courier.Body(document));
        switch (options.Provider)
        {
            case CommitStatusProvider.GitHub:
                request.Headers.Authorization = new("Bearer", token);
                request.Headers.Accept.ParseAdd("application/vnd.github+json");
                request.Headers.Add("X-GitHub-Api-Version", "2022-11-28");
                break;
            case CommitStatusProvider.GitLab:
                request.Headers.Add("PRIVATE-TOKEN", token);
                break;
            default:
                request.Headers.Authorization = new("token", token);
                break;
        }
        return request;
    }
}

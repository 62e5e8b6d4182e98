using System.Globalization;
using System.Text.RegularExpressions;
using WatchParty.Releases.Planning;
using WatchParty.Releases.Recording;
using WatchParty.Tools.Configuration;
using WatchParty.Tools.Redacting;

namespace WatchParty.Worker.Notifying;

/// <summary>What is said of a release, and of a remote that does not answer.</summary>
internal sealed partial class ReleaseNotification(WorkerOptions options, TimeProvider time)
{
    /// <param name="quarantined">Whether the commit, or the one left behind, now waits for a new one.</param>
    /// <param name="trouble">What was told last that went wrong and is well now; null when nothing did.</param>
    /// <returns>Null for what nobody needs to be told.</returns>
    public Notification? Of(ReleaseReport report, bool quarantined, string? trouble)
    {
        var id = report.Release;
        var serving = report.PreviousCommit is { } previous
            ? $"commit {ReleaseText.Short(previous)} serves"
            : "nothing was deployed before";
        var again = quarantined
            ? "The commit is not tried again until a new one comes. Push a fix; or, if the cause lay elsewhere, run `watchparty-worker " +
                "once --force-rebuild`."
            : null;
        return report.Outcome switch
        {
            ReleaseOutcome.Succeeded => OfSuccess(report, quarantined, trouble),
            ReleaseOutcome.BuildFailed => Message(report, Kinds(NotificationKind.Failure, quarantined), $"Release {id} was not built",
                $"No container was touched: {serving} on.", $"See `watchparty-worker logs {id}`. {again}"),
            ReleaseOutcome.RolledBack => Message(report, Kinds(NotificationKind.Rollback, quarantined), $"Release {id} was taken back",
                $"It was not healthy: {serving} again.", $"See `watchparty-worker show {id}` and the logs of the service. {again}"),
            ReleaseOutcome.DeployFailed =>
                Message(report, Kinds(NotificationKind.Failure, quarantined), $"Release {id} is not healthy and was not taken back",
                "The site may be down.", $"Look at `docker compose ps` and the logs of the service; `watchparty-worker rollback` brings " +
                    $"the last healthy release back. {again}"),
            ReleaseOutcome.Failed when quarantined =>
                Message(report,
                    Kinds(NotificationKind.Failure, quarantined), $"Release {id} failed", $"The commit cannot be released: {serving} on.",
                    again),
            ReleaseOutcome.Failed => Message(report, [NotificationKind.Failure], $"Release {id} could not be made",
                "Something other than the commit stood in the way. It is tried again by itself, more and more slowly.",
                "If it does not go away: `watchparty-worker doctor` says what is wrong with this machine."),
            _ => null,
        };
    }

    private Notification OfSuccess(ReleaseReport report, bool leftBehind, string? trouble)
    {
        var took = $"{ReleaseText.Seconds(report.Seconds.Total)}{(report.Steps.Total == 0 ? "" : $", {report.Steps.Cached} of {report.Steps.Total} steps cached")}";
        List<NotificationKind> kinds = [];
        if (leftBehind) { kinds.AddRange([NotificationKind.Rollback, NotificationKind.Quarantine]); }
        if (trouble is not null) { kinds.Add(NotificationKind.Recovery); }
        kinds.Add(NotificationKind.Success);
        return leftBehind
            ? Message(report,
                kinds, $"Release {report.Release}: {report.Trigger}", $"Commit {ReleaseText.Short(report.Commit)} serves and is healthy.",
                $"The commit left behind ({ReleaseText.Short(report.PreviousCommit ?? "")}) is not released again until a new one comes.")
            : Message(report, kinds,
                trouble is null ? $"Release {report.Release} is deployed" : $"Release {report.Release} is deployed, all is well again",
                trouble is null ? $"It is healthy ({took})." : $"It is healthy ({took}). Before: {trouble}.", null);
    }

    public Notification NotUp(long release, string commit, string error) =>
        Message([NotificationKind.Failure], $"Release {release} could not be brought up again",
        "The worker was started, and what is deployed does not run as it should: the site may be down.",
        "Look at `docker compose ps` and run `watchparty-worker doctor`. A restart of the worker tries it again; a new commit is " +
        "released as usual.", error) with
        {
            Release = $"{release}",
            Commit = commit,
            Link = LinkTo($"{release}"),
        };

    public Notification UpAgain(long release, string commit) =>
        Message([NotificationKind.Recovery], $"Release {release} is up again", "What is deployed runs as it should.", null,
            null) with
        { Release = $"{release}", Commit = commit, Link = LinkTo($"{release}") };

    public Notification PollTrouble(string error, TimeSpan since) =>
        Message([NotificationKind.PollTrouble], $"The remote has not answered for {InWords(since)}",
        "New commits are not seen. What is deployed goes on.",
        "`watchparty-worker doctor`, run as the service's user, says what is wrong with the remote.", error);

    public Notification PollRecovery(TimeSpan outage) =>
        Message([NotificationKind.Recovery], $"The remote answers again after {InWords(outage)}", "New commits are released again.", null,
            null);

    public Notification Test(string channel) =>
        Message([NotificationKind.Test], "This is a test", $"Messages reach you here over the channel {channel}.", null, null);

    private Notification Message(ReleaseReport report, IReadOnlyList<NotificationKind> kinds, string title, string meaning,
        string? whatToDo) =>
        Message(kinds, title, meaning, whatToDo?.Trim(), report.Error) with
        {
            Release = report.Release,
            Commit = report.Commit,
            Services = [.. report.Services.Where(s => s.Action is ServiceAction.Built or ServiceAction.Restarted or ServiceAction.Removed)
                .Select(s => s.Name)],
            Link = LinkTo(report.Release),
        };

    private string? LinkTo(string? release) => options.PublicAddress is { } address ? $"{address.TrimEnd('/')}/releases/{release}" : null;

    private Notification Message(IReadOnlyList<NotificationKind> kinds, string title, string meaning, string? whatToDo, string? reason) =>
        new(
        kinds, options.Compose.ProjectName ?? Path.GetFileName(Path.TrimEndingDirectorySeparator(options.Repository.Path)),
        Environment.MachineName,
        title, meaning, whatToDo, null, null, [], reason is null ? null : Readable(reason), options.PublicAddress, time.GetUtcNow());

    private static NotificationKind[] Kinds(NotificationKind kind, bool quarantined) =>
        quarantined ? [kind, NotificationKind.Quarantine] : [kind];

    /// <summary>Without secrets and control characters, and short: of a long one the beginning, which names the step, and the end, which
    /// says why.</summary>
    private static string Readable(string text)
    {
        text = Control().Replace(Redaction.Apply(text.ReplaceLineEndings("\n")), "");
        const int beginning = Notification.ReasonLimit / 3;
        return text.Length <= Notification.ReasonLimit ? text
            : $"{text[..beginning]}\n…\n{text[^(Notification.ReasonLimit - beginning)..]}";
    }

    private static string InWords(TimeSpan span) => span switch
    {
        { TotalHours: >= 2 } => string.Create(CultureInfo.InvariantCulture, $"{span.TotalHours:0} hours"),
        { TotalMinutes: >= 2 } => string.Create(CultureInfo.InvariantCulture, $"{span.TotalMinutes:0} minutes"),
        _ => string.Create(CultureInfo.InvariantCulture, $"{span.TotalSeconds:0} seconds"),
    };

    // Colours of a build's log, and what could turn lines round.
    [GeneratedRegex(@"\e\[[0-9;?]*[A-Za-z]|[\x00-\x08\x0b-\x1f\x7f\u200e\u200f\u202a-\u202e\u2066-\u2069]", RegexOptions.None, 1000)]
    private static partial Regex Control();
}

using WatchParty.Releases.Releasing;
using WatchParty.Releases.Signals;
using WatchParty.Tools.Configuration;
using WatchParty.Worker.Operating;
using WatchParty.Worker.Scheduling;
using WatchParty.Worker.Triggering;

namespace WatchParty.Worker.Control;

/// <summary>What the running service says of itself.</summary>
internal sealed class ServiceStatusSource(WorkGate gate, ProgressFeed progress, GitPoller poller, NewestCommit newest,
    PruneSchedule schedule, WorkerOptions options, TimeProvider time)
{
    // A service that took up half of an edit would be worse than one that waits for a restart, and says so.
    private readonly IReadOnlyList<(string File, DateTime Written)> _files = [.. options.Files.Select(
        f => (f, File.GetLastWriteTimeUtc(f)))];
    private readonly DateTimeOffset _startedAt = time.GetUtcNow();

    public ServiceStatus Now()
    {
        var (work, poll) = (gate.Current, poller.State);
        return new(
            Environment.ProcessId, _startedAt, work?.Work, work?.Since, work is null ? null : progress.Current, gate.Waiting,
            poll.LastSuccess, poll.Error, schedule.Next(time.GetUtcNow()), newest.Next, newest.Trouble,
            _files.FirstOrDefault(f => File.GetLastWriteTimeUtc(f.File) != f.Written).File);
    }
}

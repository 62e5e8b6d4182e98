using WatchParty.Worker.Releasing;
using WatchParty.Worker.Scheduling;
using WatchParty.Worker.Triggering;

namespace WatchParty.Worker.Hosting;

/// <summary>What the running service says of itself.</summary>
internal sealed class ServiceStatusSource(WorkGate gate, ProgressFeed progress, GitPoller poller, NewestCommit newest, PruneSchedule schedule, TimeProvider time)
{
    private readonly DateTimeOffset _startedAt = time.GetUtcNow();

    public ServiceStatus Now() => new(
        Environment.ProcessId, _startedAt, gate.Current?.Work, gate.Current?.Since, gate.Current is null ? null : progress.Current, gate.Waiting,
        poller.State.LastSuccess, poller.State.Error, schedule.Next(time.GetUtcNow()), newest.Next, newest.Trouble);
}

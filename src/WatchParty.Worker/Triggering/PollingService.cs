using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;
using WatchParty.Releases.Releasing;
using WatchParty.Tools.Failures;
using WatchParty.Tools.Git;
using WatchParty.Worker.Operating;

namespace WatchParty.Worker.Triggering;

/// <summary>Polls, also while a release runs.</summary>
internal sealed class PollingService(GitPoller poller, GitRepository repository, NewestCommit newest, Heartbeat heartbeat,
    TimeProvider time, ILogger<PollingService> logger) : BackgroundService
{
    private const string Loop = "poller";

    protected override async Task ExecuteAsync(CancellationToken stoppingToken)
    {
        using var hint = new RemoteHint(poller.PollNow, time, logger);
        Task SeeAsync(string commit, CancellationToken _)
        {
            hint.Renew(repository.LocalRemote);
            try
            {
                newest.See(commit);
            }
            catch (WorkerException e)
            {
                logger.NotRecorded(e.Message);
            }
            return Task.CompletedTask;
        }
        await poller.RunAsync(SeeAsync, within => heartbeat.Expect(Loop, within), stoppingToken);
        heartbeat.Done(Loop);
    }
}

internal static partial class PollingLog
{
    [LoggerMessage(Level = LogLevel.Warning, Message = "A superseded commit could not be recorded: {Reason}")]
    public static partial void NotRecorded(this ILogger logger, string reason);
}

using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;
using Quartz;
using WatchParty.Releases.Recording;
using WatchParty.Tools.Failures;
using WatchParty.Tools.Processes;
using WatchParty.Worker.Operating;

namespace WatchParty.Worker.Scheduling;

/// <summary>The job that Quartz fires. It waits for its turn behind a build, like every other work.</summary>
[DisallowConcurrentExecution]
internal sealed class NightlyPruneJob(Operations operations, ILogger<NightlyPruneJob> logger) : IJob
{
    public async ValueTask Execute(IJobExecutionContext context, CancellationToken cancellationToken) =>
        await RunAsync(operations, "schedule", logger, cancellationToken);

    internal static async Task RunAsync(Operations operations, string trigger, ILogger logger, CancellationToken cancellationToken)
    {
        try
        {
            await operations.PruneAsync(dryRun: false, trigger, cancellationToken);
        }
        catch (Exception e) when (e is WorkerException or ToolFailedException)
        {
            logger.PruneFailed(e.Message);
        }
        // Made up for at the start, it would otherwise end every start.
        catch (Exception e) when (!cancellationToken.IsCancellationRequested)
        {
            logger.PruneFailedUnexpectedly(e);
        }
    }
}

/// <summary>Makes up, once, for a prune that was missed while the host or the worker was off. Quartz keeps its schedule in
/// memory, so it forgets what it missed.</summary>
internal sealed class MissedPrune(PruneSchedule schedule, History history, Operations operations, TimeProvider time,
    ILogger<MissedPrune> logger) : BackgroundService
{
    protected override async Task ExecuteAsync(CancellationToken stoppingToken)
    {
        var last = history.LastHousekeeping("prune")?.EndedAt ?? history.FirstStart();
        if (schedule.Missed(last, time.GetUtcNow()))
        {
            await NightlyPruneJob.RunAsync(operations, "schedule, made up for", logger, stoppingToken);
        }
    }
}

internal static partial class NightlyPruneSetup
{
    private const string Name = "nightly-prune";

    public static IServiceCollection AddNightlyPrune(this IServiceCollection services, PruneSchedule schedule)
    {
        services.AddQuartz(quartz =>
        {
            quartz.AddJob<NightlyPruneJob>(job => job.WithIdentity(Name));
            quartz.AddTrigger(trigger => trigger.ForJob(Name).WithIdentity(Name)
                .WithCronSchedule(schedule.Cron,
                    cron => cron.InTimeZone(schedule.TimeZone).WithMisfireInstruction(CronTriggerMisfireInstruction.FireAndProceed)));
        });
        services.AddQuartzHostedService(options => options.WaitForJobsToComplete = true);
        return services.AddHostedService<MissedPrune>();
    }

    [LoggerMessage(Level = LogLevel.Error, Message = "The prune failed and is tried again at its next time: {Reason}")]
    public static partial void PruneFailed(this ILogger logger, string reason);

    [LoggerMessage(Level = LogLevel.Error,
        Message = "The prune failed because of an unexpected fault of the worker, and is tried again at its next time")]
    public static partial void PruneFailedUnexpectedly(this ILogger logger, Exception exception);
}

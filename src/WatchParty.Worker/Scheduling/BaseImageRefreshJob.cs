using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;
using Quartz;
using WatchParty.Tools.Failures;
using WatchParty.Tools.Processes;
using WatchParty.Worker.Operating;

namespace WatchParty.Worker.Scheduling;

/// <summary>Asks the registries for newer base images (<c>Build:RefreshBaseImages</c>), and builds again what stands on them.</summary>
[DisallowConcurrentExecution]
internal sealed class BaseImageRefreshJob(Operations operations, ILogger<BaseImageRefreshJob> logger) : IJob
{
    public async ValueTask Execute(IJobExecutionContext context, CancellationToken cancellationToken)
    {
        try
        {
            await operations.RefreshBaseImagesAsync("base images", cancellationToken);
        }
        catch (Exception e) when (e is WorkerException or ToolFailedException)
        {
            logger.NotRefreshed(e.Message);
        }
    }
}

internal static partial class BaseImageRefreshSetup
{
    private const string Name = "base-image-refresh";

    /// <param name="cron">Null when base images are not looked for.</param>
    public static IServiceCollection AddBaseImageRefresh(this IServiceCollection services, string? cron, TimeZoneInfo timeZone) =>
        cron is null ? services : services.AddQuartz(quartz =>
    {
        quartz.AddJob<BaseImageRefreshJob>(job => job.WithIdentity(Name));
        quartz.AddTrigger(
            trigger => trigger.ForJob(Name).WithIdentity(Name)
                .WithCronSchedule(cron,
                    schedule => schedule.InTimeZone(timeZone).WithMisfireInstruction(CronTriggerMisfireInstruction.FireAndProceed)));
    });

    [LoggerMessage(Level = LogLevel.Warning,
        Message = "Newer base images could not be looked for, which is tried again at its next time: {Reason}")]
    public static partial void NotRefreshed(this ILogger logger, string reason);
}

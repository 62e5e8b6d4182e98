using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;
using WatchParty.Releases.Baking;
using WatchParty.Releases.Building;
using WatchParty.Releases.Caching;
using WatchParty.Releases.Deploying;
using WatchParty.Releases.Housekeeping;
using WatchParty.Releases.Planning;
using WatchParty.Releases.Recording;
using WatchParty.Releases.Releasing;
using WatchParty.Releases.Signals;
using WatchParty.Releases.Verifying;
using WatchParty.Tools.Configuration;
using WatchParty.Tools.Docker;
using WatchParty.Tools.Git;
using WatchParty.Tools.Processes;
using WatchParty.Worker.Checking;
using WatchParty.Worker.Control;
using WatchParty.Worker.Notifying;
using WatchParty.Worker.Operating;
using WatchParty.Worker.Scheduling;
using WatchParty.Worker.Status;
using WatchParty.Worker.Telemetry;
using WatchParty.Worker.Triggering;

namespace WatchParty.Worker.Hosting;

/// <summary>The composition root: one method for each folder.</summary>
internal static class WorkerServices
{
    /// <summary>What verbs and the service have in common.</summary>
    public static IServiceCollection AddWorker(this IServiceCollection services, WorkerOptions options, StateFolder state) => services
        .AddSingleton(TimeProvider.System)
        .AddConfiguration(options)
        .AddTools()
        .AddRecording(state)
        .AddReleasing()
        .AddNotifying()
        .AddSingleton<ImageRetention>().AddSingleton<Pruner>().AddSingleton<CacheClearer>()
        .AddSingleton(_ => new PruneSchedule(options.Prune))
        .AddSingleton<GitPoller>()
        .AddSingleton<RemoteDockerfile>().AddSingleton<LiveSet>().AddSingleton<BuilderCache>().AddSingleton<BuildDefinitions>()
        .AddSingleton<GuardedBake>().AddSingleton<SameImage>().AddSingleton<MarkAndSweep>()
        .AddSingleton<SealRecord>().AddSingleton<CacheSeals>().AddSingleton<WarmTimes>().AddSingleton<AfterRelease>().AddSingleton<Doctor>()
        .AddSingleton<WorkGate>().AddSingleton<Operations>().AddSingleton<ServiceStatusSource>().AddSingleton<VerbWork>();

    /// <summary>What only the running service has: its triggers, its schedule, its signs of life.</summary>
    public static IServiceCollection AddWorkerService(this IServiceCollection services, WorkerOptions options) => services
        .AddHosting()
        .AddHostedService<StartUp>()
        .AddHostedService(p => new ControlServer(
            p.GetRequiredService<StateFolder>(), p.GetRequiredService<VerbWork>().RunAsync, p.GetRequiredService<ProgressFeed>(),
            p.GetRequiredService<ILogger<ControlServer>>()))
        .AddHostedService<PollingService>()
        .AddHostedService(p => new ReleasingService(
            (request, stop) => p.GetRequiredService<Operations>().ReleaseAsync(request, stop), p.GetRequiredService<NewestCommit>(),
            p.GetRequiredService<History>(), options,
            p.GetRequiredService<Heartbeat>(), p.GetRequiredService<TimeProvider>(), p.GetRequiredService<ILogger<ReleasingService>>()))
        .AddSingleton<FlagTries>().AddHostedService<DropFileService>()
        .AddHostedService<DiskPressure>()
        .AddHostedService<TidyingService>()
        .AddSingleton(
            p => new MetricsRegistry(p.GetRequiredService<WorkGate>(), p.GetRequiredService<History>(),
                () => p.GetRequiredService<GitPoller>().State))
        .AddHostedService(p => new OtlpExport(options.Telemetry, p.GetRequiredService<MetricsRegistry>()))
        .AddHostedService(
            p => new PollWatch(() => p.GetRequiredService<GitPoller>().State, options, p.GetRequiredService<Notifier>(),
                p.GetRequiredService<TimeProvider>()))
        .AddNightlyPrune(new PruneSchedule(options.Prune))
        .AddBaseImageRefresh(options.Build.RefreshBaseImages, new PruneSchedule(options.Prune).TimeZone)
        .AddStatus(options.Status);

    private static IServiceCollection AddConfiguration(this IServiceCollection services, WorkerOptions options) => services
        .AddSingleton(options).AddSingleton(options.Repository).AddSingleton(options.Build).AddSingleton(options.Deploy)
        .AddSingleton(options.Prune).AddSingleton(options.Docker);

    private static IServiceCollection AddTools(this IServiceCollection services) => services
        .AddFailpoints(Failpoints.FromEnvironment())
        .AddSingleton<ToolRunner>()
        .AddSingleton<IToolRunner>(
            p => p.GetService<Failpoints>() is { } points ? new FailpointRunner(p.GetRequiredService<ToolRunner>(), points)
                : p.GetRequiredService<ToolRunner>())
        .AddSingleton(p => ComposeProject.From(p.GetRequiredService<WorkerOptions>()))
        .AddSingleton<GitRepository>()
        .AddSingleton<HttpClient>()
        .AddSingleton(p => new DockerEngine(
            token => DockerEndpoint.ResolveAsync(p.GetRequiredService<DockerOptions>(), p.GetRequiredService<IToolRunner>(), token),
            p.GetRequiredService<TimeProvider>()))
        .AddSingleton<IDockerEngine>(
            p => p.GetService<Failpoints>() is { } points ? new FailpointEngine(p.GetRequiredService<DockerEngine>(), points)
                : p.GetRequiredService<DockerEngine>());

    private static IServiceCollection AddFailpoints(this IServiceCollection services, Failpoints? points) =>
        points is null ? services : services.AddSingleton(points);

    private static IServiceCollection AddRecording(this IServiceCollection services, StateFolder state) => services
        .AddSingleton(state)
        .AddSingleton(p => Database.Open(state.Database, failpoints: p.GetService<Failpoints>()))
        .AddSingleton<History>().AddSingleton<FreshMarks>();

    private static IServiceCollection AddNotifying(this IServiceCollection services) => services
        .AddSingleton<Courier>().AddSingleton<Notifier>().AddSingleton<CommitStatus>().AddSingleton<ReleaseListeners>()
        .AddSingleton<IReleaseListener>(p => p.GetRequiredService<Notifier>())
        .AddSingleton<IReleaseListener>(p => p.GetRequiredService<CommitStatus>())
        .AddSingleton<IReleaseListener, ReleaseTelemetry>();

    private static IServiceCollection AddReleasing(this IServiceCollection services) => services
        .AddSingleton<ProgressFeed>()
        .AddSingleton<CommitDetection>().AddSingleton<ReleasePlanning>().AddSingleton<Forewarnings>().AddSingleton<BuildInputReader>()
        .AddSingleton<MountReader>()
        .AddSingleton<BaseImages>().AddSingleton<CacheSources>().AddSingleton<BuildBasisReader>().AddSingleton<ImageBuilder>()
        .AddSingleton<KeptImages>().AddSingleton<Ownership>().AddSingleton<MountRecord>().AddSingleton<MountWatch>()
        .AddSingleton<DeploymentTools>().AddSingleton<Deployer>().AddSingleton<HealthVerifier>()
        .AddSingleton<ReleaseRecorder>().AddSingleton<Rollback>().AddSingleton<ManualRollback>().AddSingleton<LostHistory>()
        .AddSingleton<Recovery>()
        .AddSingleton<NewestCommit>().AddSingleton<ReleasePipeline>().AddSingleton<BaseImageRefresh>();
}

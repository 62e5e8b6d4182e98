using System.Runtime.CompilerServices;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;
using WatchParty.Releases.Signals;
using WatchParty.Tools.Configuration;
using WatchParty.Tools.Docker;
using WatchParty.Worker.Control;
using WatchParty.Worker.Operating;
using WatchParty.Worker.Telemetry;
using WatchParty.Worker.Triggering;

namespace WatchParty.Worker.Status;

internal static class StatusServices
{
    /// <summary>Adds the status page where <c>Status:Address</c> asks for one.</summary>
    /// <exception cref="ConfigurationFaultsException">A file of a secret cannot be used.</exception>
    public static IServiceCollection AddStatus(this IServiceCollection services, StatusOptions options) =>
        options.Address is null ? services : AddServer(services, options, StatusSecrets.Read(options));

    // Apart, because what a method names of ASP.NET Core is loaded when it is first called.
    [MethodImpl(MethodImplOptions.NoInlining)]
    private static IServiceCollection AddServer(IServiceCollection services, StatusOptions options, StatusSecrets secrets) => services
        .AddSingleton<ProgressTrail>().AddSingleton<ServiceHealthReader>().AddSingleton<StatusSources>()
        .AddSingleton(
            p => new RequestedWork(p.GetRequiredService<VerbWork>().RunAsync, p.GetRequiredService<TimeProvider>(),
                p.GetRequiredService<ILogger<RequestedWork>>()))
        .AddHostedService(p => new StatusServer(
            options, secrets, p.GetRequiredService<StatusSources>(), p.GetRequiredService<RequestedWork>(),
            p.GetRequiredService<ProgressFeed>(), p.GetRequiredService<MetricsRegistry>().Render, p.GetRequiredService<GitPoller>().PollNow,
            p.GetRequiredService<IDockerEngine>(), p.GetRequiredService<Heartbeat>(), p.GetRequiredService<TimeProvider>(),
            p.GetRequiredService<ILoggerFactory>()));
}

using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.DependencyInjection.Extensions;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;
using WatchParty.Worker.Operating;

namespace WatchParty.Worker.Hosting;

internal static class HostingServices
{
    /// <summary>Adds what the service owes to systemd or to Windows: notification, heartbeat and watchdog, and the life as a Windows
    /// service.</summary>
    public static IServiceCollection AddHosting(this IServiceCollection services)
    {
        services.TryAddSingleton(TimeProvider.System);
        services.AddSingleton(s => SystemdNotifier.FromEnvironment(s.GetRequiredService<ILogger<SystemdNotifier>>()));
        services.AddSingleton<Heartbeat>();
        services.AddHostedService(s => new WatchdogService(
            WatchdogService.LimitFromEnvironment(),
            s.GetRequiredService<SystemdNotifier>(),
            s.GetRequiredService<Heartbeat>(),
            s.GetRequiredService<TimeProvider>(),
            s.GetRequiredService<ILogger<WatchdogService>>()));
        if (OperatingSystem.IsWindows() && WindowsServiceLifetime.RunsAsService)
        {
            services.AddSingleton<IHostLifetime, WindowsServiceLifetime>();
        }
        return services;
    }
}

using System.CommandLine;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;
using WatchParty.Releases.Recording;
using WatchParty.Releases.Releasing;
using WatchParty.Tools.Processes;
using WatchParty.Worker.Control;
using WatchParty.Worker.Hosting;
using WatchParty.Worker.Operating;

namespace WatchParty.Worker.Cli;

/// <summary>The service.</summary>
internal static class RunVerb
{
    /// <summary>Longer than a deployment may take after a stop, shorter than <c>TimeoutStopSec</c> of the unit.</summary>
    private static readonly TimeSpan ShutdownTimeout = TimeSpan.FromSeconds(40);

    public static Command Create(CommonOptions common)
    {
        var command = new Command("run", "Run as a service: follow the repository, the drop files and the schedule (default).");
        command.SetAction(async (arguments, _) =>
        {
            var (configuration, options) = common.Read(arguments);
            var state = StateFolder.Open(options.State.Folder);
            using var held = WorkerLock.TryTake(state, "run", TimeProvider.System, out var holder);
            if (held is null)
            {
                await Output.ErrorAsync($"Busy: {holder} holds the lock {state.Lock}.");
                return ExitCode.Busy;
            }
            var ended = await Leftovers.EndAsync(state, TimeProvider.System);
            Leftovers.Mark(state);
            state.EmptyWork();
            var aside = HistoryFile.SetAsideIfBroken(state.Database, TimeProvider.System);

            var log = ServiceLogging.Create(configuration, state.Logs);
            var builder = Host.CreateEmptyApplicationBuilder(new HostApplicationBuilderSettings());
            builder.Services.Configure<HostOptions>(o => o.ShutdownTimeout = ShutdownTimeout);
            builder.Logging.UseServiceLogging(log);
            builder.Services.AddWorker(options, state).AddWorkerService(options);
            using var host = builder.Build();
            var logger = host.Services.GetRequiredService<ILogger<Recovery>>();
            if (ended > 0) { logger.EndedLeftovers(ended); }
            if (aside is not null) { logger.HistorySetAside(aside); }
            using var signals = new ConsoleSignals(host.Services.GetRequiredService<ILogger<ConsoleSignals>>());
            var loops = host.Services.GetServices<IHostedService>().OfType<BackgroundService>().ToList();
            await host.RunAsync(signals.Stop);

            // A background service that throws stops the host, which then ends as if all were well; systemd would not restart it.
            return loops.Any(s => s.ExecuteTask?.IsFaulted == true) ? ExitCode.Failed : ExitCode.Done;
        });
        return command;
    }
}

using Microsoft.Extensions.Hosting;
using WatchParty.Worker.Recording;
using WatchParty.Worker.Releasing;

namespace WatchParty.Worker.Hosting;

/// <summary>Takes the first place in the work queue for the recovery, and tells systemd what goes on.</summary>
internal sealed class StartUp(Operations operations, History history, ProgressFeed progress, SystemdNotifier notifier, IHostApplicationLifetime lifetime) : IHostedService, IDisposable
{
    private readonly CancellationTokenSource _stop = new();
    private Task _recovery = Task.CompletedTask;

    public Task StartAsync(CancellationToken cancellationToken)
    {
        history.FirstStart();
        progress.Reported += notifier.Status;
        lifetime.ApplicationStarted.Register(notifier.Ready);
        lifetime.ApplicationStopping.Register(notifier.Stopping);
        // Not awaited: an engine that is away must not keep the service from starting. The work gate lets nothing overtake it.
        _recovery = operations.RecoverAsync(always: true, _stop.Token);
        return Task.CompletedTask;
    }

    public async Task StopAsync(CancellationToken cancellationToken)
    {
        await _stop.CancelAsync();
        await _recovery.WaitAsync(cancellationToken).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
    }

    public void Dispose() => _stop.Dispose();
}

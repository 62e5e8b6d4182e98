using Microsoft.Extensions.Hosting;
using WatchParty.Releases.Recording;
using WatchParty.Releases.Signals;
using WatchParty.Worker.Operating;

namespace WatchParty.Worker.Hosting;

/// <summary>Takes the first place in the work queue for the recovery, and tells systemd what goes on.</summary>
internal sealed class StartUp(Operations operations, History history, ProgressFeed progress, SystemdNotifier notifier,
    IHostApplicationLifetime lifetime, TimeProvider time) : IHostedService, IDisposable
{
    // An engine that is away must not keep the service from counting as started; what it can do without, it does.
    private static readonly TimeSpan LongestStart = TimeSpan.FromMinutes(2);

    private readonly CancellationTokenSource _stop = new();
    private Task _recovery = Task.CompletedTask;

    public Task StartAsync(CancellationToken cancellationToken)
    {
        history.FirstStart();
        progress.Reported += notifier.Status;
        lifetime.ApplicationStopping.Register(notifier.Stopping);
        // Not awaited: the git remote and the drop files are looked at meanwhile. The work gate lets nothing overtake it.
        _recovery = RecoverAsync();
        return Task.CompletedTask;
    }

    private async Task RecoverAsync()
    {
        var recovery = operations.RecoverAsync(always: true, _stop.Token);
        await ((Task)recovery.WaitAsync(LongestStart, time)).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        notifier.Ready();
        await recovery;
    }

    public async Task StopAsync(CancellationToken cancellationToken)
    {
        await _stop.CancelAsync();
        await _recovery.WaitAsync(cancellationToken).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
    }

    public void Dispose() => _stop.Dispose();
}

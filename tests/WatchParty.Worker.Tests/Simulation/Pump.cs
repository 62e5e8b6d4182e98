using System.Collections.Concurrent;
using WatchParty.Worker.Tests.Fakes;

namespace WatchParty.Worker.Tests.Simulation;

/// <summary>Runs all that awaits on one thread, in the order in which it can go on, so that a seed gives the same run each time.</summary>
internal sealed class Pump : SynchronizationContext, IDisposable
{
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(20);
    private readonly BlockingCollection<(SendOrPostCallback Callback, object? State)> _work = [];
    private readonly SynchronizationContext? _outer = Current;

    public Pump() => SetSynchronizationContext(this);

    /// <summary>Whether something goes on that comes back by another thread. It is waited for.</summary>
    public Func<bool> IsUnderWay { get; set; } = () => false;

    public override void Post(SendOrPostCallback d, object? state)
    {
        // What a killed worker left has nowhere to go on.
        if (!_work.IsAddingCompleted) { _work.Add((d, state)); }
    }

    public override void Send(SendOrPostCallback d, object? state) => d(state);

    public override SynchronizationContext CreateCopy() => this;

    /// <summary>Until nothing can go on before the clock moves.</summary>
    public void Settle()
    {
        while (true)
        {
            if (!_work.TryTake(out var next))
            {
                if (!IsUnderWay()) { return; }
                if (!_work.TryTake(out next, Patience)) { throw new TimeoutException("something that was to go on does not"); }
            }
            next.Callback(next.State);
        }
    }

    /// <summary>Moves the clock from one timer to the next, and lets go on what waited for each.</summary>
    public void Advance(ManualTimeProvider clock, TimeSpan by)
    {
        var end = clock.GetUtcNow() + by;
        Settle();
        while (clock.NextDue is { } due && due <= end)
        {
            clock.Advance(due - clock.GetUtcNow());
            Settle();
        }
        clock.Advance(end - clock.GetUtcNow());
    }

    public void Dispose()
    {
        _work.CompleteAdding();
        SetSynchronizationContext(_outer);
    }
}

using System.Collections.Concurrent;

namespace WatchParty.Worker.Tests.Fakes;

/// <summary>Runs all that awaits on one thread, in the order in which it can go on, so that a test gives the same run each time.</summary>
internal sealed class Pump : SynchronizationContext, IDisposable
{
    private const int Patience = 20_000;

    private readonly BlockingCollection<(SendOrPostCallback Callback, object? State)> _work = [];

    /// <summary>Whether something goes on that comes back by another thread. It is waited for.</summary>
    public Func<bool> IsUnderWay { get; set; } = () => false;

    public override void Post(SendOrPostCallback d, object? state)
    {
        try
        {
            _work.Add((d, state));
        }
        catch (InvalidOperationException)
        {
            // What a killed worker left has nowhere to go on.
        }
    }

    public override void Send(SendOrPostCallback d, object? state) => d(state);

    public override SynchronizationContext CreateCopy() => this;

    /// <summary>Until nothing can go on before the clock moves.</summary>
    public void Settle() => Within(Drain);

    /// <summary>Begins something whose parts go on here.</summary>
    public T Begin<T>(Func<T> work)
    {
        T result = default!;
        Within(() => result = work());
        return result;
    }

    /// <summary>Moves the clock from one timer to the next, and lets go on what waited for each.</summary>
    public void Advance(ManualTimeProvider clock, TimeSpan by) => Within(() =>
    {
        var end = clock.GetUtcNow() + by;
        Drain();
        while (clock.NextDue is { } due && due <= end)
        {
            clock.Advance(due - clock.GetUtcNow());
            Drain();
        }
        clock.Advance(end - clock.GetUtcNow());
    });

    /// <summary>Until <paramref name="task"/> has ended; the clock moves when nothing goes on without it.</summary>
    public void Until(Task task, ManualTimeProvider clock) => Within(() =>
    {
        while (!task.IsCompleted)
        {
            if (_work.TryTake(out var next)) { next.Callback(next.State); }
            else if (clock.NextDue is { } due) { clock.Advance(due - clock.GetUtcNow()); }
            // It comes back by another thread, as what reads a file.
            else if (TryAwait(() => clock.NextDue is null && !task.IsCompleted, out next)) { next.Callback(next.State); }
        }
    });

    public void Dispose() => _work.CompleteAdding();

    private void Drain()
    {
        while (true)
        {
            if (!_work.TryTake(out var next))
            {
                if (!TryAwait(IsUnderWay, out next)) { return; }
            }
            next.Callback(next.State);
        }
    }

    /// <summary>Waits for something to go on here, as long as <paramref name="while"/> holds.</summary>
    private bool TryAwait(Func<bool> @while, out (SendOrPostCallback Callback, object? State) next)
    {
        for (var waited = 0; @while(); waited++)
        {
            if (_work.TryTake(out next, 1)) { return true; }
            if (waited > Patience) { throw new TimeoutException("something that was to go on does not"); }
        }
        next = default;
        return false;
    }

    private void Within(Action work)
    {
        var outer = Current;
        SetSynchronizationContext(this);
        try
        {
            work();
        }
        finally
        {
            SetSynchronizationContext(outer);
        }
    }
}

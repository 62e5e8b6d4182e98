namespace WatchParty.Worker.Tests.Fakes;

/// <summary>A clock that stands still until a test moves it.</summary>
internal sealed class ManualTimeProvider : TimeProvider
{
    private readonly Lock _gate = new();
    private readonly List<ManualTimer> _timers = [];
    private TaskCompletionSource _timerSet = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private DateTimeOffset _now = new(2026, 3, 1, 12, 0, 0, TimeSpan.Zero);

    public override TimeZoneInfo LocalTimeZone => TimeZoneInfo.Utc;

    public override long TimestampFrequency => TimeSpan.TicksPerSecond;

    public override DateTimeOffset GetUtcNow()
    {
        lock (_gate) { return _now; }
    }

    public override long GetTimestamp() => GetUtcNow().Ticks;

    public override ITimer CreateTimer(TimerCallback callback, object? state, TimeSpan dueTime, TimeSpan period)
    {
        var timer = new ManualTimer(this, () => callback(state));
        timer.Change(dueTime, period);
        return timer;
    }

    /// <summary>When the next timer is due; null when nothing waits for the clock.</summary>
    public DateTimeOffset? NextDue
    {
        get { lock (_gate) { return _timers.MinBy(t => t.Due)?.Due; } }
    }

    /// <summary>Moves the clock; every timer that becomes due fires at its own time, in order.</summary>
    public void Advance(TimeSpan by)
    {
        var end = GetUtcNow() + by;
        while (true)
        {
            ManualTimer? next;
            lock (_gate)
            {
                next = _timers.Where(t => t.Due <= end).MinBy(t => t.Due);
                _now = next?.Due > _now ? next.Due.Value : next is null ? end : _now;
                next?.Rearm();
            }
            if (next is null) { return; }
            next.Fire();
        }
    }

    /// <summary>Waits until something waits for the clock, then moves it exactly that far.</summary>
    /// <returns>How far the clock moved.</returns>
    public async Task<TimeSpan> AdvanceToNextTimerAsync(CancellationToken cancellationToken)
    {
        while (true)
        {
            Task set;
            TimeSpan? step = null;
            lock (_gate)
            {
                set = _timerSet.Task;
                if (_timers.MinBy(t => t.Due) is { Due: { } due }) { step = due - _now; }
            }
            if (step is { } by)
            {
                Advance(by);
                return by;
            }
            await set.WaitAsync(cancellationToken);
        }
    }

    private sealed class ManualTimer(ManualTimeProvider clock, Action fire) : ITimer
    {
        private TimeSpan _period = Timeout.InfiniteTimeSpan;

        public DateTimeOffset? Due { get; private set; }

        public Action Fire { get; } = fire;

        public bool Change(TimeSpan dueTime, TimeSpan period)
        {
            TaskCompletionSource signal;
            lock (clock._gate)
            {
                clock._timers.Remove(this);
                _period = period;
                Due = dueTime == Timeout.InfiniteTimeSpan ? null : clock._now + dueTime;
                if (Due is null) { return true; }
                clock._timers.Add(this);
                signal = clock._timerSet;
                clock._timerSet = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
            }
            signal.SetResult();
            return true;
        }

        /// <summary>Prepares the time after this one; called with the clock's gate held.</summary>
        public void Rearm()
        {
            Due = _period > TimeSpan.Zero ? Due + _period : null;
            if (Due is null) { clock._timers.Remove(this); }
        }

        public void Dispose()
        {
            lock (clock._gate) { clock._timers.Remove(this); }
        }

        public ValueTask DisposeAsync()
        {
            Dispose();
            return default;
        }
    }
}

using Quartz;
using WatchParty.Tools.Configuration;

namespace WatchParty.Worker.Scheduling;

/// <summary>When the nightly prune runs.</summary>
internal sealed class PruneSchedule(PruneOptions options)
{
    public TimeZoneInfo TimeZone { get; } = options.TimeZone is { } name ? TimeZoneInfo.FindSystemTimeZoneById(name) : TimeZoneInfo.Local;

    public string Cron => options.Cron;

    /// <summary>The first run after <paramref name="moment"/>; null when the expression has no further one.</summary>
    public DateTimeOffset? Next(DateTimeOffset moment) =>
        CronExpression.Parse(options.Cron).WithTimeZone(TimeZone).GetNextValidTimeAfter(moment);

    /// <summary>Whether a run was missed since the last one, because the host or the worker was off.</summary>
    public bool Missed(DateTimeOffset last, DateTimeOffset now) => Next(last) is { } next && next <= now;
}

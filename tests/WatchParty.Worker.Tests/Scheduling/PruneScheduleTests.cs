using System.Globalization;
using WatchParty.Tools.Configuration;
using WatchParty.Worker.Scheduling;

namespace WatchParty.Worker.Tests.Scheduling;

public sealed class PruneScheduleTests
{
    private static PruneSchedule Schedule(string zone, string cron = "0 30 3 * * ?") => new(new PruneOptions { Cron = cron, TimeZone = zone });

    private static DateTimeOffset At(string text) => DateTimeOffset.Parse(text, CultureInfo.InvariantCulture, DateTimeStyles.AssumeUniversal);

    public static TheoryData<string, string> DailyTimes()
    {
        var data = new TheoryData<string, string>();
        foreach (var zone in new[] { "America/New_York", "Europe/Berlin", "UTC" })
        {
            foreach (var cron in new[] { "0 30 0 * * ?", "0 30 1 * * ?", "0 0 2 * * ?", "0 30 2 * * ?", "0 0 3 * * ?", "0 30 3 * * ?" }) { data.Add(zone, cron); }
        }
        return data;
    }

    [Theory]
    [MemberData(nameof(DailyTimes))]
    public void Schedule_OfEveryDay_RunsOncePerLocalDayOf2026And2027(string zone, string cron)
    {
        var schedule = Schedule(zone, cron);
        List<DateOnly> days = [];
        var moment = At("2026-01-01 12:00");
        while (schedule.Next(moment) is { } next && next < At("2028-01-01 12:00"))
        {
            Assert.True(next > moment);
            moment = next;
            days.Add(DateOnly.FromDateTime(TimeZoneInfo.ConvertTime(next, schedule.TimeZone).DateTime));
        }

        Assert.Equal(Enumerable.Range(1, 730).Select(d => new DateOnly(2026, 1, 1).AddDays(d)), days);
    }

    [Theory]
    // The hour from 2 to 3 does not exist.
    [InlineData("America/New_York", "0 30 3 * * ?", "2026-03-07 12:00", "2026-03-08 07:30")]
    [InlineData("America/New_York", "0 30 3 * * ?", "2027-03-13 12:00", "2027-03-14 07:30")]
    [InlineData("Europe/Berlin", "0 30 3 * * ?", "2026-03-28 12:00", "2026-03-29 01:30")]
    [InlineData("Europe/Berlin", "0 30 3 * * ?", "2027-03-27 12:00", "2027-03-28 01:30")]
    // The day before and the day after.
    [InlineData("America/New_York", "0 30 3 * * ?", "2026-03-06 12:00", "2026-03-07 08:30")]
    [InlineData("America/New_York", "0 30 3 * * ?", "2026-03-08 12:00", "2026-03-09 07:30")]
    // An hour comes twice: New York from 1 to 2, Berlin from 2 to 3.
    [InlineData("America/New_York", "0 30 3 * * ?", "2026-10-31 12:00", "2026-11-01 08:30")]
    [InlineData("America/New_York", "0 30 3 * * ?", "2027-11-06 12:00", "2027-11-07 08:30")]
    [InlineData("Europe/Berlin", "0 30 3 * * ?", "2026-10-24 12:00", "2026-10-25 02:30")]
    [InlineData("Europe/Berlin", "0 30 3 * * ?", "2027-10-30 12:00", "2027-10-31 02:30")]
    public void Run_AroundAClockChange_IsAtItsLocalTime(string zone, string cron, string after, string utc) => Assert.Equal(At(utc), Schedule(zone, cron).Next(At(after)));

    [Theory]
    [InlineData("2026-05-01 03:30", "2026-05-01 20:00", false)]
    [InlineData("2026-05-01 03:31", "2026-05-02 03:29", false)]
    [InlineData("2026-05-01 03:31", "2026-05-02 03:30", true)]
    [InlineData("2026-05-01 03:29", "2026-05-01 03:31", true)]
    [InlineData("2026-05-01 03:31", "2026-05-09 12:00", true)]
    // A clock that was put back.
    [InlineData("2026-05-09 03:31", "2026-05-01 12:00", false)]
    public void Run_WhileTheHostWasOff_IsMissed(string last, string now, bool missed) => Assert.Equal(missed, Schedule("UTC").Missed(At(last), At(now)));

    [Fact]
    public void Schedule_WithoutAFurtherRun_MissesNone()
    {
        var schedule = Schedule("UTC", "0 30 3 1 1 ? 2026");

        Assert.Null(schedule.Next(At("2026-02-01 00:00")));
        Assert.False(schedule.Missed(At("2026-02-01 00:00"), At("2030-01-01 00:00")));
    }

    [Fact]
    public void Zone_ThatIsNotConfigured_IsTheMachines() => Assert.Equal(TimeZoneInfo.Local, new PruneSchedule(new PruneOptions()).TimeZone);
}

using WatchParty.Releases.Recording;
using WatchParty.Releases.Releasing;
using WatchParty.Worker.Tests.Fakes;

namespace WatchParty.Worker.Tests.Releasing;

public sealed class PhaseClockTests
{
    private readonly ManualTimeProvider _time = new();

    [Fact]
    public void Clock_OfARelease_MeasuresEachPhaseAndTheWhole()
    {
        var clock = new PhaseClock(_time);
        foreach (var (phase, seconds) in new[] { ("detect", 0.1), ("plan", 0.2), ("build", 8.0), ("deploy", 1.1), ("verify", 2.0) })
        {
            clock.Enter(phase);
            _time.Advance(TimeSpan.FromSeconds(seconds));
        }

        Assert.Equal(new PhaseSeconds(0.1, 0.2, 8, 1.1, 2, 11.4), clock.Stop());
    }

    [Fact]
    public void Phase_ThatIsEnteredTwice_IsAddedUp()
    {
        var clock = new PhaseClock(_time);
        clock.Enter("deploy");
        _time.Advance(TimeSpan.FromSeconds(1));
        clock.Enter("verify");
        _time.Advance(TimeSpan.FromSeconds(2));
        clock.Enter("deploy");
        _time.Advance(TimeSpan.FromSeconds(4));

        Assert.Equal(new PhaseSeconds(0, 0, 0, 5, 2, 7), clock.Stop());
    }

    [Fact]
    public void Clock_ThatIsStopped_CountsOnlyTheWholeAfterwards()
    {
        var clock = new PhaseClock(_time);
        clock.Enter("plan");
        _time.Advance(TimeSpan.FromSeconds(1.23456));
        clock.Stop();
        _time.Advance(TimeSpan.FromSeconds(1));

        Assert.Equal(new PhaseSeconds(0, 1.235, 0, 0, 0, 2.235), clock.Stop());
    }
}

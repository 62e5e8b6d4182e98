using WatchParty.Worker.Triggering;

namespace WatchParty.Worker.Tests.Triggering;

public sealed class PollingServiceTests
{
    [Theory]
    [InlineData(1, 30)]
    [InlineData(2, 60)]
    [InlineData(3, 120)]
    [InlineData(4, 240)]
    [InlineData(5, 300)]
    [InlineData(6, 300)]
    [InlineData(100_000, 300)]
    public void Wait_AfterEachFailure_DoublesUpToTenIntervals(int failures, int seconds) =>
        Assert.Equal(TimeSpan.FromSeconds(seconds), PollingService.WaitAfter(failures, TimeSpan.FromSeconds(30)));
}

using WatchParty.Releases.Releasing;
using WatchParty.Worker.Tests.Fakes;

namespace WatchParty.Worker.Tests.Releasing;

public sealed class LateStopTests
{
    private readonly ManualTimeProvider _time = new();

    [Fact]
    public async Task Token_FollowsTheStopAfterTheGrace()
    {
        using var stop = new CancellationTokenSource();
        using var late = new LateStop(_time, stop.Token);

        _time.Advance(TimeSpan.FromHours(1));
        Assert.False(late.Token.IsCancellationRequested);

        await stop.CancelAsync();
        _time.Advance(LateStop.Grace - TimeSpan.FromSeconds(1));
        Assert.False(late.Token.IsCancellationRequested);

        _time.Advance(TimeSpan.FromSeconds(1));
        Assert.True(late.Token.IsCancellationRequested);
    }

    [Fact]
    public void Token_OfAStopThatCameBefore_StillHasTheGrace()
    {
        using var late = new LateStop(_time, new CancellationToken(canceled: true));

        Assert.False(late.Token.IsCancellationRequested);
        _time.Advance(LateStop.Grace);
        Assert.True(late.Token.IsCancellationRequested);
    }

    [Fact]
    public async Task Stop_AfterTheEnd_DoesNothing()
    {
        using var stop = new CancellationTokenSource();
        new LateStop(_time, stop.Token).Dispose();

        await stop.CancelAsync();
        _time.Advance(LateStop.Grace);
    }
}

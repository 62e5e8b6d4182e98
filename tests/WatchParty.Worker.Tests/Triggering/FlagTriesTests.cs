using WatchParty.Tools.Configuration;
using WatchParty.Worker.Tests.Recording;
using WatchParty.Worker.Triggering;

namespace WatchParty.Worker.Tests.Triggering;

public sealed class FlagTriesTests : IDisposable
{
    private const string Flag = "force-rebuild.flag";

    private readonly RecordBench _record = new();

    public void Dispose() => _record.Dispose();

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task Flag_WhoseWorkTheWorkerDidNotOutliveThreeTimes_IsGivenUpAndCountsAnewWhenItIsTouchedAgain(bool clear)
    {
        var request = new DropFileRequest(clear ? DropFileKind.ClearCache : DropFileKind.ForceRebuild, DropFileRequest.AllTargets);
        for (var touch = 0; touch < 2; touch++)
        {
            for (var start = 0; start < 3; start++) { Assert.True(BeKilled(request)); }

            var result = await Tries().RunAsync(Flag, request, _ => throw new InvalidOperationException("it is tried once more"));

            Assert.Equal(FlagTries.GivenUp, result.Outcome);
            Assert.Equal($"the worker ended 3 times while it did this. See what ended it (its log, and `journalctl -k` when memory ran out), then touch {Flag} again", result.Error);
            Assert.Equal(clear ? (FlagTries.GivenUp, result.Error) : (null, null), (_record.History.LastHousekeeping("clear")?.Outcome, _record.History.LastHousekeeping("clear")?.Error));
        }
    }

    [Fact]
    public async Task Flag_WhoseWorkCameToAnEnd_CountsAnew()
    {
        var request = new DropFileRequest(DropFileKind.ForceRebuild, DropFileRequest.AllTargets);
        var done = new DropFileResult("BuildFailed", request.Targets, 0, "words");
        for (var time = 0; time < 3; time++)
        {
            BeKilled(request);
            BeKilled(request);
            Assert.Same(done, await Tries().RunAsync(Flag, request, begins =>
            {
                begins();
                return Task.FromResult(done);
            }));
        }
    }

    [Fact]
    public async Task Stop_ThatWasAskedForAndAnEndBeforeItsTurn_DoNotCount()
    {
        var request = new DropFileRequest(DropFileKind.ForceRebuild, DropFileRequest.AllTargets);
        BeKilled(request);
        BeKilled(request);
        for (var time = 0; time < 3; time++)
        {
            await Assert.ThrowsAsync<OperationCanceledException>(() => Tries().RunAsync(Flag, request, begins =>
            {
                begins();
                throw new OperationCanceledException();
            }));
            _ = Tries().RunAsync(Flag, request, _ => new TaskCompletionSource<DropFileResult>().Task);
        }

        Assert.True(BeKilled(request));
        Assert.False(BeKilled(request));
    }

    /// <summary>As a worker of its own, which ends while it does the work.</summary>
    /// <returns>Whether it began.</returns>
    private bool BeKilled(DropFileRequest request)
    {
        var begun = false;
        _ = Tries().RunAsync(Flag, request, begins =>
        {
            begins();
            begun = true;
            return new TaskCompletionSource<DropFileResult>().Task;
        });
        return begun;
    }

    private FlagTries Tries() => new(_record.History, _record.Time);
}

using WatchParty.Tools.Git;
using WatchParty.Worker.Tests.Fakes;
using WatchParty.Worker.Triggering;

namespace WatchParty.Worker.Tests.Triggering;

/// <summary>Pushes by a real git into a folder that is watched.</summary>
public sealed class RemoteHintTests : IAsyncLifetime
{
    private static readonly TimeSpan Quiet = TimeSpan.FromSeconds(3);
    private readonly SemaphoreSlim _told = new(0);
    private readonly RecordingLogger<RemoteHint> _log = new();
    private readonly RemoteHint _hint;
    private GitSandbox _sandbox = null!;
    private int _count;

    public RemoteHintTests() => _hint = new RemoteHint(
        () =>
        {
            Interlocked.Increment(ref _count);
            _told.Release();
        },
        TimeProvider.System, _log);

    public async Task InitializeAsync()
    {
        _sandbox = await GitSandbox.CreateAsync();
        _hint.Renew(_sandbox.Remote);
        // It tells of what may have changed before it watched.
        await TellsAsync();
    }

    public Task DisposeAsync()
    {
        _hint.Dispose();
        _told.Dispose();
        _sandbox.Dispose();
        return Task.CompletedTask;
    }

    [Theory]
    [InlineData("main")]
    [InlineData("feature/of/mine")]
    public async Task Push_IsTold(string branch)
    {
        await _sandbox.CommitAsync(_sandbox.Author, "second", ("app.txt", "two\n"));

        await _sandbox.GitAsync(_sandbox.Author, "push", "--quiet", "origin", $"HEAD:refs/heads/{branch}");

        await TellsAsync();
    }

    [Fact]
    public async Task Pushes_ThatFollowEachOtherClosely_AreToldOnce()
    {
        var clock = new ManualTimeProvider();
        var told = 0;
        using var stop = new CancellationTokenSource(TimeSpan.FromMinutes(1));
        using var hint = new RemoteHint(() => told++, clock, _log);
        hint.Renew(_sandbox.Remote);
        await clock.AdvanceToNextTimerAsync(stop.Token);
        Assert.Equal(1, told);

        for (var i = 0; i < 5; i++) { await _sandbox.PushAsync($"number {i}", ("app.txt", $"{i}\n")); }
        Assert.Equal(1, told);

        // For as long as the clock stands still they are close to each other.
        Assert.InRange(await clock.AdvanceToNextTimerAsync(stop.Token), TimeSpan.Zero, TimeSpan.FromSeconds(1));
        Assert.Equal(2, told);
    }

    [Fact]
    public async Task Branch_ThatIsPacked_IsTold()
    {
        await _sandbox.GitAsync(_sandbox.Remote, "pack-refs", "--all");
        await TellsAsync();
        // Now its file is not there until the next push.
        await _sandbox.PushAsync("third", ("app.txt", "three\n"));
        await TellsAsync();
    }

    [Fact]
    public async Task Remote_ThatIsReplaced_IsWatchedFromTheNextRenewalOn()
    {
        Directory.Move(_sandbox.Remote, _sandbox.Remote + ".old");
        _hint.Renew(_sandbox.Remote);
        await _sandbox.GitAsync(_sandbox.Root, "clone", "--quiet", "--bare", _sandbox.Remote + ".old", _sandbox.Remote);
        _hint.Renew(_sandbox.Remote);
        await TellsAsync();

        await _sandbox.PushAsync("second", ("app.txt", "two\n"));

        await TellsAsync();
        Assert.Empty(_log.Entries);
    }

    [Fact]
    public async Task Nothing_IsToldOfARemoteThatIsNoFolderHere()
    {
        _hint.Renew(null);
        var before = _count;

        await _sandbox.PushAsync("second", ("app.txt", "two\n"));

        Assert.False(await _told.WaitAsync(Quiet));
        Assert.Equal(before, _count);
    }

    [Theory]
    [InlineData("{0}", "")]
    [InlineData("file://{0}", "")]
    [InlineData("../srv/app.git", "")]
    [InlineData("../srv/app", "")]
    [InlineData("../author", "/.git")]
    [InlineData("ssh://git@host/app.git", null)]
    [InlineData("../nowhere", null)]
    public void GitFolder_IsWhereGitFindsIt(string url, string? within)
    {
        var remote = GitRemote.Create("origin", url.Replace("{0}", _sandbox.Remote, StringComparison.Ordinal), _sandbox.Checkout, null);

        Assert.Equal(within is null ? null : (url.Contains("author", StringComparison.Ordinal) ? _sandbox.Author : _sandbox.Remote) + within, remote.GitFolder());
    }

    private async Task TellsAsync() => Assert.True(await _told.WaitAsync(TimeSpan.FromSeconds(20)), "nothing is told");
}

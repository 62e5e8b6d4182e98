using System.Net;
using System.Net.Sockets;
using WatchParty.Tools.Failures;
using WatchParty.Tools.Git;
using WatchParty.Tools.Processes;
using WatchParty.Worker.Tests.Fakes;

namespace WatchParty.Worker.Tests.Git;

public sealed class GitRepositoryTests : IAsyncLifetime
{
    private static readonly CancellationToken None = CancellationToken.None;
    private GitSandbox _sandbox = null!;

    public async Task InitializeAsync() => _sandbox = await GitSandbox.CreateAsync();

    public Task DisposeAsync()
    {
        _sandbox.Dispose();
        return Task.CompletedTask;
    }

    [Fact]
    public async Task Branch_WithoutConfiguration_IsTheOneCheckedOut()
    {
        await _sandbox.InCheckoutAsync("checkout", "--quiet", "-b", "feature/login");

        Assert.Equal("feature/login", await _sandbox.Repository().BranchAsync(None));
        Assert.Equal("main", await _sandbox.Repository(o => o.Branch = "main").BranchAsync(None));
    }

    [Fact]
    public async Task Branch_OfADetachedHead_NeedsAPersonToNameIt()
    {
        await _sandbox.InCheckoutAsync("checkout", "--quiet", "--detach");

        var error = await Assert.ThrowsAsync<WorkerException>(() => _sandbox.Repository().BranchAsync(None));

        Assert.Equal(Remedy.NeedsPerson, error.Remedy);
        Assert.Contains("Repository:Branch", error.Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("nowhere", "does not exist")]
    [InlineData("home", "not a git checkout")]
    [InlineData("srv/app.git", "bare repository")]
    [InlineData("checkout/backend", "a folder inside the checkout")]
    public async Task Branch_OfAFolderThatIsNoCheckout_SaysWhatToWriteInstead(string folder, string expected)
    {
        var repository = _sandbox.Repository(o => o.Path = Path.Combine(_sandbox.Root, folder));

        var error = await Assert.ThrowsAsync<WorkerException>(() => repository.BranchAsync(None));

        Assert.Equal(Remedy.NeedsPerson, error.Remedy);
        Assert.Contains("Repository:Path", error.Message, StringComparison.Ordinal);
        Assert.Contains(expected, error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task RemoteHead_OfABranchWithLookalikes_IsThatOfTheExactName()
    {
        await _sandbox.GitAsync(_sandbox.Author, "push", "--quiet", "origin", "HEAD:refs/heads/a/main", "HEAD:refs/heads/x/refs/heads/main");
        var pushed = await _sandbox.PushAsync("second", ("app.txt", "two\n"));

        Assert.Equal(pushed, await _sandbox.Repository().RemoteHeadAsync(None));
    }

    [Fact]
    public async Task RemoteHead_OfADeletedBranch_IsNull()
    {
        await _sandbox.GitAsync(_sandbox.Author, "push", "--quiet", "origin", "HEAD:other");

        Assert.NotNull(await _sandbox.Repository(o => o.Branch = "other").RemoteHeadAsync(None));
        await _sandbox.GitAsync(_sandbox.Author, "push", "--quiet", "origin", ":other");
        Assert.Null(await _sandbox.Repository(o => o.Branch = "other").RemoteHeadAsync(None));
    }

    [Fact]
    public async Task RemoteHead_OfAnUnknownRemote_NeedsAPerson()
    {
        var error = await Assert.ThrowsAsync<WorkerException>(() => _sandbox.Repository(o => o.Remote = "upstream").RemoteHeadAsync(None));

        Assert.Equal(Remedy.NeedsPerson, error.Remedy);
        Assert.Contains("Repository:Remote", error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task RemoteHead_OfARemoteThatTakesTheCallAndSaysNothing_IsGivenUpAtTheLimit()
    {
        using var silent = new TcpListener(IPAddress.Loopback, 0);
        silent.Start();
        await _sandbox.InCheckoutAsync("remote", "set-url", "origin", $"git://127.0.0.1:{((IPEndPoint)silent.LocalEndpoint).Port}/app.git");
        var clock = new ManualTimeProvider();
        var repository = new GitRepository(_sandbox.Options(), new ToolRunner(clock, _sandbox.Programs), clock, _sandbox.Log) { Environment = _sandbox.Environment };

        var looking = repository.RemoteHeadAsync(None);
        using var call = await silent.AcceptTcpClientAsync();
        clock.Advance(GitCommands.LookLimit - TimeSpan.FromSeconds(1));
        Assert.False(looking.IsCompleted);
        clock.Advance(TimeSpan.FromSeconds(1));

        var error = await Assert.ThrowsAsync<WorkerException>(() => looking.WaitAsync(TimeSpan.FromSeconds(20), TimeProvider.System));
        Assert.Equal(Remedy.RetriedByItself, error.Remedy);
        Assert.Contains("did not end within 00:00:30", error.Message, StringComparison.Ordinal);
        // The program has ended: what it held open is closed.
        await call.GetStream().CopyToAsync(Stream.Null).WaitAsync(TimeSpan.FromSeconds(20), TimeProvider.System);
    }

    [Fact]
    public async Task RemoteHead_AskedAgain_StartsOneProcess()
    {
        var repository = _sandbox.Repository();
        await repository.RemoteHeadAsync(None);
        var before = _sandbox.GitProcesses;

        await repository.RemoteHeadAsync(None);

        Assert.Equal(1, _sandbox.GitProcesses - before);
    }

    [Fact]
    public async Task Fetch_OfANewCommit_BringsItWithoutTouchingTheFiles()
    {
        var repository = _sandbox.Repository();
        var pushed = await _sandbox.PushAsync("second", ("app.txt", "two\n"));
        Assert.False(await repository.HasCommitAsync(pushed, None));

        await repository.FetchAsync(pushed, None);

        Assert.True(await repository.HasCommitAsync(pushed, None));
        Assert.NotEqual(pushed, await repository.HeadAsync(None));
        Assert.Equal("one\n", _sandbox.Read("app.txt"));
    }

    [Fact]
    public async Task Fetch_OfACommitThatIsHere_DoesNotAskTheRemote()
    {
        var repository = _sandbox.Repository();
        Directory.Move(_sandbox.Remote, _sandbox.Remote + ".away");

        await repository.FetchAsync(await repository.HeadAsync(None), None);
    }

    [Fact]
    public async Task Fetch_OfACommitThatAForcedPushRemoved_IsRetried()
    {
        var pushed = await _sandbox.PushAsync("second", ("app.txt", "two\n"));
        await _sandbox.GitAsync(_sandbox.Author, "reset", "--quiet", "--hard", "HEAD~");
        await _sandbox.PushAsync("other second", ("app.txt", "other\n"));

        var error = await Assert.ThrowsAsync<WorkerException>(() => _sandbox.Repository().FetchAsync(pushed, None));

        Assert.Equal(Remedy.RetriedByItself, error.Remedy);
    }

    [Fact]
    public async Task Fetch_AfterOneThatLeftACommitWithoutItsFiles_FetchesAgain()
    {
        var repository = _sandbox.Repository();
        var pushed = await _sandbox.PushAsync("second", ("app.txt", "two\n"));
        // A person's fetch writes loose objects; the worker's own packs are written whole or not at all.
        await _sandbox.InCheckoutAsync("fetch", "--quiet");
        var tree = await _sandbox.InCheckoutAsync("rev-parse", $"{pushed}^{{tree}}");
        // What a killed fetch leaves: the objects it had written, and no ref.
        await _sandbox.InCheckoutAsync("update-ref", "refs/remotes/origin/main", "HEAD");
        File.Delete(Path.Combine(_sandbox.Checkout, ".git", "objects", tree[..2], tree[2..]));

        await repository.FetchAsync(pushed, None);

        await _sandbox.InCheckoutAsync("cat-file", "-e", tree);
    }

    [Fact]
    public async Task Fetch_IntoAShallowClone_BringsTheCommit()
    {
        Directory.Delete(_sandbox.Checkout, true);
        await _sandbox.PushAsync("second", ("app.txt", "two\n"));
        await _sandbox.GitAsync(_sandbox.Root, "clone", "--quiet", "--depth=1", $"file://{_sandbox.Remote}", _sandbox.Checkout);
        var repository = _sandbox.Repository();
        var pushed = await _sandbox.PushAsync("third", ("app.txt", "three\n"));

        await repository.FetchAsync(pushed, None);
        var result = await repository.CheckOutAsync(pushed, "a push", None);

        Assert.False(result.HistoryRewritten);
        Assert.Equal("three\n", _sandbox.Read("app.txt"));
    }

    [Fact]
    public async Task Files_OfACommit_AreListedBelowTheFolderWithPathsFromTheRoot()
    {
        var odd = "backend/new\nline ü";
        var commit = await _sandbox.PushAsync("second", (odd, "x"), ("backend2/y", "y"), ("-dash", "z"));
        var repository = _sandbox.Repository();
        await repository.FetchAsync(commit, None);

        Assert.Equal(["backend/app.py", odd], (await repository.FilesAsync(commit, ["backend"], None)).Select(f => f.Path));
        Assert.Equal(["backend/app.py", odd], (await repository.FilesAsync(commit, ["./backend/"], None)).Select(f => f.Path));
        Assert.Equal(["-dash"], (await repository.FilesAsync(commit, ["-dash"], None)).Select(f => f.Path));
        var all = await repository.FilesAsync(commit, [""], None);
        Assert.Equal(5, all.Count);
        Assert.All(all, f => Assert.Equal(("100644", 40), (f.Mode, f.Object.Length)));
    }

    [Fact]
    public async Task Files_OfACommitWithFiftyThousand_AreListedInSeconds()
    {
        var blob = await _sandbox.GitAsync(_sandbox.Author, "rev-parse", "HEAD:app.txt");
        var lines = string.Concat(Enumerable.Range(0, 50_000).Select(i => $"100644 {blob}\tmany/{i % 100}/{i}-{new string('x', 80)}\n"));
        await _sandbox.RunAsync(new ToolCommand("git", "update-index", "--add", "--index-info") { WorkingDirectory = _sandbox.Author, Input = lines });
        await _sandbox.GitAsync(_sandbox.Author, "commit", "--quiet", "--message", "many");
        await _sandbox.GitAsync(_sandbox.Author, "push", "--quiet", "origin", "HEAD");
        var commit = await _sandbox.GitAsync(_sandbox.Author, "rev-parse", "HEAD");
        var repository = _sandbox.Repository();
        await repository.FetchAsync(commit, None);
        var started = TimeProvider.System.GetTimestamp();

        Assert.Equal(50_002, (await repository.FilesAsync(commit, [""], None)).Count);

        Assert.True(TimeProvider.System.GetElapsedTime(started) < TimeSpan.FromSeconds(10));
        await repository.CheckOutAsync(commit, "a push", None);
        Assert.Equal(500, Directory.GetFiles(Path.Combine(_sandbox.Checkout, "many", "7")).Length);
    }

    [Fact]
    public async Task Untracked_WithIgnoredFiles_ListsThemToo()
    {
        _sandbox.Write(".gitignore", ".env\n");
        _sandbox.Write(".env", "SECRET=1\n");
        _sandbox.Write("backend/cache/a", "a");

        var repository = _sandbox.Repository();

        Assert.Equal([".env", ".gitignore", "backend/cache/a"], (await repository.UntrackedAsync([""], None)).Order(StringComparer.Ordinal));
        Assert.Equal(["backend/cache/a"], await repository.UntrackedAsync(["backend"], None));
    }

    [Fact]
    public async Task ChangedPaths_OfARename_NameBoth()
    {
        var repository = _sandbox.Repository();
        var first = await repository.HeadAsync(None);
        var second = await _sandbox.PushAsync("second", ("backend/app.py", null), ("backend/main.py", "print(1)\n"));
        await repository.FetchAsync(second, None);

        Assert.Equal(["backend/app.py", "backend/main.py"], await repository.ChangedPathsAsync(first, second, None));
    }

    [Fact]
    public async Task Describe_OfACommit_TellsSubjectAuthorAndTime()
    {
        var commit = await _sandbox.PushAsync("Add | the 'login' ü\n\nbody", ("app.txt", "two\n"));
        var repository = _sandbox.Repository();
        await repository.FetchAsync(commit, None);

        var info = await repository.DescribeAsync(commit, None);

        Assert.Equal((commit, "Add | the 'login' ü", "Ann Author"), (info.Commit, info.Subject, info.Author));
        Assert.InRange(TimeProvider.System.GetUtcNow() - info.Time, TimeSpan.FromSeconds(-5), TimeSpan.FromMinutes(5));
    }

    [Fact]
    public async Task IsAncestor_OfCommitsInOrder_IsTrueOneWayOnly()
    {
        var repository = _sandbox.Repository();
        var first = await repository.HeadAsync(None);
        var second = await _sandbox.PushAsync("second", ("app.txt", "two\n"));
        await repository.FetchAsync(second, None);

        Assert.True(await repository.IsAncestorAsync(first, second, None));
        Assert.False(await repository.IsAncestorAsync(second, first, None));
        Assert.False(await repository.IsAncestorAsync(new string('a', 40), first, None));
    }

    [Fact]
    public async Task Keep_OfACommitOnNoBranch_SavesItFromGarbageCollectionUntilForgotten()
    {
        var repository = _sandbox.Repository();
        var first = await repository.HeadAsync(None);
        var lost = await _sandbox.CommitAsync(_sandbox.Checkout, "lost", ("app.txt", "lost\n"));
        await repository.KeepAsync(lost, 7, None);
        await _sandbox.InCheckoutAsync("reset", "--quiet", "--hard", first);
        await _sandbox.InCheckoutAsync("reflog", "expire", "--expire=now", "--all");

        await _sandbox.InCheckoutAsync("gc", "--quiet", "--prune=now");
        Assert.True(await repository.HasCommitAsync(lost, None));

        await repository.ForgetAsync(7, None);
        await repository.ForgetAsync(7, None);
        await _sandbox.InCheckoutAsync("gc", "--quiet", "--prune=now");
        Assert.False(await repository.HasCommitAsync(lost, None));
    }

    [Fact]
    public async Task Tidy_AfterManyFetches_LeavesFewPacks()
    {
        var repository = _sandbox.Repository();
        await repository.TidyAsync(None);
        var packs = Path.Combine(_sandbox.Checkout, ".git", "objects", "pack");
        for (var i = 0; i < 3; i++) { await repository.FetchAsync(await _sandbox.PushAsync($"{i}", ("app.txt", $"{i}")), None); }
        Assert.Equal(3, Directory.GetFiles(packs, "*.pack").Length);

        await repository.TidyAsync(None, packLimit: 2);

        Assert.Single(Directory.GetFiles(packs, "*.pack"));
    }

    [Theory]
    [InlineData("HEAD")]
    [InlineData("--upload-pack=touch")]
    [InlineData("abc1234")]
    public async Task HasCommit_OfWhatIsNoId_IsRefused(string text) =>
        await Assert.ThrowsAsync<WorkerException>(() => _sandbox.Repository().HasCommitAsync(text, None));
}

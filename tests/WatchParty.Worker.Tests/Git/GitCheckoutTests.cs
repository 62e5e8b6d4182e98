using WatchParty.Tools.Configuration;
using WatchParty.Tools.Failures;
using WatchParty.Tools.Git;
using WatchParty.Tools.Processes;
using WatchParty.Worker.Tests.Fakes;

namespace WatchParty.Worker.Tests.Git;

public sealed class GitCheckoutTests : IAsyncLifetime
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
    public async Task CheckOut_OfANewCommit_MovesBranchAndFilesAndTheSecondTimeDoesNothing()
    {
        var pushed = await _sandbox.PushAsync("second", ("app.txt", "two\n"), ("backend/app.py", null), ("new/file", "n"));
        _sandbox.Write(".env", "SECRET=1\n");

        var result = await CheckOutAsync(pushed);

        Assert.Equal((true, false, null, null), (result.Moved, result.HistoryRewritten, result.Stash, result.SavedRef));
        Assert.Equal("two\n", _sandbox.Read("app.txt"));
        Assert.False(Directory.Exists(Path.Combine(_sandbox.Checkout, "backend")));
        Assert.Equal("SECRET=1\n", _sandbox.Read(".env"));
        Assert.Equal("refs/heads/main", await _sandbox.InCheckoutAsync("symbolic-ref", "HEAD"));
        Assert.Equal("?? .env", await _sandbox.InCheckoutAsync("status", "--porcelain"));
        Assert.False((await CheckOutAsync(pushed)).Moved);
        Assert.Empty(_sandbox.Log.Warnings);
    }

    [Fact]
    public async Task CheckOut_WithLocalEdits_StashesThemUnderANameThatSaysWhy()
    {
        var pushed = await _sandbox.PushAsync("second", ("app.txt", "two\n"));
        _sandbox.Write("app.txt", "edited\n");
        _sandbox.Write("staged.txt", "staged\n");
        await _sandbox.InCheckoutAsync("add", "staged.txt");
        File.Delete(Path.Combine(_sandbox.Checkout, "backend/app.py"));

        var result = await CheckOutAsync(pushed);

        Assert.Equal($"watchparty-worker: local edits set aside before releasing {pushed[..7]} (a push)", result.Stash);
        Assert.Equal("two\n", _sandbox.Read("app.txt"));
        Assert.Equal("print(1)\n", _sandbox.Read("backend/app.py"));
        Assert.False(File.Exists(Path.Combine(_sandbox.Checkout, "staged.txt")));
        Assert.Contains(result.Stash!, await _sandbox.InCheckoutAsync("stash", "list"), StringComparison.Ordinal);
        Assert.Equal("edited", await _sandbox.InCheckoutAsync("show", "stash@{0}:app.txt"));
        Assert.Equal("staged", await _sandbox.InCheckoutAsync("show", "stash@{0}:staged.txt"));
        Assert.Equal("", await _sandbox.InCheckoutAsync("status", "--porcelain"));
        Assert.Contains(_sandbox.Log.Warnings, w => w.Contains("app.txt", StringComparison.Ordinal));
    }

    [Fact]
    public async Task CheckOut_OfTheSameCommitWithLocalEdits_SetsThemAsideToo()
    {
        _sandbox.Write("app.txt", "edited\n");

        var result = await CheckOutAsync(await _sandbox.InCheckoutAsync("rev-parse", "HEAD"));

        Assert.False(result.Moved);
        Assert.NotNull(result.Stash);
        Assert.Equal("one\n", _sandbox.Read("app.txt"));
    }

    [Fact]
    public async Task CheckOut_WithLocalEditsAndRefuse_ChangesNothingAndNamesTheFiles()
    {
        var pushed = await _sandbox.PushAsync("second", ("app.txt", "two\n"));
        _sandbox.Write("backend/app.py", "edited\n");

        var error = await RefusedAsync(pushed, o => o.LocalChanges = LocalChanges.Refuse);

        Assert.Contains("backend/app.py", error.Message, StringComparison.Ordinal);
        Assert.Equal("edited\n", _sandbox.Read("backend/app.py"));
        Assert.Equal("one\n", _sandbox.Read("app.txt"));
    }

    [Fact]
    public async Task CheckOut_WithLocalEditsAndDiscard_ThrowsThemAway()
    {
        var pushed = await _sandbox.PushAsync("second", ("app.txt", "two\n"));
        _sandbox.Write("backend/app.py", "edited\n");

        var result = await CheckOutAsync(pushed, o => o.LocalChanges = LocalChanges.Discard);

        Assert.Null(result.Stash);
        Assert.Equal("print(1)\n", _sandbox.Read("backend/app.py"));
        Assert.Equal("", await _sandbox.InCheckoutAsync("stash", "list"));
    }

    [Fact]
    public async Task CheckOut_AfterAForcedPush_DeploysTheNewHeadAndSaysSo()
    {
        var old = await _sandbox.PushAsync("second", ("app.txt", "two\n"));
        await CheckOutAsync(old);
        await _sandbox.GitAsync(_sandbox.Author, "reset", "--quiet", "--hard", "HEAD~");
        var pushed = await _sandbox.PushAsync("other second", ("app.txt", "other\n"));

        var result = await CheckOutAsync(pushed);

        Assert.Equal((true, old, true, $"refs/watchparty/saved/{old}"), (result.Moved, result.Previous, result.HistoryRewritten, result.SavedRef));
        Assert.Equal("other\n", _sandbox.Read("app.txt"));
        Assert.Equal(old, await _sandbox.InCheckoutAsync("rev-parse", result.SavedRef!));
    }

    [Fact]
    public async Task CheckOut_WhenTheRemoteGoesBack_FollowsIt()
    {
        var first = await _sandbox.InCheckoutAsync("rev-parse", "HEAD");
        await CheckOutAsync(await _sandbox.PushAsync("second", ("app.txt", "two\n")));
        await _sandbox.GitAsync(_sandbox.Author, "push", "--quiet", "--force", "origin", $"{first}:main");

        var result = await CheckOutAsync(first);

        Assert.True(result.HistoryRewritten);
        Assert.Equal("one\n", _sandbox.Read("app.txt"));
    }

    [Fact]
    public async Task CheckOut_OfTheReleaseBefore_KeepsNoRefForACommitThatTheRemoteHas()
    {
        var first = await _sandbox.InCheckoutAsync("rev-parse", "HEAD");
        await CheckOutAsync(await _sandbox.PushAsync("second", ("app.txt", "two\n")));

        Assert.Null((await CheckOutAsync(first)).SavedRef);
    }

    [Fact]
    public async Task CheckOut_OverLocalCommits_KeepsThem()
    {
        var mine = await _sandbox.CommitAsync(_sandbox.Checkout, "hot fix on the server", ("app.txt", "fixed\n"));
        var pushed = await _sandbox.PushAsync("second", ("backend/app.py", "print(2)\n"));

        var result = await CheckOutAsync(pushed);

        Assert.Equal($"refs/watchparty/saved/{mine}", result.SavedRef);
        Assert.True(result.HistoryRewritten);
        Assert.Equal("one\n", _sandbox.Read("app.txt"));
    }

    [Fact]
    public async Task CheckOut_WithAnotherBranchCheckedOut_LeavesThatBranchAlone()
    {
        await _sandbox.InCheckoutAsync("checkout", "--quiet", "-b", "mine");
        var mine = await _sandbox.CommitAsync(_sandbox.Checkout, "mine", ("app.txt", "mine\n"));
        var pushed = await _sandbox.PushAsync("second", ("app.txt", "two\n"));

        var result = await CheckOutAsync(pushed, o => o.Branch = "main");

        Assert.True(result.Moved);
        Assert.Null(result.SavedRef);
        Assert.Equal(mine, await _sandbox.InCheckoutAsync("rev-parse", "mine"));
        Assert.Equal("main", await _sandbox.InCheckoutAsync("branch", "--show-current"));
    }

    [Fact]
    public async Task CheckOut_FromADetachedCommit_KeepsIt()
    {
        await _sandbox.InCheckoutAsync("checkout", "--quiet", "--detach");
        var mine = await _sandbox.CommitAsync(_sandbox.Checkout, "mine", ("app.txt", "mine\n"));

        var result = await CheckOutAsync(await _sandbox.PushAsync("second", ("app.txt", "two\n")), o => o.Branch = "main");

        Assert.Equal($"refs/watchparty/saved/{mine}", result.SavedRef);
        Assert.Equal("two\n", _sandbox.Read("app.txt"));
    }

    [Fact]
    public async Task CheckOut_OnAnUnbornBranch_MakesIt()
    {
        Directory.Delete(_sandbox.Checkout, true);
        await _sandbox.GitAsync(_sandbox.Root, "init", "--quiet", "--initial-branch=main", _sandbox.Checkout);
        await _sandbox.InCheckoutAsync("remote", "add", "origin", _sandbox.Remote);
        _sandbox.Write(".env", "SECRET=1\n");
        var pushed = await _sandbox.GitAsync(_sandbox.Author, "rev-parse", "HEAD");

        await Assert.ThrowsAsync<WorkerException>(() => _sandbox.Repository().HeadAsync(None));
        var result = await CheckOutAsync(pushed);

        Assert.Equal((true, null, false), (result.Moved, result.Previous, result.HistoryRewritten));
        Assert.Equal("one\n", _sandbox.Read("app.txt"));
        Assert.Equal("SECRET=1\n", _sandbox.Read(".env"));
    }

    [Theory]
    [InlineData("plain.txt", "plain.txt")]
    [InlineData("ignored.env", "ignored.env")]
    [InlineData("folder/below/deep", "folder")]
    [InlineData("link/file", "link")]
    [InlineData("occupied", "occupied/mine")]
    public async Task CheckOut_OfAPathThatExistsUntracked_ChangesNothingAndNamesIt(string added, string named)
    {
        var pushed = await _sandbox.PushAsync("second", ("app.txt", "two\n"), (added, "theirs\n"));
        await File.WriteAllTextAsync(Path.Combine(_sandbox.Checkout, ".git/info/exclude"), "ignored.env\n");
        _sandbox.Write("plain.txt", "mine\n");
        _sandbox.Write("ignored.env", "mine\n");
        _sandbox.Write("folder", "mine\n");
        _sandbox.Write("occupied/mine", "mine\n");
        Directory.CreateSymbolicLink(Path.Combine(_sandbox.Checkout, "link"), _sandbox.Home);
        _sandbox.Write("backend/app.py", "edited\n");

        var error = await RefusedAsync(pushed);

        Assert.Contains($": {named}.", error.Message, StringComparison.Ordinal);
        Assert.Equal("one\n", _sandbox.Read("app.txt"));
        Assert.Equal("edited\n", _sandbox.Read("backend/app.py"));
        Assert.Equal("mine\n", _sandbox.Read(named == "link" ? "plain.txt" : named));
        Assert.Empty(Directory.GetFileSystemEntries(_sandbox.Home));
    }

    [Fact]
    public async Task CheckOut_OfAnUntrackedFileWithTheSameContent_TakesItOverUntouched()
    {
        var pushed = await _sandbox.PushAsync("second", ("app.txt", "two\n"), ("same.txt", "same\n"));
        _sandbox.Write("same.txt", "same\n");
        var file = Path.Combine(_sandbox.Checkout, "same.txt");
        File.SetLastWriteTimeUtc(file, DateTime.UnixEpoch);

        await CheckOutAsync(pushed);

        Assert.Equal(DateTime.UnixEpoch, File.GetLastWriteTimeUtc(file));
        Assert.Equal("", await _sandbox.InCheckoutAsync("status", "--porcelain"));
    }

    [Fact]
    public async Task CheckOut_OfAFileThatTheOperatorStoppedTracking_NamesIt()
    {
        await CheckOutAsync(await _sandbox.PushAsync("second", (".env", "DEFAULT=1\n")));
        await _sandbox.InCheckoutAsync("rm", "--quiet", "--cached", ".env");
        _sandbox.Write(".env", "SECRET=1\n");

        var error = await RefusedAsync(await _sandbox.PushAsync("third", ("app.txt", "three\n")));

        Assert.Contains(".env", error.Message, StringComparison.Ordinal);
        Assert.Equal("SECRET=1\n", _sandbox.Read(".env"));
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task CheckOut_WithAnUntrackedItemInPlaceOfATrackedOne_LosesNothing(bool folder)
    {
        if (folder)
        {
            File.Delete(Path.Combine(_sandbox.Checkout, "app.txt"));
            _sandbox.Write("app.txt/mine", "mine\n");
        }
        else
        {
            Directory.Delete(Path.Combine(_sandbox.Checkout, "backend"), true);
            _sandbox.Write("backend", "mine\n");
        }

        await RefusedAsync(await _sandbox.PushAsync("second", ("other.txt", "x\n")), o => o.LocalChanges = LocalChanges.Discard);

        Assert.Equal("mine\n", _sandbox.Read(folder ? "app.txt/mine" : "backend"));
    }

    [Theory]
    [InlineData("--assume-unchanged")]
    [InlineData("--skip-worktree")]
    public async Task CheckOut_OverAnEditHiddenFromStatus_RefusesInsteadOfLosingIt(string flag)
    {
        await _sandbox.InCheckoutAsync("update-index", flag, "app.txt");
        _sandbox.Write("app.txt", "hidden\n");
        _sandbox.Write("backend/app.py", "edited\n");

        await CheckOutAsync(await _sandbox.PushAsync("second", ("backend/app.py", "print(2)\n")));
        Assert.Equal("hidden\n", _sandbox.Read("app.txt"));
        var error = await RefusedAsync(await _sandbox.PushAsync("third", ("app.txt", "three\n")));

        Assert.Contains("app.txt", error.Message, StringComparison.Ordinal);
        Assert.Equal("hidden\n", _sandbox.Read("app.txt"));
    }

    [Fact]
    public async Task CheckOut_AfterAnInterruptedOne_GoesOnWithoutAStash()
    {
        var pushed = await _sandbox.PushAsync("second", ("app.txt", "two\n"), ("new.txt", "new\n"), ("backend/app.py", null));
        // What a killed git leaves: files of the new commit, the index and the branch of the old one.
        _sandbox.Write("app.txt", "two\n");
        _sandbox.Write("new.txt", "new\n");
        File.Delete(Path.Combine(_sandbox.Checkout, "backend/app.py"));

        var result = await CheckOutAsync(pushed, o => o.LocalChanges = LocalChanges.Refuse);

        Assert.Equal((true, null), (result.Moved, result.Stash));
        Assert.Equal("", await _sandbox.InCheckoutAsync("status", "--porcelain"));
    }

    [Fact]
    public async Task CheckOut_DuringAnUnfinishedMerge_NeedsAPerson()
    {
        await _sandbox.CommitAsync(_sandbox.Checkout, "mine", ("app.txt", "mine\n"));
        var pushed = await _sandbox.PushAsync("second", ("app.txt", "two\n"));
        await Assert.ThrowsAsync<ToolFailedException>(() => _sandbox.InCheckoutAsync("pull", "--quiet", "--no-rebase"));

        var error = await RefusedAsync(pushed);

        Assert.Contains("merge --abort", error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task CheckOut_WithConflictsOfAStash_NeedsAPerson()
    {
        _sandbox.Write("app.txt", "mine\n");
        var pushed = await _sandbox.PushAsync("second", ("app.txt", "two\n"));
        await CheckOutAsync(pushed);
        await Assert.ThrowsAsync<ToolFailedException>(() => _sandbox.InCheckoutAsync("stash", "pop"));

        Assert.Contains("app.txt", (await RefusedAsync(pushed)).Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task CheckOut_WithAYoungIndexLock_IsRetried()
    {
        var pushed = await _sandbox.PushAsync("second", ("app.txt", "two\n"));
        var repository = _sandbox.Repository();
        await repository.FetchAsync(pushed, None);
        _sandbox.Write(".git/index.lock", "");

        var error = await Assert.ThrowsAsync<WorkerException>(() => repository.CheckOutAsync(pushed, "a push", None));

        Assert.Equal(Remedy.RetriedByItself, error.Remedy);
        Assert.Contains("index.lock", error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task CheckOut_WithABrokenIndex_ChangesNothingAndSaysHowToRepairIt()
    {
        var pushed = await _sandbox.PushAsync("second", ("app.txt", "two\n"));
        var repository = _sandbox.Repository();
        await repository.FetchAsync(pushed, None);
        var index = Path.Combine(_sandbox.Checkout, ".git", "index");
        var bytes = await File.ReadAllBytesAsync(index);
        bytes[20] ^= 0xff;
        await File.WriteAllBytesAsync(index, [0, .. bytes[1..]]);

        var error = await Assert.ThrowsAsync<WorkerException>(() => repository.CheckOutAsync(pushed, "a push", None));

        Assert.Equal(Remedy.NeedsPerson, error.Remedy);
        Assert.Contains("rm .git/index && git reset", error.Message, StringComparison.Ordinal);
        Assert.Equal("one\n", _sandbox.Read("app.txt"));
        File.Delete(index);
        await _sandbox.InCheckoutAsync("reset", "--quiet");
        await repository.CheckOutAsync(pushed, "a push", None);
        Assert.Equal("two\n", _sandbox.Read("app.txt"));
    }

    [Fact]
    public async Task CheckOut_OfACommitWithASubmodule_RefusesOneThatCopiesFromThisMachine()
    {
        var tree = await _sandbox.GitAsync(_sandbox.Author, "rev-parse", "HEAD");
        await _sandbox.GitAsync(_sandbox.Author, "update-index", "--add", "--cacheinfo", $"160000,{tree},lib");
        await File.WriteAllTextAsync(Path.Combine(_sandbox.Author, ".gitmodules"), $"[submodule \"lib\"]\n\tpath = lib\n\turl = {_sandbox.Remote}\n");
        await _sandbox.GitAsync(_sandbox.Author, "add", ".gitmodules");
        await _sandbox.GitAsync(_sandbox.Author, "commit", "--quiet", "--message", "submodule");
        await _sandbox.GitAsync(_sandbox.Author, "push", "--quiet", "origin", "HEAD");
        var pushed = await _sandbox.GitAsync(_sandbox.Author, "rev-parse", "HEAD");

        var error = await Assert.ThrowsAsync<WorkerException>(() => CheckOutAsync(pushed));

        Assert.Contains("submodules", error.Message, StringComparison.Ordinal);
        Assert.Contains("transport 'file' not allowed", error.Message, StringComparison.Ordinal);
    }

    private async Task<CheckoutResult> CheckOutAsync(string commit, Action<RepositoryOptions>? configure = null)
    {
        var repository = _sandbox.Repository(configure);
        await repository.FetchAsync(commit, None);
        return await repository.CheckOutAsync(commit, "a push", None);
    }

    private async Task<WorkerException> RefusedAsync(string commit, Action<RepositoryOptions>? configure = null)
    {
        var before = await _sandbox.InCheckoutAsync("rev-parse", "HEAD");
        var error = await Assert.ThrowsAsync<WorkerException>(() => CheckOutAsync(commit, configure));
        Assert.Equal(Remedy.NeedsPerson, error.Remedy);
        Assert.Equal(before, await _sandbox.InCheckoutAsync("rev-parse", "HEAD"));
        return error;
    }
}

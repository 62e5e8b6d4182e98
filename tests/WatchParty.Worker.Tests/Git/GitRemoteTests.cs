using WatchParty.Tools.Failures;
using WatchParty.Tools.Git;
using WatchParty.Tools.Processes;
using WatchParty.Worker.Tests.Fakes;

namespace WatchParty.Worker.Tests.Git;

/// <summary>Real remotes: a folder, HTTP with a password, SSH with a deploy key.</summary>
public sealed class GitRemoteTests : IAsyncLifetime
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
    public async Task Http_WithAStoredPassword_IsFollowed()
    {
        using var server = new GitHttpServer(Path.Combine(_sandbox.Root, "srv"), "ann", "s3cret");
        await UseAsync(server.Url("app.git"));
        await StoreAsync($"http://ann:s3cret@127.0.0.1:{server.Port}");

        await FollowAsync(_sandbox.Repository());
    }

    [Fact]
    public async Task Http_WithTheWrongPassword_FailsAtOnceAndSaysWhatToRenew()
    {
        using var server = new GitHttpServer(Path.Combine(_sandbox.Root, "srv"), "ann", "s3cret");
        await UseAsync(server.Url("app.git"));
        await StoreAsync($"http://ann:wr0ng@127.0.0.1:{server.Port}");

        var error = await FailsAsync(_sandbox.Repository());

        Assert.Contains("Authentication failed", error.Message, StringComparison.Ordinal);
        Assert.Contains("renew", error.Message, StringComparison.Ordinal);
        Assert.DoesNotContain("wr0ng", error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Http_WithoutAPassword_FailsWithoutAsking()
    {
        using var server = new GitHttpServer(Path.Combine(_sandbox.Root, "srv"), "ann", "s3cret");
        await UseAsync(server.Url("app.git"));

        var error = await FailsAsync(_sandbox.Repository());

        Assert.Contains("could not read Username", error.Message, StringComparison.Ordinal);
        Assert.Contains("credential.helper", error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Http_WithAPasswordInTheUrl_IsFollowedAndNeverShown()
    {
        using var server = new GitHttpServer(Path.Combine(_sandbox.Root, "srv"), "ann", "s3cret");
        await UseAsync($"http://ann:s3cret@127.0.0.1:{server.Port}/app.git");
        await FollowAsync(_sandbox.Repository());

        await UseAsync($"http://ann:s3cret@127.0.0.1:{server.Port}/missing.git");
        var error = await FailsAsync(_sandbox.Repository());

        Assert.Contains("not found", error.Message, StringComparison.Ordinal);
        Assert.DoesNotContain("s3cret", error.Message, StringComparison.Ordinal);
        Assert.DoesNotContain(_sandbox.Programs.Entries, e => e.Message.Contains("s3cret", StringComparison.Ordinal));
    }

    [Fact]
    public async Task Http_WithNobodyListening_IsRetriedWithTheSameWordsEachTime()
    {
        await UseAsync($"http://127.0.0.1:{GitHttpServer.FreePort()}/app.git");
        var repository = _sandbox.Repository();

        var first = await FailsAsync(repository);

        Assert.Contains("Failed to connect", first.Message, StringComparison.Ordinal);
        Assert.Equal(first.Message, (await FailsAsync(repository)).Message);
    }

    [Fact]
    public async Task Http_OfAHostThatDoesNotExist_IsRetried()
    {
        await UseAsync("http://watchparty.invalid/app.git");

        Assert.Contains("Could not resolve host", (await FailsAsync(_sandbox.Repository())).Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Https_OfAServerThatDoesNotSpeakIt_IsRetried()
    {
        using var server = new GitHttpServer(Path.Combine(_sandbox.Root, "srv"), "ann", "s3cret");
        await UseAsync(server.Url("app.git").Replace("http:", "https:", StringComparison.Ordinal));

        Assert.Contains("unable to access", (await FailsAsync(_sandbox.Repository())).Message, StringComparison.Ordinal);
        Assert.Equal(0, server.Requests);
    }

    [Fact]
    public async Task Http_WithASubmodule_BringsItsFiles()
    {
        using var server = new GitHttpServer(Path.Combine(_sandbox.Root, "srv"), "ann", "s3cret");
        await UseAsync(server.Url("app.git"));
        await StoreAsync($"http://ann:s3cret@127.0.0.1:{server.Port}");
        var library = await _sandbox.GitAsync(_sandbox.Author, "rev-parse", "HEAD");
        await File.WriteAllTextAsync(Path.Combine(_sandbox.Author, ".gitmodules"), "[submodule \"lib\"]\n\tpath = lib\n\turl = ./\n");
        await _sandbox.GitAsync(_sandbox.Author, "add", ".gitmodules");
        await _sandbox.GitAsync(_sandbox.Author, "update-index", "--add", "--cacheinfo", $"160000,{library},lib");
        await _sandbox.GitAsync(_sandbox.Author, "commit", "--quiet", "--message", "submodule");
        await _sandbox.GitAsync(_sandbox.Author, "push", "--quiet", "origin", "HEAD");
        var pushed = await _sandbox.GitAsync(_sandbox.Author, "rev-parse", "HEAD");
        var repository = _sandbox.Repository();

        await repository.FetchAsync(pushed, None);
        await repository.CheckOutAsync(pushed, "a push", None);
        Assert.Equal("one\n", _sandbox.Read("lib/app.txt"));

        // Its own configuration is somebody else's to write as well.
        await _sandbox.GitAsync(Path.Combine(_sandbox.Checkout, "lib"), "config", "filter.evil.smudge", "touch marker");
        var error = await Assert.ThrowsAsync<WorkerException>(() => repository.CheckOutAsync(pushed, "again", None));
        Assert.Contains("filter.evil.smudge", error.Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("setting")]
    [InlineData("environment")]
    [InlineData("global")]
    public async Task Ssh_WithADeployKey_IsFollowed(string where)
    {
        using var server = await SshServer.StartAsync(_sandbox);
        await UseAsync(server.Url(_sandbox.Remote));
        if (where == "environment") { _sandbox.Environment = _sandbox.Environment.SetItem("GIT_SSH_COMMAND", server.Command()); }
        if (where == "global") { await _sandbox.GitAsync(_sandbox.Root, "config", "--global", "core.sshCommand", server.Command()); }

        await FollowAsync(_sandbox.Repository(o => o.SshCommand = where == "setting" ? server.Command() : null));
    }

    [Theory]
    [InlineData("stranger", "known_hosts", "Permission denied", "deploy key")]
    [InlineData("deploy", "empty", "Host key verification failed", "ssh-keyscan")]
    public async Task Ssh_WithAnUnknownKey_FailsWithoutAskingAndSaysWhatToDo(string key, string knownHosts, string reason, string fix)
    {
        using var server = await SshServer.StartAsync(_sandbox);
        await UseAsync(server.Url(_sandbox.Remote));

        var error = await FailsAsync(_sandbox.Repository(o => o.SshCommand = server.Command(key, knownHosts)));

        Assert.Contains(reason, error.Message, StringComparison.Ordinal);
        Assert.Contains(fix, error.Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("{0}")]
    [InlineData("file://{0}")]
    [InlineData("../srv/app.git")]
    public async Task Path_AsARemote_IsFollowed(string url)
    {
        await UseAsync(url.Replace("{0}", _sandbox.Remote, StringComparison.Ordinal));

        await FollowAsync(_sandbox.Repository());
    }

    [RootFact]
    public async Task Path_OwnedByAnotherUserOnBothSides_IsFollowed()
    {
        foreach (var folder in (string[])[_sandbox.Remote, _sandbox.Checkout]) { await _sandbox.RunAsync(new ToolCommand("chown", "-R", "nobody", folder)); }
        await Assert.ThrowsAsync<ToolFailedException>(() => _sandbox.InCheckoutAsync("status"));

        var repository = _sandbox.Repository();
        var head = await repository.RemoteHeadAsync(None);

        Assert.Equal(head, await repository.HeadAsync(None));
        await _sandbox.GitAsync(_sandbox.Root, "config", "--global", "safe.directory", "*");
        await FollowAsync(repository, () => File.Delete(Path.Combine(_sandbox.Home, ".gitconfig")));
    }

    [RootFact]
    public async Task Path_OfANonBareRepositoryOwnedByAnotherUser_IsFollowed()
    {
        await _sandbox.RunAsync(new ToolCommand("chown", "-R", "nobody", _sandbox.Author));
        await UseAsync(_sandbox.Author);

        Assert.NotNull(await _sandbox.Repository().RemoteHeadAsync(None));
    }

    [Fact]
    public async Task Path_ThatIsGone_IsRetried()
    {
        Directory.Move(_sandbox.Remote, _sandbox.Remote + ".away");

        Assert.Contains("does not appear to be a git repository", (await FailsAsync(_sandbox.Repository())).Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("ext::touch {0}")]
    [InlineData("-oProxyCommand=touch {0}")]
    [InlineData("ssh://-oProxyCommand=touch%20{0}/x")]
    public async Task Url_ThatWouldStartAProgram_StartsNone(string url)
    {
        var marker = Path.Combine(_sandbox.Root, "marker");
        await UseAsync(url.Replace("{0}", marker, StringComparison.Ordinal));

        await Assert.ThrowsAsync<WorkerException>(() => _sandbox.Repository().RemoteHeadAsync(None));

        Assert.False(File.Exists(marker));
    }

    private async Task UseAsync(string url) => await _sandbox.InCheckoutAsync("config", "remote.origin.url", url);

    private async Task StoreAsync(string line)
    {
        await File.WriteAllTextAsync(Path.Combine(_sandbox.Home, ".git-credentials"), line + "\n");
        await _sandbox.GitAsync(_sandbox.Root, "config", "--global", "credential.helper", "store");
    }

    private async Task FollowAsync(GitRepository repository, Action? pushed = null)
    {
        var commit = await _sandbox.PushAsync("second", ("app.txt", "two\n"));
        pushed?.Invoke();

        Assert.Equal(commit, await repository.RemoteHeadAsync(None));
        await repository.FetchAsync(commit, None);
        await repository.CheckOutAsync(commit, "a push", None);

        Assert.Equal("two\n", _sandbox.Read("app.txt"));
    }

    private static async Task<WorkerException> FailsAsync(GitRepository repository)
    {
        var started = TimeProvider.System.GetTimestamp();
        var error = await Assert.ThrowsAsync<WorkerException>(() => repository.RemoteHeadAsync(None));
        Assert.Equal(Remedy.RetriedByItself, error.Remedy);
        Assert.True(TimeProvider.System.GetElapsedTime(started) < TimeSpan.FromSeconds(15), "it hung");
        return error;
    }
}

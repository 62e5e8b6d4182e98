using WatchParty.Tools.Failures;
using WatchParty.Tools.Git;
using WatchParty.Tools.Processes;
using WatchParty.Worker.Tests.Fakes;

namespace WatchParty.Worker.Tests.Git;

/// <summary>A checkout whose configuration somebody else may have written.</summary>
public sealed class GitConfigurationTests : IAsyncLifetime
{
    private static readonly CancellationToken None = CancellationToken.None;
    private GitSandbox _sandbox = null!;

    private string Marker => Path.Combine(_sandbox.Root, "marker");

    public async Task InitializeAsync() => _sandbox = await GitSandbox.CreateAsync();

    public Task DisposeAsync()
    {
        _sandbox.Dispose();
        return Task.CompletedTask;
    }

    [Theory]
    [InlineData("core.sshCommand", "touch {0}", "Repository:SshCommand")]
    [InlineData("core.gitProxy", "touch {0}")]
    [InlineData("core.alternateRefsCommand", "touch {0}")]
    [InlineData("filter.evil.smudge", "touch {0}")]
    [InlineData("filter.lfs.process", "git-lfs filter-process; touch {0}")]
    [InlineData("include.path", "../evil.inc")]
    [InlineData("includeIf.gitdir:/.path", "../evil.inc")]
    [InlineData("remote.origin.uploadpack", "touch {0}")]
    [InlineData("remote.other.vcs", "evil")]
    [InlineData("url.ext::touch {0} .insteadOf", "/")]
    [InlineData("credential.helper", "!touch {0}")]
    [InlineData("credential.https://example.org.helper", "/bin/touch")]
    [InlineData("credential.helper", "store; touch {0}")]
    [InlineData("gpg.program", "touch")]
    [InlineData("gpg.ssh.program", "touch")]
    [InlineData("diff.evil.textconv", "touch {0}")]
    [InlineData("diff.external", "touch")]
    [InlineData("merge.evil.driver", "touch {0}")]
    [InlineData("submodule.lib.update", "!touch {0}")]
    [InlineData("lfs.customtransfer.evil.path", "touch")]
    [InlineData("hook.evil.command", "touch {0}")]
    public async Task Everything_WithASettingThatStartsPrograms_IsRefusedWithTheKeyAndTheFix(string key, string value, string fix = "global")
    {
        var pushed = await _sandbox.PushAsync("second", ("app.txt", "two\n"));
        await _sandbox.InCheckoutAsync("fetch", "--quiet");
        await _sandbox.InCheckoutAsync("config", key.Replace("{0}", Marker, StringComparison.Ordinal), value.Replace("{0}", Marker, StringComparison.Ordinal));
        var repository = _sandbox.Repository();
        var section = key[..key.IndexOf('.', StringComparison.Ordinal)].ToLowerInvariant();

        var refused = Assert.Single(await repository.DangerousConfigurationAsync(None));

        Assert.StartsWith(section, refused, StringComparison.Ordinal);
        Assert.True(refused.Contains(fix, StringComparison.Ordinal) || refused.Contains("--unset-all", StringComparison.Ordinal), refused);
        foreach (var act in (Func<Task>[])[() => repository.RemoteHeadAsync(None), () => repository.FetchAsync(new string('a', 40), None), () => repository.CheckOutAsync(pushed, "a push", None)])
        {
            var error = await Assert.ThrowsAsync<WorkerException>(act);
            Assert.Equal(Remedy.NeedsPerson, error.Remedy);
            Assert.Contains(refused, error.Message, StringComparison.Ordinal);
        }
        Assert.False(File.Exists(Marker));
    }

    [Theory]
    [InlineData("credential.helper", "store --file=/etc/watchparty/credentials")]
    [InlineData("credential.helper", "")]
    [InlineData("credential.helper", "cache --timeout 900")]
    [InlineData("filter.lfs.process", "git-lfs filter-process")]
    [InlineData("filter.lfs.required", "true")]
    [InlineData("user.name", "Ann")]
    [InlineData("http.extraHeader", "X-Forwarded: yes")]
    [InlineData("alias.st", "!status")]
    public async Task Look_WithAHarmlessSetting_Works(string key, string value)
    {
        await _sandbox.InCheckoutAsync("config", key, value);

        Assert.NotNull(await _sandbox.Repository().RemoteHeadAsync(None));
    }

    [Fact]
    public async Task Global_Settings_OfTheServiceUserAreItsOwnBusiness()
    {
        await _sandbox.GitAsync(_sandbox.Root, "config", "--global", $"url.{_sandbox.Root}/srv/.insteadOf", "company:");
        await _sandbox.InCheckoutAsync("config", "remote.origin.url", "company:app.git");

        Assert.NotNull(await _sandbox.Repository().RemoteHeadAsync(None));
    }

    [Fact]
    public async Task Look_AfterTheConfigurationChanged_ReadsItAgain()
    {
        var repository = _sandbox.Repository();
        await repository.RemoteHeadAsync(None);
        await _sandbox.InCheckoutAsync("config", "core.sshCommand", "touch");

        await Assert.ThrowsAsync<WorkerException>(() => repository.RemoteHeadAsync(None));

        await _sandbox.InCheckoutAsync("config", "--unset", "core.sshCommand");
        Assert.NotNull(await repository.RemoteHeadAsync(None));
    }

    [Fact]
    public async Task Everything_WithHooksAndAFileMonitorInTheCheckout_RunsNoneOfThem()
    {
        var program = Path.Combine(_sandbox.Checkout, ".git", "hooks", "post-checkout");
        Directory.CreateDirectory(Path.GetDirectoryName(program)!);
        await File.WriteAllTextAsync(program, $"#!/bin/sh\ntouch {Marker}\n");
        await _sandbox.RunAsync(new ToolCommand("chmod", "755", program));
        foreach (var hook in (string[])["reference-transaction", "post-index-change", "fsmonitor", "pre-auto-gc"]) { File.Copy(program, Path.Combine(_sandbox.Checkout, ".git", "hooks", hook)); }
        var pushed = await _sandbox.PushAsync("second", ("app.txt", "two\n"), (".husky/post-checkout", "x"));
        await _sandbox.InCheckoutAsync("config", "core.fsmonitor", program);
        await _sandbox.InCheckoutAsync("config", "core.askPass", program);
        File.Delete(Marker);
        _sandbox.Write("app.txt", "edited\n");

        var repository = _sandbox.Repository();
        await FollowAsync(repository, pushed);
        Assert.False(File.Exists(Marker));

        // husky sets this legitimately.
        await _sandbox.InCheckoutAsync("config", "core.hooksPath", Path.GetDirectoryName(program)!);
        File.Delete(Marker);
        await FollowAsync(repository, await _sandbox.PushAsync("third", ("app.txt", "three\n")));
        Assert.False(File.Exists(Marker));
    }

    [Fact]
    public async Task Look_WithABrokenConfiguration_NeedsAPerson()
    {
        await File.AppendAllTextAsync(Path.Combine(_sandbox.Checkout, ".git", "config"), "[broken");

        var error = await Assert.ThrowsAsync<WorkerException>(() => _sandbox.Repository().RemoteHeadAsync(None));

        Assert.Equal(Remedy.NeedsPerson, error.Remedy);
        Assert.Contains("bad config line", error.Message, StringComparison.Ordinal);
    }

    private static async Task FollowAsync(GitRepository repository, string commit)
    {
        Assert.Equal(commit, await repository.RemoteHeadAsync(None));
        await repository.FetchAsync(commit, None);
        await repository.CheckOutAsync(commit, "a push", None);
        await repository.FilesAsync(commit, [""], None);
        await repository.UntrackedAsync([""], None);
        await repository.KeepAsync(commit, 1, None);
        await repository.TidyAsync(None);
    }
}

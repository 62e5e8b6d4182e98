using WatchParty.Tools.Configuration;
using WatchParty.Tools.Failures;
using WatchParty.Tools.Git;
using WatchParty.Tools.Processes;
using WatchParty.Worker.Tests.Fakes;

namespace WatchParty.Worker.Tests.Git;

/// <summary>Real keys and real signatures.</summary>
public sealed class AllowedSignersTests : IAsyncLifetime
{
    private static readonly CancellationToken None = CancellationToken.None;
    private GitSandbox _sandbox = null!;

    private string Signers => In("etc/allowed_signers");

    public async Task InitializeAsync()
    {
        _sandbox = await GitSandbox.CreateAsync();
        Directory.CreateDirectory(In("etc"));
        foreach (var name in new[] { "ann", "eve" }) { await _sandbox.RunAsync(new ToolCommand("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", name, "-f", In(name))); }
        Allow("ann");
    }

    public Task DisposeAsync()
    {
        _sandbox.Dispose();
        return Task.CompletedTask;
    }

    private string In(string path) => Path.Combine(_sandbox.Root, path);

    private void Allow(params string[] names)
    {
        File.WriteAllText(Signers, string.Concat(names.Select(n => $"{n}@example.org {File.ReadAllText(In($"{n}.pub"))}")));
        File.SetUnixFileMode(Signers, UnixFileMode.UserRead | UnixFileMode.UserWrite);
    }

    private async Task<string> SignedAsync(string key, string subject = "signed")
    {
        await _sandbox.GitAsync(_sandbox.Author, "-c", "gpg.format=ssh", "-c", $"user.signingKey={In(key)}", "commit", "--quiet", "--gpg-sign", "--allow-empty", "--message", subject);
        return await PublishAsync();
    }

    private async Task<string> PublishAsync()
    {
        await _sandbox.GitAsync(_sandbox.Author, "push", "--quiet", "--force", "origin", "HEAD");
        return await _sandbox.GitAsync(_sandbox.Author, "rev-parse", "HEAD");
    }

    private GitRepository Repository() => _sandbox.Repository(o => o.AllowedSigners = Signers);

    private async Task FetchAndLookAsync(string commit)
    {
        var repository = Repository();
        await repository.FetchAsync(commit, None);
        await repository.RefuseUnsignedAsync(commit, None);
    }

    private async Task RefusedAsync(string commit, string words)
    {
        var error = await Assert.ThrowsAsync<WorkerException>(() => FetchAndLookAsync(commit));
        Assert.Equal(Remedy.NeedsNewCommit, error.Remedy);
        Assert.Contains(words, error.Message, StringComparison.Ordinal);
        Assert.Contains(commit[..7], error.Message, StringComparison.Ordinal);
        Assert.Contains(Signers, error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Commit_OfAnAllowedSigner_IsTaken() => await FetchAndLookAsync(await SignedAsync("ann"));

    [Fact]
    public async Task Commit_WithoutASignature_IsRefused() => await RefusedAsync(await _sandbox.PushAsync("plain"), "it is not signed");

    [Fact]
    public async Task Commit_OfAnUnknownKey_IsRefusedAndTheKeyNamed() => await RefusedAsync(await SignedAsync("eve"), "ED25519 key SHA256:");

    [Fact]
    public async Task Commit_AfterItsSignerWasRemoved_IsRefused()
    {
        var commit = await SignedAsync("ann");
        await FetchAndLookAsync(commit);
        Allow("eve");

        await RefusedAsync(commit, "its key is not in");
    }

    [Fact]
    public async Task Commit_ThatWasChangedAfterItWasSigned_IsRefused()
    {
        await SignedAsync("ann", "good words");
        var text = await _sandbox.GitAsync(_sandbox.Author, "cat-file", "commit", "HEAD");
        var command = new ToolCommand("git", "hash-object", "-t", "commit", "-w", "--stdin") { WorkingDirectory = _sandbox.Author, Input = text.Replace("good words", "evil words", StringComparison.Ordinal) + "\n" };
        await _sandbox.GitAsync(_sandbox.Author, "reset", "--quiet", "--hard", await _sandbox.RunAsync(command));

        await RefusedAsync(await PublishAsync(), "not a good one");
    }

    [Fact]
    public async Task Commit_OnTopOfASignedOne_HasToBeSignedItself()
    {
        await SignedAsync("ann");
        await RefusedAsync(await _sandbox.PushAsync("on top", ("more.txt", "more\n")), "it is not signed");
    }

    [Fact]
    public async Task Repository_CannotSayByItselfWhoMaySign()
    {
        File.WriteAllText(In("own"), $"eve@example.org {File.ReadAllText(In("eve.pub"))}");
        await _sandbox.InCheckoutAsync("config", "gpg.ssh.allowedSignersFile", In("own"));
        await _sandbox.InCheckoutAsync("config", "gpg.minTrustLevel", "never");

        await RefusedAsync(await SignedAsync("eve"), "its key is not in");
    }

    [Fact]
    public async Task Signature_OfAnotherKind_IsAskedOfNoProgram()
    {
        await SignedAsync("ann");
        var text = await _sandbox.GitAsync(_sandbox.Author, "cat-file", "commit", "HEAD");
        var pgp = text[..text.IndexOf("gpgsig", StringComparison.Ordinal)] + "gpgsig -----BEGIN PGP SIGNATURE-----\n \n iHUEABYKAB0=\n -----END PGP SIGNATURE-----\n\nsigned\n";
        var command = new ToolCommand("git", "hash-object", "-t", "commit", "-w", "--stdin") { WorkingDirectory = _sandbox.Author, Input = pgp };
        await _sandbox.GitAsync(_sandbox.Author, "reset", "--quiet", "--hard", await _sandbox.RunAsync(command));

        var error = await Assert.ThrowsAsync<WorkerException>(async () => await FetchAndLookAsync(await PublishAsync()));

        Assert.Equal(Remedy.NeedsNewCommit, error.Remedy);
    }

    [Fact]
    public async Task Signers_ThatOthersMayWrite_AreNotReliedOn()
    {
        var commit = await SignedAsync("ann");
        File.SetUnixFileMode(Signers, UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.GroupWrite);

        var error = await Assert.ThrowsAsync<WorkerException>(() => FetchAndLookAsync(commit));

        Assert.Equal(Remedy.NeedsPerson, error.Remedy);
        Assert.Contains("chmod go-w", error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task SshKeygen_ThatIsMissing_IsNotTheCommitsFault()
    {
        var commit = await SignedAsync("ann");
        Directory.CreateDirectory(In("bin"));
        foreach (var name in new[] { "git", "setsid", "prlimit" }) { File.CreateSymbolicLink(In($"bin/{name}"), ToolRunner.FindOnPath(name, System.Environment.GetEnvironmentVariable("PATH"))!); }
        _sandbox.Environment = _sandbox.Environment.SetItem("PATH", In("bin"));

        var error = await Assert.ThrowsAsync<WorkerException>(() => FetchAndLookAsync(commit));

        Assert.Equal(Remedy.NeedsPerson, error.Remedy);
        Assert.Contains("Install ssh-keygen", error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task WithoutTheKey_EveryCommitIsTaken()
    {
        var commit = await _sandbox.PushAsync("plain");
        await _sandbox.Repository().FetchAsync(commit, None);
        await _sandbox.Repository().RefuseUnsignedAsync(commit, None);
    }

    [Fact]
    public void Rules_NameEveryFaultOfTheFile()
    {
        string? Fault(string file) => SignersFile.Fault(file, _sandbox.Checkout)?.Problem;

        Assert.Null(Fault(Signers));
        Assert.Contains("not an absolute path", Fault("etc/allowed_signers"), StringComparison.Ordinal);
        Assert.Contains("there is no file", Fault(In("etc/none")), StringComparison.Ordinal);
        Assert.Contains("there is no file", Fault(In("etc")), StringComparison.Ordinal);
        _sandbox.Write("signers", "x\n");
        Assert.Contains("lies in the checkout", Fault(Path.Combine(_sandbox.Checkout, "signers")), StringComparison.Ordinal);
        File.CreateSymbolicLink(In("etc/link"), Path.Combine(_sandbox.Checkout, "signers"));
        Assert.Contains("lies in the checkout", Fault(In("etc/link")), StringComparison.Ordinal);
        File.SetUnixFileMode(In("etc"), File.GetUnixFileMode(In("etc")) | UnixFileMode.OtherWrite);
        Assert.Contains("may replace", Fault(Signers), StringComparison.Ordinal);
        File.SetUnixFileMode(In("etc"), UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute);
        File.SetUnixFileMode(Signers, UnixFileMode.UserRead | UnixFileMode.OtherWrite);
        Assert.Contains("others than its owner may write", Fault(Signers), StringComparison.Ordinal);
    }
}

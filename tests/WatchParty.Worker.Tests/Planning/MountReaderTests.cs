using WatchParty.Releases.Planning;
using WatchParty.Worker.Tests.Fakes;

namespace WatchParty.Worker.Tests.Planning;

/// <summary>What is mounted, as a real git knows it.</summary>
public sealed class MountReaderTests : IAsyncLifetime
{
    private GitSandbox _sandbox = null!;

    public async Task InitializeAsync() =>
        _sandbox = await GitSandbox.CreateAsync(("conf/a", "one\n"), ("conf/b c", "one\n"), ("docs.md", "one\n"));

    public Task DisposeAsync()
    {
        _sandbox.Dispose();
        return Task.CompletedTask;
    }

    private async Task<MountState> ReadAsync(string source, params string[] pending)
    {
        var path = Path.GetFullPath(source, _sandbox.Checkout);
        var model = ComposeModels.Of(("web", $$"""{ "image": "app", "volumes": [ { "type": "bind", "source": "{{path}}", "target": "/x" } ] }"""));
        var reader = new MountReader(_sandbox.Options(), _sandbox.Repository());
        return (await reader.ReadAsync(model, pending, default))[path].State;
    }

    private async Task<IEnumerable<string>> ChangedAsync(string source, Func<Task> change)
    {
        var before = await ReadAsync(source);
        await change();
        var after = await ReadAsync(source);
        Assert.Equal(before.Identity, after.Identity);
        return before.Files.Keys.Union(after.Files.Keys).Where(f => before.Files.GetValueOrDefault(f) != after.Files.GetValueOrDefault(f));
    }

    [Theory]
    [InlineData("--skip-worktree")]
    [InlineData("--assume-unchanged")]
    public async Task File_ThatGitWasToldNotToLookAt_CountsByItsContent(string option)
    {
        await _sandbox.InCheckoutAsync("update-index", option, "conf/a");

        Assert.Equal(["conf/a"], await ChangedAsync("conf", () =>
        {
            _sandbox.Write("conf/a", "the operator's\n");
            return Task.CompletedTask;
        }));
    }

    [Fact]
    public async Task FolderOfASubmodule_ChangesWithItsCommit()
    {
        var inner = Path.Combine(_sandbox.Root, "inner");
        await _sandbox.GitAsync(_sandbox.Root, "init", "--quiet", inner);
        await _sandbox.CommitAsync(inner, "first", ("conf/x", "one\n"));
        await _sandbox.GitAsync(_sandbox.Checkout, "-c", "protocol.file.allow=always", "submodule", "--quiet", "add", inner, "sub");

        Assert.Equal(["sub"], await ChangedAsync("sub/conf", async () =>
        {
            var second = await _sandbox.CommitAsync(inner, "second", ("conf/x", "two\n"));
            await _sandbox.GitAsync(Path.Combine(_sandbox.Checkout, "sub"), "-c", "protocol.file.allow=always", "fetch", "--quiet");
            await _sandbox.GitAsync(Path.Combine(_sandbox.Checkout, "sub"), "checkout", "--quiet", second);
            await _sandbox.InCheckoutAsync("add", "sub");
        }));
    }

    [Fact]
    public async Task FolderBehindLinks_HoldsWhatGitTracks_AndNothingElse()
    {
        Directory.CreateSymbolicLink(Path.Combine(_sandbox.Checkout, "one"), "conf");
        Directory.CreateSymbolicLink(Path.Combine(_sandbox.Root, "two"), Path.Combine(_sandbox.Checkout, "one"));
        _sandbox.Write("conf/data", "the application's\n");

        Assert.Equal(["conf/a", "conf/b c"], (await ReadAsync(Path.Combine(_sandbox.Root, "two"))).Files.Keys);
        Assert.Equal(["conf/b c"], (await ReadAsync(Path.Combine(_sandbox.Root, "two", "b c"))).Files.Keys);
        Assert.Equal(["conf/a", "conf/b c", "docs.md"], (await ReadAsync(_sandbox.Checkout)).Files.Keys);
    }

    [Theory]
    [InlineData("conf", "conf/a")]
    [InlineData("conf", "conf/new")]
    [InlineData("conf/a", "conf/a")]
    [InlineData("link/a", "link")]
    [InlineData("conf", null, "docs.md")]
    public async Task WhatIsAboutToChange_IsAChange(string source, string? changed, string? pending = null)
    {
        Directory.CreateSymbolicLink(Path.Combine(_sandbox.Checkout, "link"), "conf");
        var (now, then) = (await ReadAsync(source), await ReadAsync(source, pending ?? changed!));

        Assert.Equal(changed, then.Files.Keys.SingleOrDefault(f => then.Files[f] != now.Files.GetValueOrDefault(f)));
    }

    [Fact]
    public async Task VeryManyFiles_AreOneHash()
    {
        for (var i = 0; i < 600; i++) { _sandbox.Write($"conf/{i}", "one\n"); }
        await _sandbox.InCheckoutAsync("add", "--all");

        Assert.Equal(["conf"], await ChangedAsync("conf", async () =>
        {
            _sandbox.Write("conf/7", "two\n");
            await _sandbox.InCheckoutAsync("add", "--all");
        }));
    }
}

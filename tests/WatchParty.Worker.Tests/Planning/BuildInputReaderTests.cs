using System.Collections.Immutable;
using WatchParty.Releases.Planning;
using WatchParty.Tools.Configuration;
using WatchParty.Worker.Tests.Fakes;
using WatchParty.Worker.Tests.Triggering;

namespace WatchParty.Worker.Tests.Planning;

public sealed class BuildInputReaderTests : IAsyncLifetime
{
    private GitSandbox _git = null!;

    public async Task InitializeAsync() => _git = await GitSandbox.CreateAsync(
        ("README.md", "read me\n"), ("compose.yaml", "services: {}\n"),
        ("backend/.dockerignore", "*.md\ncache\n!keep.md\n"), ("backend/Dockerfile", "FROM scratch\n"), ("backend/app.py", "print(1)\n"), ("backend/notes.md", "x\n"), ("backend/keep.md", "x\n"),
        ("frontend/Dockerfile", "FROM scratch\n"), ("frontend/app.js", "1\n"), ("shared/lib.py", "1\n"), ("docker/backend.Dockerfile", "FROM scratch\n"));

    public Task DisposeAsync()
    {
        _git.Dispose();
        return Task.CompletedTask;
    }

    private string In(string path) => Path.Combine(_git.Checkout, path);

    private async Task<IReadOnlyDictionary<string, BuildInputs>> ReadAsync(ComposeModel model, string? checkout = null, Action<WorkerOptions>? configure = null)
    {
        var options = new WorkerOptions();
        options.Repository.Path = checkout ?? _git.Checkout;
        configure?.Invoke(options);
        var repository = _git.Repository(options.Repository);
        return await new BuildInputReader(options, repository).ReadAsync(model, await repository.HeadAsync(CancellationToken.None), CancellationToken.None);
    }

    private async Task<BuildInputs> ReadAsync(string build, string? checkout = null, Action<WorkerOptions>? configure = null) =>
        (await ReadAsync(ComposeModels.Of(("backend", $$"""{ "build": {{build}} }""")), checkout, configure))["backend"];

    private Task<BuildInputs> ReadBackendAsync() => ReadAsync($$"""{ "context": "{{In("backend")}}", "dockerfile": "Dockerfile" }""");

    private Task CommitAsync(params (string Path, string? Content)[] files) => _git.CommitAsync(_git.Checkout, "next", files);

    [Fact]
    public async Task TrackedFiles_AreAllOfTheContext()
    {
        var inputs = await ReadBackendAsync();

        Assert.Equal(["backend/.dockerignore", "backend/Dockerfile", "backend/app.py", "backend/keep.md", "backend/notes.md"], inputs.TrackedPaths.Order(StringComparer.Ordinal));
        Assert.Equal(["backend/Dockerfile"], inputs.Others.Keys);
    }

    [Theory]
    [InlineData("README.md", null)]
    [InlineData("frontend/app.js", null)]
    [InlineData("backend/notes.md", "backend/notes.md changed")]
    [InlineData("backend/app.py", "backend/app.py changed")]
    [InlineData("backend/new/file.txt", "backend/new/file.txt changed")]
    [InlineData("backend/keep.md", "backend/keep.md changed")]
    public async Task Commit_OfAFile_CountsWhenTheBuildSeesIt(string path, string? difference)
    {
        var before = await ReadBackendAsync();
        await CommitAsync((path, "changed\n"));

        Assert.Equal(difference, (await ReadBackendAsync()).DifferenceFrom(before, [path]));
    }

    [Fact]
    public async Task Commit_OfAFileMode_Counts()
    {
        var before = await ReadBackendAsync();
        File.SetUnixFileMode(In("backend/app.py"), UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute);
        await CommitAsync();

        Assert.NotNull((await ReadBackendAsync()).DifferenceFrom(before, null));
    }

    [Theory]
    [InlineData("backend/.env", "backend/.env changed")]
    [InlineData("backend/dist/app.js", "backend/dist/app.js changed")]
    [InlineData("backend/todo.md", "backend/todo.md changed")]
    [InlineData("backend/cache/x", "backend/cache/x changed")]
    [InlineData("frontend/.env", null)]
    [InlineData("unrelated", null)]
    public async Task UntrackedFile_CountsWhenTheBuildSeesIt(string path, string? difference)
    {
        var before = await ReadBackendAsync();
        _git.Write(path, "SECRET=1");
        var created = await ReadBackendAsync();
        _git.Write(path, "SECRET=2");

        Assert.Equal(difference, created.DifferenceFrom(before, []));
        Assert.Equal(difference, (await ReadBackendAsync()).DifferenceFrom(created, []));
    }

    [Fact]
    public async Task UntrackedFile_ThatGitIgnores_CountsAllTheSame()
    {
        await CommitAsync((".gitignore", ".env\n"));
        var before = await ReadBackendAsync();
        _git.Write("backend/.env", "SECRET=1");

        Assert.Equal("backend/.env changed", (await ReadBackendAsync()).DifferenceFrom(before, []));
    }

    [Fact]
    public async Task UntrackedFile_ThatIsOnlyTouched_DoesNotCount()
    {
        _git.Write("backend/.env", "SECRET=1");
        var before = await ReadBackendAsync();
        File.SetLastWriteTimeUtc(In("backend/.env"), DateTime.UnixEpoch);

        Assert.Null((await ReadBackendAsync()).DifferenceFrom(before, []));
    }

    [Fact]
    public async Task UntrackedLink_CountsByItsTargetAndIsNotFollowed()
    {
        File.CreateSymbolicLink(In("backend/link"), "/nowhere/1");
        var before = await ReadBackendAsync();
        File.Delete(In("backend/link"));
        File.CreateSymbolicLink(In("backend/link"), "/nowhere/2");

        Assert.Equal("link /nowhere/1", before.Others["backend/link"]);
        Assert.Equal("backend/link changed", (await ReadBackendAsync()).DifferenceFrom(before, []));
    }

    [Fact]
    public async Task UntrackedFifo_DoesNotBlock()
    {
        DropFileBench.Run("mkfifo", In("backend/pipe"));

        Assert.Contains("backend/app.py", (await ReadBackendAsync()).TrackedPaths);
    }

    [Fact]
    public async Task DropFiles_InTheContext_AreNotPartOfTheApplication()
    {
        var build = $$"""{ "context": "{{_git.Checkout}}", "dockerfile": "backend/Dockerfile" }""";
        var before = await ReadAsync(build);
        foreach (var name in DropFileNames.All) { _git.Write(name, "all"); }

        Assert.Null((await ReadAsync(build)).DifferenceFrom(before, []));
    }

    [Fact]
    public async Task Context_ThatIsTheRepositoryRoot_SeesEveryFile()
    {
        var inputs = await ReadAsync($$"""{ "context": "{{_git.Checkout}}", "dockerfile": "backend/Dockerfile" }""");

        Assert.Contains("README.md", inputs.TrackedPaths);
        Assert.Contains("backend/notes.md", inputs.TrackedPaths);
        Assert.Equal(["backend/Dockerfile"], inputs.Others.Keys);
    }

    [Fact]
    public async Task Dockerfile_OutsideOfTheContext_CountsWithItsOwnIgnoreFile()
    {
        var build = $$"""{ "context": "{{In("backend")}}", "dockerfile": "../docker/backend.Dockerfile" }""";
        var before = await ReadAsync(build);
        Assert.Equal(["docker/backend.Dockerfile"], before.Others.Keys);

        await CommitAsync(("docker/backend.Dockerfile", "FROM busybox\n"));
        Assert.Equal("docker/backend.Dockerfile changed", (await ReadAsync(build)).DifferenceFrom(before, []));

        await CommitAsync(("docker/backend.Dockerfile.dockerignore", "app.py\n"));
        Assert.Equal("docker/backend.Dockerfile.dockerignore changed", (await ReadAsync(build)).DifferenceFrom(before with
        {
            Others = before.Others.SetItem(
            "docker/backend.Dockerfile", (await ReadAsync(build)).Others["docker/backend.Dockerfile"])
        }, []));
    }

    [Fact]
    public async Task AdditionalContext_InTheRepository_Counts()
    {
        var build = $$"""{ "context": "{{In("backend")}}", "additional_contexts": { "shared": "{{In("shared")}}" } }""";
        var before = await ReadAsync(build);
        await CommitAsync(("shared/lib.py", "2\n"));

        Assert.Equal("shared/lib.py changed", (await ReadAsync(build)).DifferenceFrom(before, ["shared/lib.py"]));
    }

    [Theory]
    [InlineData("/")]
    [InlineData("https://example.org/app.git#main")]
    [InlineData("oci-layout:///srv/layout")]
    public async Task Context_OutsideOfTheRepository_IsWhatGitCannotTell(string context)
    {
        Assert.Contains(context, (await ReadAsync($$"""{ "context": "{{In("backend")}}", "additional_contexts": { "outside": "{{context}}" } }""")).Outside, StringComparison.Ordinal);
        Assert.NotNull((await ReadAsync($$"""{ "context": "{{context}}" }""")).Outside);
    }

    [Fact]
    public async Task Context_ThatIsAnImage_IsLookedAtWithTheBaseImages() =>
        Assert.Null((await ReadAsync($$"""{ "context": "{{In("backend")}}", "additional_contexts": { "a": "docker-image://busybox", "b": "service:backend" } }""")).Outside);

    [Theory]
    [InlineData("--skip-worktree")]
    [InlineData("--assume-unchanged")]
    public async Task File_ThatGitWasToldNotToWatch_CountsByItsContent(string flag)
    {
        DropFileBench.Run("git", "-C", _git.Checkout, "update-index", flag, "backend/app.py");
        var before = await ReadBackendAsync();
        _git.Write("backend/app.py", "print('edited')");

        Assert.Equal("backend/app.py changed", (await ReadBackendAsync()).DifferenceFrom(before, []));
    }

    [Fact]
    public async Task Repository_WithinTheContext_IsWhatGitCannotTell()
    {
        DropFileBench.Run("git", "init", "-q", In("backend/vendor"));
        _git.Write("backend/vendor/file", "1");

        Assert.Equal("backend/vendor/ is a repository of its own", (await ReadBackendAsync()).Outside);
    }

    [Fact]
    public async Task Submodule_WithinTheContext_IsWhatGitCannotTell()
    {
        DropFileBench.Run("git", "-C", _git.Checkout, "update-index", "--add", "--cacheinfo", $"160000,{await _git.Repository().HeadAsync(CancellationToken.None)},backend/lib");
        DropFileBench.Run("git", "-C", _git.Checkout, "-c", "user.name=a", "-c", "user.email=a@b", "commit", "-q", "-m", "submodule");

        Assert.Equal("backend/lib is a submodule", (await ReadBackendAsync()).Outside);
        // Git has no file of what is in it, whichever of the contexts that is.
        foreach (var folder in (string[])["backend/lib", "backend/lib/src"])
        {
            Assert.Contains(folder, (await ReadAsync($$"""{ "context": "{{In("shared")}}", "additional_contexts": { "lib": "{{In(folder)}}" } }""")).Outside, StringComparison.Ordinal);
        }
    }

    [Theory]
    [InlineData("\"context\": \"https://example.org/app.git#COMMIT\"")]
    [InlineData("\"context\": \"/c\", \"additional_contexts\": { \"base\": \"docker-image://base:COMMIT\" }")]
    [InlineData("\"context\": \"/c\", \"dockerfile_inline\": \"FROM base:COMMIT\"")]
    public async Task Source_WithTheCommitInItsAddress_IsBuiltWithEachCommit(string build)
    {
        async Task<BuildInputs> OfAsync() => await ReadAsync($$"""{ {{build.Replace("COMMIT", await _git.Repository().HeadAsync(CancellationToken.None), StringComparison.Ordinal)}} }""");
        var before = await OfAsync();
        await CommitAsync(("README.md", "other\n"));

        Assert.True((await OfAsync()).IsBeyondCache(before));
    }

    [Fact]
    public async Task ManyUntrackedFiles_AreLeftToBuildKit()
    {
        for (var i = 0; i < 1001; i++) { _git.Write($"backend/cache/{i}", "x"); }

        var inputs = await ReadBackendAsync();
        Assert.Contains("1001 files", inputs.Outside, StringComparison.Ordinal);
        Assert.Equal(["backend/Dockerfile"], inputs.Others.Keys);
    }

    [Fact]
    public async Task SecretOfAVariable_CountsByAHashOfItsValue()
    {
        ComposeModel Model(string? value) => ComposeModel.Parse($$"""
            { "name": "app", "secrets": { "npm": { "environment": "TOKEN" } }, "services": { "backend": { "build": { "context": "{{In("backend")}}", "secrets": [ { "source": "npm" } ] } } } }
            """) with { Values = value is null ? [] : ImmutableDictionary<string, string>.Empty.Add("TOKEN", value) };
        var before = (await ReadAsync(Model("one-value")))["backend"];

        Assert.Equal("the secret TOKEN changed", (await ReadAsync(Model("two")))["backend"].ChangedSecret(before));
        Assert.Equal("the secret TOKEN changed", (await ReadAsync(Model(null)))["backend"].ChangedSecret(before));
        Assert.False((await ReadAsync(Model("one-value")))["backend"].IsBeyondCache(before));
        Assert.DoesNotContain("one-value", before.Others.Values);
    }

    [Fact]
    public async Task Section_ThatHasTheCommitInAnotherPlace_IsTheSameWithTheNext()
    {
        async Task<BuildInputs> OfAsync() => await ReadAsync($$"""
            { "context": "{{In("backend")}}", "labels": { "revision": "v-{{await _git.Repository().HeadAsync(CancellationToken.None)}}" } }
            """);
        var before = await OfAsync();
        await CommitAsync(("README.md", "other\n"));

        Assert.Null((await OfAsync()).DifferenceFrom(before, null));
    }

    [Fact]
    public async Task AdditionalContexts_OfServicesInACircle_AreReadAllTheSame()
    {
        var model = ComposeModels.Of(
            ("a", $$"""{ "build": { "context": "{{In("frontend")}}", "additional_contexts": { "base": "service:b" } } }"""),
            ("b", $$"""{ "build": { "context": "{{In("backend")}}", "additional_contexts": { "base": "service:a" } } }"""));

        Assert.Equal(2, (await ReadAsync(model)).Count);
    }

    [Fact]
    public async Task SecretFile_Counts()
    {
        var secret = Path.Combine(_git.Root, "npm.token");
        await File.WriteAllTextAsync(secret, "one");
        var model = ComposeModel.Parse($$"""
            { "name": "app", "secrets": { "npm": { "file": "{{secret}}" } }, "services": { "backend": { "build": { "context": "{{In("backend")}}", "secrets": [ { "source": "npm" } ] } } } }
            """);
        var before = (await ReadAsync(model))["backend"];
        await File.WriteAllTextAsync(secret, "two");

        Assert.Equal($"the secret {secret} changed", (await ReadAsync(model))["backend"].ChangedSecret(before));
        Assert.DoesNotContain("one", before.Others[BuildInputs.Secret(secret)], StringComparison.Ordinal);
    }

    [Fact]
    public async Task Checkout_BehindASymbolicLink_ReadsTheSame()
    {
        var link = Path.Combine(_git.Root, "link");
        Directory.CreateSymbolicLink(link, _git.Checkout);
        _git.Write("backend/.env", "SECRET=1");
        var direct = await ReadBackendAsync();

        // Compose prints either path, depending on how it was started.
        Assert.Null((await ReadAsync($$"""{ "context": "{{In("backend")}}", "dockerfile": "Dockerfile" }""", link)).DifferenceFrom(direct, null));
        var linked = await ReadAsync($$"""{ "context": "{{Path.Combine(link, "backend")}}", "dockerfile": "Dockerfile" }""", link);
        Assert.Equal(direct.Tracked, linked.Tracked);
        Assert.Equal(["backend/.env", "backend/Dockerfile"], linked.Others.Keys);
    }

    [Fact]
    public async Task Dockerfile_ThatIsALink_CountsByWhatItLeadsTo()
    {
        File.Delete(In("backend/Dockerfile"));
        File.CreateSymbolicLink(In("backend/Dockerfile"), "../docker/backend.Dockerfile");
        await CommitAsync();
        var before = await ReadBackendAsync();
        await CommitAsync(("docker/backend.Dockerfile", "FROM busybox\n"));

        Assert.Equal("backend/Dockerfile changed", (await ReadBackendAsync()).DifferenceFrom(before, []));
    }

    [Fact]
    public async Task Section_FollowsTheArgumentsButNotTheCommit()
    {
        string Build(string commit, string mode) => $$"""{ "context": "{{In("backend")}}", "args": { "GIT_COMMIT_HASH": "{{commit}}", "MODE": "{{mode}}" } }""";
        var before = await ReadAsync(Build("1", "a"));

        Assert.Null((await ReadAsync(Build("2", "a"))).DifferenceFrom(before, null));
        Assert.Equal("build.args changed", (await ReadAsync(Build("1", "b"))).DifferenceFrom(before, null));
        Assert.Equal("Build:Arguments changed", (await ReadAsync(Build("1", "a"), configure: o => o.Build.Arguments["EXTRA"] = "1")).DifferenceFrom(before, null));
    }

    [Theory]
    [InlineData("\"args\": {\"MODE\": \"b\"}", false)]
    [InlineData("\"labels\": {\"a\": \"b\"}", false)]
    [InlineData("\"dockerfile_inline\": \"FROM busybox\"", false)]
    [InlineData("\"ulimits\": {\"nofile\": 99}", true)]
    [InlineData("\"shm_size\": \"9\"", true)]
    [InlineData("\"network\": \"none\"", true)]
    public async Task Key_IsAskedAboutOnlyIfACacheKeyOrTheImageHasIt(string key, bool isBeyond)
    {
        var before = await ReadAsync($$"""{ "context": "{{In("backend")}}" }""");
        var after = await ReadAsync($$"""{ "context": "{{In("backend")}}", {{key}} }""");

        Assert.NotNull(after.DifferenceFrom(before, null));
        Assert.Equal(isBeyond, after.IsBeyondCache(before));
    }
}

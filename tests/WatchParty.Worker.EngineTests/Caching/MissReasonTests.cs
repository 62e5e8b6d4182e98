using WatchParty.Worker.EngineTests.Harness;

namespace WatchParty.Worker.EngineTests.Caching;

/// <summary>An application that was released once.</summary>
public sealed class ReleasedOnce : IAsyncLifetime
{
    internal Application Application { get; private set; } = null!;

    internal Run First { get; private set; } = null!;

    public async Task InitializeAsync()
    {
        Application = await CachedApplication.StartAsync(CachedApplication.Dockerfile.Replace("FROM watchparty-sample-base:1\n", "FROM PROJECT-base:1\n", StringComparison.Ordinal));
        await MakeBaseAsync(Application);
        // The first stage stands on the base image that everybody has; nobody else may have made its COPY.
        await Application.PushAsync("web/packages.txt", $"{Guid.NewGuid():N}\n");
        First = (await Application.OnceAsync()).Succeeded();
    }

    public async Task DisposeAsync() => await Application.DisposeAsync();

    /// <summary>Gives <c>PROJECT-base:1</c> a new content.</summary>
    internal static Task MakeBaseAsync(Application app) =>
        Command.ShellAsync($"printf 'FROM watchparty-sample-base:1\nRUN echo {Guid.NewGuid():N} > /patched\n' | docker build --quiet --tag {app.Project}-base:1 -");
}

/// <summary>Each reason why a step was not cached, from a real build.</summary>
[Trait("Store", "Containerd")]
public sealed class MissReasonTests(ReleasedOnce released) : IClassFixture<ReleasedOnce>
{
    private const string System = "RUN echo PROJECT > /system";
    private readonly Application _app = released.Application;

    [Fact]
    public void The_first_build()
    {
        Assert.True(released.First.MissedOf("web").Count == 7, released.First.All);
        Assert.All(released.First.MissedOf("web"), m => Assert.Equal(("FirstBuild", "first build", false), (m.Cause, m.Reason, m.Avoidable)));
    }

    [Fact]
    public async Task Files_changed()
    {
        await _app.PushAsync("web/packages.txt", $"{Guid.NewGuid():N}\n");
        var run = (await _app.OnceAsync()).Succeeded();
        var missed = run.MissedOf("web");
        Assert.Equal(("FilesChanged", "packages.txt changed"), Of(missed, "COPY packages.txt"));
        Assert.Equal(("FilesChanged", "packages.txt changed"), Of(missed, "RUN echo PROJECT > salt"));
    }

    [Fact]
    public async Task A_build_argument_changed_that_the_step_uses_or_only_stands_below_of()
    {
        await _app.PushAsync("web/content.txt", $"{Guid.NewGuid():N}\n");
        var run = (await _app.OnceAsync()).Succeeded();
        var missed = run.MissedOf("web");
        // The first step below the argument does not use it; everything after follows from it.
        Assert.Equal(("ArgumentChanged", "GIT_COMMIT_HASH changed and is declared above it"), Of(missed, System));
        Assert.True(missed.Single(m => m.Step == Text(System)).Avoidable);
        Assert.False(missed.Single(m => m.Step.StartsWith("RUN echo \"COMMIT", StringComparison.Ordinal)).Avoidable);
        var advice = (string)Assert.Single(run.Document("web")["advice"]!.AsArray())!;
        Assert.StartsWith("move ARG GIT_COMMIT_HASH (line 7) below line ", advice, StringComparison.Ordinal);
        Assert.Contains("in web/Dockerfile: saves ", advice, StringComparison.Ordinal);
        Assert.EndsWith(" s of every build", advice, StringComparison.Ordinal);

        // Below its argument in the right place, the same step is cached, and the one that uses it says so.
        var moved = Dockerfile().Replace("ARG GIT_COMMIT_HASH=unknown\n", "", StringComparison.Ordinal).Replace("RUN echo \"$GIT", "ARG GIT_COMMIT_HASH=unknown\nRUN echo \"$GIT", StringComparison.Ordinal);
        await _app.PushAsync("web/Dockerfile", moved);
        (await _app.OnceAsync()).Succeeded();
        await _app.PushAsync("web/content.txt", $"{Guid.NewGuid():N}\n");
        run = (await _app.OnceAsync()).Succeeded();
        Assert.DoesNotContain(run.MissedOf("web"), m => m.Step == Text(System));
        Assert.Empty(run.Document("web")["advice"]!.AsArray());
        await _app.PushAsync("web/status", "ok");
        run = (await _app.OnceAsync()).Succeeded();
        Assert.Equal("FilesChanged", run.MissedOf("web")[0].Cause);
        await _app.PushAsync("web/Dockerfile", Dockerfile());
        (await _app.OnceAsync()).Succeeded();
    }

    [Fact]
    public async Task A_step_that_uses_the_argument_says_so()
    {
        const string Uses = "RUN echo \"$FLAVOUR\" > /flavour";
        await _app.PushAsync("web/Dockerfile", Dockerfile().Replace("WORKDIR /deps", $"WORKDIR /deps\nARG FLAVOUR\n{Uses}", StringComparison.Ordinal));
        (await _app.OnceAsync()).Succeeded();
        var compose = await File.ReadAllTextAsync(Path.Combine(_app.Clone, "compose.yaml"));
        await _app.PushAsync("compose.yaml", compose.Replace("FLAVOUR: plain", "FLAVOUR: sweet", StringComparison.Ordinal));
        var run = (await _app.OnceAsync()).Succeeded();
        Assert.Equal(("ArgumentChanged", "FLAVOUR changed and the step uses it"), Of(run.MissedOf("web"), "RUN echo \"sweet\""));
        Assert.False(run.MissedOf("web").Single(m => m.Step.Contains("sweet", StringComparison.Ordinal)).Avoidable);
        await _app.PushAsync(("web/Dockerfile", Dockerfile()), ("compose.yaml", compose));
        (await _app.OnceAsync()).Succeeded();
    }

    [Fact]
    public async Task A_line_of_the_Dockerfile_changed()
    {
        await _app.PushAsync("web/Dockerfile", Dockerfile().Replace("cp packages.txt installed", "cp packages.txt installed && true", StringComparison.Ordinal));
        var run = (await _app.OnceAsync()).Succeeded();
        Assert.Equal(("DockerfileChanged", "line 4 of web/Dockerfile changed"), Of(run.MissedOf("web"), "RUN echo PROJECT > salt"));
        await _app.PushAsync("web/Dockerfile", Dockerfile());
        (await _app.OnceAsync()).Succeeded();
    }

    [Fact]
    public async Task The_base_image_changed()
    {
        var image = $"{_app.Project}-base:1";
        await ReleasedOnce.MakeBaseAsync(_app);
        await _app.PushAsync("web/content.txt", $"{Guid.NewGuid():N}\n");
        var run = (await _app.OnceAsync()).Succeeded();
        Assert.Equal(("BaseImageChanged", $"base image {image} changed"), Of(run.MissedOf("web"), System));
        Assert.False(run.MissedOf("web").Single(m => m.Step == Text(System)).Avoidable);
    }

    [Fact]
    public async Task The_record_was_evicted()
    {
        using var cache = new CacheView(_app);
        await cache.BreakSealAsync("web");
        await CacheView.WipeBuilderAsync();
        await _app.PushAsync("web/content.txt", $"{Guid.NewGuid():N}\n");
        var run = (await _app.OnceAsync()).Succeeded();
        Assert.Equal(7, run.Service("web").Executed);
        Assert.Equal(("RecordEvicted", "nothing of it changed; its record was no longer in the cache"), Of(run.MissedOf("web"), "COPY packages.txt"));
        Assert.Equal("RecordEvicted", Of(run.MissedOf("web"), "RUN echo PROJECT > salt").Cause);
    }

    [Fact]
    public async Task A_fresh_build_was_wanted()
    {
        var run = (await _app.OnceAsync("--force-rebuild")).Succeeded();
        Assert.Equal(7, run.MissedOf("web").Count);
        Assert.All(run.MissedOf("web"), m => Assert.Equal(("FreshBuild", "a fresh build was wanted"), (m.Cause, m.Reason)));
    }

    private static string Dockerfile() => CachedApplication.Dockerfile.Replace("FROM watchparty-sample-base:1\n", "FROM PROJECT-base:1\n", StringComparison.Ordinal);

    private string Text(string step) => step.Replace("PROJECT", _app.Project, StringComparison.Ordinal);

    private (string Cause, string Reason) Of(IReadOnlyList<Missed> missed, string step)
    {
        var found = missed.SingleOrDefault(m => m.Step.StartsWith(Text(step), StringComparison.Ordinal));
        Assert.True(found is not null, $"{Text(step)} did not run, but: {string.Join('\n', missed)}");
        return (found.Cause, found.Reason);
    }
}

using System.Collections.Immutable;
using WatchParty.Tools.Configuration;
using WatchParty.Tools.Docker;

namespace WatchParty.Worker.Tests.Docker;

public sealed class DockerCommandsTests : IDisposable
{
    private static readonly string Folder = Directory.CreateTempSubdirectory("commands-").FullName;
    private static readonly string ComposeFile = Path.Combine(Folder, "compose.yaml"), OddFile = Path.Combine(Folder, "$(id).yaml");

    private static readonly ComposeProject Plain = new(Folder, new ComposeOptions(), "GIT_COMMIT_HASH", ImmutableDictionary<string, string?>.Empty);

    private static readonly BakeFile Targets = new("{}", [], ImmutableDictionary<string, string>.Empty);

    private static readonly ComposeProject Full = Plain with
    {
        Options = new ComposeOptions { Files = ["compose.yaml", "$(id).yaml"], EnvFiles = [".env", "server.env"], Profiles = ["web", "mail"], ProjectName = "party" },
        CommitArgument = "REVISION",
        Environment = ImmutableDictionary<string, string?>.Empty.Add("DOCKER_HOST", "unix:///run/other.sock"),
    };

    public DockerCommandsTests()
    {
        Directory.CreateDirectory(Folder);
        File.WriteAllText(ComposeFile, "");
        File.WriteAllText(OddFile, "");
    }

    public void Dispose() => Directory.Delete(Folder, recursive: true);

    [Fact]
    public void Config_OfAPlainProject_NamesTheFileAndLeavesEveryOtherChoiceToCompose()
    {
        var command = DockerCommands.ComposeConfig(Plain, "abc");

        Assert.Equal(("docker", Folder), (command.Program, command.WorkingDirectory));
        Assert.Equal(["compose", "--ansi", "never", "--file", ComposeFile, "config", "--format", "json"], command.Arguments.AsEnumerable());
        Assert.Equal(
            new Dictionary<string, string?> { ["GIT_COMMIT_HASH"] = "abc", ["PWD"] = Folder, ["BUILDX_NO_DEFAULT_ATTESTATIONS"] = "1", ["BUILDX_METADATA_PROVENANCE"] = "disabled", ["BUILDX_GIT_INFO"] = "false", ["BUILDX_BAKE_ENTITLEMENTS_FS"] = "0" },
            command.Environment);
    }

    [Fact]
    public void Config_IsBoundedInTimeProcessorAndOutput()
    {
        var command = DockerCommands.ComposeConfig(Plain, "abc");

        Assert.Equal((TimeSpan.FromSeconds(30), TimeSpan.FromSeconds(20), 16 * 1024 * 1024), (command.Timeout, command.ProcessorLimit, command.OutputLimit));
        Assert.Equal((1L << 30, 1L << 30), (command.MemoryLimit, DockerCommands.ComposeHashes(Plain, "app", "{}").MemoryLimit));
    }

    [Fact]
    public void Config_OfAConfiguredProject_PassesEachChoiceAsAnArgumentOfItsOwn()
    {
        var command = DockerCommands.ComposeConfig(Full, "abc");

        Assert.Equal(
            [
                "compose", "--ansi", "never", "--project-name", "party", "--file", ComposeFile, "--file", OddFile,
                "--env-file", ".env", "--env-file", "server.env", "--profile", "web", "--profile", "mail", "config", "--format", "json",
            ],
            command.Arguments.AsEnumerable());
        Assert.Equal(("abc", "unix:///run/other.sock"), (command.Environment["REVISION"], command.Environment["DOCKER_HOST"]));
        Assert.DoesNotContain("GIT_COMMIT_HASH", command.Environment.Keys);
    }

    [Fact]
    public void Up_BuildsNothingAndLeavesTheWaitingToUs()
    {
        var command = DockerCommands.ComposeUp(Plain, "abc", TimeSpan.FromMinutes(3), new(Recreate: false, Pull: true));

        Assert.Equal(
            ["compose", "--ansi", "never", "--file", ComposeFile, "--progress", "plain", "up", "--detach", "--no-build"],
            command.Arguments.AsEnumerable());
        Assert.Equal("true", command.Environment["COMPOSE_IGNORE_ORPHANS"]);
        Assert.Equal("abc", command.Environment["GIT_COMMIT_HASH"]);
        Assert.True(command.Timeout > TimeSpan.FromMinutes(3));
    }

    [Fact]
    public void Up_OfSomeServices_NamesThemLast() =>
        Assert.Equal(["--no-build", "--", "backend", "-odd"], DockerCommands.ComposeUp(Plain, "abc", TimeSpan.FromSeconds(5), new(Recreate: false, Pull: true), "backend", "-odd").Arguments.TakeLast(4));

    [Fact]
    public void Services_AreAskedOfEveryProfile() =>
        Assert.Equal(["--profile", "*", "config", "--services"], DockerCommands.ComposeServices(Plain, "abc").Arguments.TakeLast(4));

    [Fact]
    public void FurtherFiles_AreMergedLast()
    {
        var command = DockerCommands.ComposeUp(Full with { FurtherFiles = ["/state/back.yaml"] }, "abc", TimeSpan.FromSeconds(5), new(Recreate: false, Pull: true));

        Assert.Equal(["--file", ComposeFile, "--file", OddFile, "--file", "/state/back.yaml", "--env-file", ".env"], command.Arguments.Skip(5).Take(8));
    }

    [Fact]
    public void EnvFilesThatComposeWouldNotFindWithTheFiles_AreNamed()
    {
        Directory.CreateDirectory(Path.Combine(Folder, "deploy"));
        File.WriteAllText(Path.Combine(Folder, "deploy/base.yaml"), "");
        File.WriteAllText(Path.Combine(Folder, ".env"), "COMPOSE_FILE=deploy/base.yaml\n");

        Assert.Equal(["--file", Path.Combine(Folder, "deploy/base.yaml"), "--env-file", Path.Combine(Folder, ".env")], DockerCommands.ComposeConfig(Plain, "abc").Arguments.Skip(3).Take(4));
    }

    [Fact]
    public void Up_OfWhatIsMadeAnewFromWhatIsThere_SaysBoth() =>
        Assert.Equal(["--force-recreate", "--pull", "never", "--", "web"],
            DockerCommands.ComposeUp(Plain, "abc", TimeSpan.FromSeconds(5), new(Recreate: true, Pull: false), "web").Arguments.TakeLast(5));

    [Fact]
    public void Hashes_AreAskedOfTheResolvedModel()
    {
        var command = DockerCommands.ComposeHashes(Plain, "app", "{}");

        Assert.Equal(["compose", "--ansi", "never", "--project-name", "app", "--profile", "*", "--file", "-", "config", "--hash", "*"], command.Arguments.AsEnumerable());
        Assert.Equal("{}", command.Input);
    }

    [Fact]
    public void Bake_ReadsTheModelFromItsInputAndNamesItsTargets()
    {
        var options = new BuildOptions { Timeout = TimeSpan.FromMinutes(7), SilenceTimeout = TimeSpan.FromMinutes(3) };
        var command = DockerCommands.Bake(Full, options, Targets, ["backend", "frontend"], withoutCache: false, pull: false);

        Assert.Equal(["buildx", "bake", "--progress", "rawjson", "--file", "-", "backend", "frontend"], command.Arguments.AsEnumerable());
        Assert.Equal(("{}", Folder, TimeSpan.FromMinutes(7), TimeSpan.FromMinutes(3)), (command.Input, command.WorkingDirectory, command.Timeout, command.SilenceLimit));
        Assert.Equal(("1", "disabled", "unix:///run/other.sock"), (command.Environment["BUILDX_NO_DEFAULT_ATTESTATIONS"], command.Environment["BUILDX_METADATA_PROVENANCE"], command.Environment["DOCKER_HOST"]));
    }

    [Fact]
    public void Bake_ThatIsFresh_TakesNoCacheAndPulls() => Assert.Equal(
        ["buildx", "bake", "--progress", "rawjson", "--file", "-", "--no-cache", "--pull", "backend"],
        DockerCommands.Bake(Plain, new BuildOptions(), Targets, ["backend"], withoutCache: true, pull: true).Arguments.AsEnumerable());

    [Fact]
    public void Bake_GetsLeaveAndTheValuesOfSecrets()
    {
        var command = DockerCommands.Bake(
            Plain, new BuildOptions(), new BakeFile("{}", ["network.host"], ImmutableDictionary<string, string>.Empty.Add("TOKEN", "t")), ["web"], withoutCache: false, pull: false);

        Assert.Equal(["buildx", "bake", "--progress", "rawjson", "--file", "-", "--allow", "network.host", "web"], command.Arguments.AsEnumerable());
        Assert.Equal("t", command.Environment["TOKEN"]);
    }

    [Fact]
    public void Bake_OnABuilderOfItsOwn_LoadsTheImage() => Assert.Equal(
        ["buildx", "bake", "--progress", "rawjson", "--file", "-", "--builder", "remote", "--load", "--no-cache", "backend"],
        DockerCommands.Bake(Plain, new BuildOptions { Builder = "remote" }, Targets, ["backend"], withoutCache: true, pull: false).Arguments.AsEnumerable());

    [Fact]
    public void Pull_EndsItsOptionsBeforeTheImage() => Assert.Equal(["pull", "--quiet", "--", "-x"], DockerCommands.Pull(Plain, "-x").Arguments.AsEnumerable());

    [Fact]
    public void Questions_ToTheClientItself_NeedNoProjectAndLittleTime()
    {
        Assert.Equal(["context", "inspect", "--format", "{{.Endpoints.docker.Host}}"], DockerCommands.ContextEndpoint().Arguments.AsEnumerable());
        Assert.Equal(["compose", "version", "--short"], DockerCommands.ComposeVersion().Arguments.AsEnumerable());
        Assert.Equal(["buildx", "version"], DockerCommands.BuildxVersion().Arguments.AsEnumerable());
        Assert.All([DockerCommands.ContextEndpoint(), DockerCommands.ComposeVersion(), DockerCommands.BuildxVersion()], c => Assert.Equal(TimeSpan.FromSeconds(20), c.Timeout));
    }

    [Fact]
    public void Project_TakesTheEndpointOnlyWhenOneIsConfigured()
    {
        var options = new WorkerOptions();
        Assert.Empty(ComposeProject.From(options).Environment);

        options.Docker.Endpoint = "tcp://engine:2375";
        Assert.Equal("tcp://engine:2375", ComposeProject.From(options).Environment["DOCKER_HOST"]);
    }
}

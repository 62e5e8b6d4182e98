using WatchParty.Tools.Configuration;
using WatchParty.Tools.Docker;
using WatchParty.Tools.Failures;
using WatchParty.Tools.Files;

namespace WatchParty.Worker.Tests.Docker;

public sealed class ComposeFilesTests : IDisposable
{
    private readonly string _root = PhysicalPath.Of(Directory.CreateTempSubdirectory("files-").FullName);
    private readonly Dictionary<string, string> _environment = [];

    public ComposeFilesTests() => Directory.CreateDirectory(Folder);

    private string Folder => Path.Combine(_root, "app");

    public void Dispose() => Directory.Delete(_root, recursive: true);

    [Theory]
    [InlineData("compose.yaml", "compose.yaml compose.yml docker-compose.yml docker-compose.yaml")]
    [InlineData("compose.yml", "compose.yml docker-compose.yml docker-compose.yaml")]
    [InlineData("docker-compose.yml", "docker-compose.yml docker-compose.yaml")]
    [InlineData("docker-compose.yaml", "docker-compose.yaml")]
    [InlineData("compose.yaml compose.override.yml", "compose.yaml compose.override.yml compose.override.yaml docker-compose.override.yml")]
    [InlineData("compose.yaml docker-compose.override.yml", "compose.yaml docker-compose.override.yml docker-compose.override.yaml")]
    [InlineData("docker-compose.yml compose.override.yaml", "docker-compose.yml compose.override.yaml")]
    public void OfSeveralNames_ComposesOwnOrderDecides(string found, string there)
    {
        foreach (var name in there.Split(' ')) { Write($"app/{name}"); }

        Assert.Equal(found.Split(' '), Names(Find()));
        Assert.Empty(Find().EnvFiles);
        Assert.Equal(Folder, Find().ProjectFolder);
    }

    [Fact]
    public void AFileAboveTheCheckout_IsNeverTaken()
    {
        Write("compose.yaml");
        Write("app/compose.override.yaml");

        var message = Refusal();

        Assert.Contains(
            $"There is no compose file in {Folder}: looked for compose.yaml, compose.yml, docker-compose.yml, docker-compose.yaml",
            message, StringComparison.Ordinal);
        Assert.Contains("Compose:Files", message, StringComparison.Ordinal);
    }

    [Fact]
    public void Configured_FilesGoBeforeTheVariableAndThatOfTheProcessBeforeTheOneOfTheEnvFile()
    {
        foreach (var name in new[] { "compose.yaml", "a.yaml", "b.yaml", "deploy/c.yaml" }) { Write($"app/{name}"); }
        Write("app/.env", "COMPOSE_FILE=a.yaml:b.yaml\n");
        Assert.Equal(["a.yaml", "b.yaml"], Names(Find()));

        _environment["COMPOSE_FILE"] = "deploy/c.yaml";
        Assert.Equal(["c.yaml"], Names(Find()));
        Assert.Equal(Path.Combine(Folder, "deploy"), Find().ProjectFolder);

        Assert.Equal(["compose.yaml"], Names(Find("compose.yaml")));
    }

    [Fact]
    public void EnvFiles_AreThoseThatComposeReads()
    {
        foreach (var name in new[] { "compose.yaml", "a.yaml", "b.yaml", "c.yaml" }) { Write($"app/{name}"); }
        Write("app/.env", "COMPOSE_FILE=a.yaml;b.yaml\nCOMPOSE_PATH_SEPARATOR=;\n");
        Write("app/server.env", "COMPOSE_FILE=c.yaml\n");
        Assert.Equal(["a.yaml", "b.yaml"], Names(Find()));

        Assert.Equal(["c.yaml"], Names(ComposeFiles.Find(Folder, new ComposeOptions { EnvFiles = [".env", "server.env"] }, Look)));
        _environment["COMPOSE_ENV_FILES"] = "server.env,missing.env";
        Assert.Equal(["c.yaml"], Names(Find()));
        _environment["COMPOSE_ENV_FILES"] = "";
        _environment["COMPOSE_DISABLE_ENV_FILE"] = "true";
        Assert.Equal(["compose.yaml"], Names(Find()));
    }

    [Fact]
    public void AnEnvFileThatComposeWouldOverlookWithAFileElsewhere_IsNamed()
    {
        foreach (var name in new[] { "compose.yaml", "deploy/c.yaml" }) { Write($"app/{name}"); }
        Write("app/.env", "COMPOSE_FILE=compose.yaml:deploy/c.yaml\n");
        Assert.Empty(Find().EnvFiles);

        Write("app/.env", "COMPOSE_FILE=deploy/c.yaml:compose.yaml\n");
        Assert.Equal([Path.Combine(Folder, ".env")], Find().EnvFiles.AsEnumerable());
        Write("app/deploy/.env", "");
        Assert.Equal([Path.Combine(Folder, "deploy/.env"), Path.Combine(Folder, ".env")], Find().EnvFiles.AsEnumerable());
        // What is configured is as with compose's own --file.
        Assert.Empty(Find("deploy/c.yaml").EnvFiles);
        Assert.Empty(ComposeFiles.Find(Folder, new ComposeOptions { EnvFiles = [".env", "deploy/.env"] }, Look).EnvFiles);
    }

    [Fact]
    public void AFileThatIsNamedAndMissing_IsNamedWithWhatNamesIt()
    {
        Write("app/compose.yaml");
        Assert.Contains(
            $"{Path.Combine(Folder, "server.yaml")} does not exist. It is named by Compose:Files",
            Refusal("compose.yaml", "server.yaml"), StringComparison.Ordinal);

        Write("app/.env", "COMPOSE_FILE=gone.yaml\n");
        Assert.Contains($"It is named by COMPOSE_FILE of {Path.Combine(Folder, ".env")}", Refusal(), StringComparison.Ordinal);

        Write("app/.env", "COMPOSE_FILE=${STAGE:?is needed}.yaml\n");
        Assert.Contains("Compose:Files", Refusal(), StringComparison.Ordinal);
    }

    [Fact]
    public void APathThatLeadsOut_CountsOnlyInFull()
    {
        Write("other/compose.yaml");
        Directory.CreateSymbolicLink(Path.Combine(Folder, "linked"), Path.Combine(_root, "other"));
        foreach (var name in new[] { "../other/compose.yaml", "linked/compose.yaml" })
        {
            var message = Refusal(name);
            Assert.Contains(
                $"The compose file {name} (Compose:Files) leads out of the checkout {Folder}, "
                + $"to {Path.Combine(_root, "other/compose.yaml")}", message, StringComparison.Ordinal);
            _environment["COMPOSE_FILE"] = name;
            Assert.Contains("(COMPOSE_FILE of the environment) leads out", Refusal(), StringComparison.Ordinal);
        }

        var full = Path.Combine(_root, "other/compose.yaml");
        Assert.Equal([full], Find(full).Paths.AsEnumerable());
        _environment["COMPOSE_FILE"] = full;
        Assert.Equal([full], Find().Paths.AsEnumerable());
    }

    [Fact]
    public void ALinkOfADefaultName_MayNotLeadOutEither()
    {
        Write("other/compose.yaml");
        Write("app/files/compose.yaml");
        File.CreateSymbolicLink(Path.Combine(Folder, "compose.yaml"), "files/compose.yaml");
        Assert.Equal([Path.Combine(Folder, "compose.yaml")], Find().Paths.AsEnumerable());

        File.CreateSymbolicLink(Path.Combine(Folder, "compose.override.yaml"), "../other/compose.yaml");
        Assert.Contains("leads out of the checkout", Refusal(), StringComparison.Ordinal);
    }

    [Fact]
    public void APathThatOnlyLooksAsIfItLedOut_IsTaken()
    {
        Write("app/compose.yaml");
        Directory.CreateSymbolicLink(Path.Combine(_root, "here"), Folder);

        Assert.Equal(["compose.yaml"], Names(Find("../app/compose.yaml")));
        var linked = ComposeFiles.Find(Path.Combine(_root, "here"), new ComposeOptions(), Look);
        Assert.Equal([Path.Combine(_root, "here/compose.yaml")], linked.Paths.AsEnumerable());
    }

    [Fact]
    public void AFileThatComposeWouldReadForEver_IsRefused()
    {
        Write("app/compose.yaml");
        Directory.CreateDirectory(Path.Combine(Folder, "folder.yaml"));
        File.WriteAllBytes(Path.Combine(Folder, "large.yaml"), new byte[1024 * 1024 + 1]);

        Assert.Contains("is not a regular file, or is larger than 1 MiB", Refusal("folder.yaml"), StringComparison.Ordinal);
        Assert.Contains("is not a regular file, or is larger than 1 MiB", Refusal("compose.yaml", "large.yaml"), StringComparison.Ordinal);
        File.CreateSymbolicLink(Path.Combine(Folder, ".env"), "/dev/zero");
        Assert.Contains("The env file", Refusal(), StringComparison.Ordinal);
    }

    private string? Look(string name) => _environment.GetValueOrDefault(name);

    private ComposeFiles Find(params string[] files) => ComposeFiles.Find(Folder, new ComposeOptions { Files = files }, Look);

    private string Refusal(params string[] files) => Assert.Throws<WorkerException>(() => Find(files)).Message;

    private static string[] Names(ComposeFiles files) => [.. files.Paths.Select(p => Path.GetFileName(p))];

    private void Write(string path, string text = "services: {}\n")
    {
        var file = Path.Combine(_root, path);
        Directory.CreateDirectory(Path.GetDirectoryName(file)!);
        File.WriteAllText(file, text);
    }
}

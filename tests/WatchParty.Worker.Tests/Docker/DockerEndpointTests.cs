using Microsoft.Extensions.Logging.Abstractions;
using WatchParty.Tools.Configuration;
using WatchParty.Tools.Docker;
using WatchParty.Tools.Failures;
using WatchParty.Tools.Processes;
using WatchParty.Worker.Tests.Fakes;

namespace WatchParty.Worker.Tests.Docker;

[Collection(ProcessEnvironment.Collection)]
public sealed class DockerEndpointTests : IDisposable
{
    private readonly string _folder = Directory.CreateTempSubdirectory("endpoint-").FullName;
    private readonly ProcessEnvironment _environment = new();

    public DockerEndpointTests() => _environment["DOCKER_HOST"] = null;

    public void Dispose()
    {
        _environment.Dispose();
        Directory.Delete(_folder, recursive: true);
    }

    private static Task<Uri> ResolveAsync(string? configured) =>
        DockerEndpoint.ResolveAsync(new DockerOptions { Endpoint = configured }, new ToolRunner(TimeProvider.System, NullLogger<ToolRunner>.Instance), CancellationToken.None);

    /// <summary>A docker CLI that knows nothing but its context.</summary>
    private void Install(string script)
    {
        var file = Path.Combine(_folder, "docker");
        File.WriteAllText(file, $"#!/bin/sh\n{script}\n");
        File.SetUnixFileMode(file, UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute);
        _environment["PATH"] = $"{_folder}:{Environment.GetEnvironmentVariable("PATH")}";
    }

    [Fact]
    public async Task Endpoint_ThatIsConfigured_ComesFirst()
    {
        _environment["DOCKER_HOST"] = "tcp://other:2375";

        Assert.Equal(new Uri("unix:///run/mine.sock"), await ResolveAsync("unix:///run/mine.sock"));
    }

    [Fact]
    public async Task Variable_ComesBeforeTheContext()
    {
        Install("echo unix:///run/context.sock");
        _environment["DOCKER_HOST"] = "tcp://other:2375";

        Assert.Equal(new Uri("tcp://other:2375"), await ResolveAsync(null));
    }

    [Fact]
    public async Task Context_IsAskedOfTheClient()
    {
        Install("echo unix:///run/context.sock");

        Assert.Equal(new Uri("unix:///run/context.sock"), await ResolveAsync(null));
    }

    [Theory]
    [InlineData("exit 1")]
    [InlineData("echo")]
    public async Task Context_ThatSaysNothing_MeansTheDefault(string script)
    {
        Install(script);

        Assert.Equal(new Uri("unix:///var/run/docker.sock"), await ResolveAsync(null));
    }

    [Fact]
    public async Task Client_ThatIsNotInstalled_MeansTheDefault()
    {
        _environment["PATH"] = _folder;

        Assert.Equal(new Uri("unix:///var/run/docker.sock"), await ResolveAsync(null));
    }

    [Theory]
    [InlineData("ssh://root@host")]
    [InlineData("fd://3")]
    [InlineData("nonsense")]
    public async Task Endpoint_OfAnotherForm_IsAFaultThatSaysWhereItComesFrom(string text)
    {
        _environment["DOCKER_HOST"] = text;

        var error = await Assert.ThrowsAsync<WorkerException>(() => ResolveAsync(null));
        Assert.Equal(Remedy.NeedsPerson, error.Remedy);
        Assert.StartsWith($"DOCKER_HOST is '{text}'", error.Message, StringComparison.Ordinal);
        Assert.Contains("Set Docker:Endpoint to unix:///", error.Message, StringComparison.Ordinal);
    }
}

using Microsoft.Extensions.Logging.Abstractions;
using WatchParty.Tools.Configuration;
using WatchParty.Tools.Docker;
using WatchParty.Tools.Processes;
using WatchParty.Worker.EngineTests.Harness;
using WatchParty.Worker.Tests.Contract;

namespace WatchParty.Worker.EngineTests.Contract;

/// <summary>A real engine keeps to it, on either image store.</summary>
public sealed class RealContractTests : EngineContract, IDisposable
{
    private readonly DockerEngine _engine;

    public RealContractTests()
    {
        Runner = new ToolRunner(TimeProvider.System, NullLogger<ToolRunner>.Instance);
        _engine = new DockerEngine(token => DockerEndpoint.ResolveAsync(new DockerOptions(), Runner, token), TimeProvider.System);
    }

    private protected override IDockerEngine Engine => _engine;

    private protected override IToolRunner Runner { get; }

    public void Dispose() => _engine.Dispose();

    private protected override Task UntilAsync(Func<Task<bool>> holds) => Eventually.HoldsAsync(holds, "what the contract says");

    private protected override Task CleanUpAsync() => Command.ShellAsync($"""
        label=label=com.docker.compose.project={Name}
        networks=$(docker network ls -q --filter $label); [ -z "$networks" ] || docker network rm $networks
        volumes=$(docker volume ls -q --filter $label); [ -z "$volumes" ] || docker volume rm $volumes
        docker image prune -f --filter label=watchparty.worker.project={Name}
        """);
}

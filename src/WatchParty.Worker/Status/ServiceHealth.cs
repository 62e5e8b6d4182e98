using WatchParty.Releases.Planning;
using WatchParty.Releases.Recording;
using WatchParty.Releases.Releasing;
using WatchParty.Tools.Docker;

namespace WatchParty.Worker.Status;

/// <summary>How a service of the application fares.</summary>
/// <param name="State">In words: <c>healthy</c>, <c>running</c>, <c>not there</c>, <c>exited (1)</c>.</param>
/// <param name="Restarts">Times that the engine started it again by itself.</param>
internal sealed record ServiceHealth(string Name, string State, bool Good, int Restarts);

/// <summary>Looks at the containers of what is deployed.</summary>
internal sealed class ServiceHealthReader(History history, ReleasePlanning planning, IDockerEngine engine)
{
    private (long Release, ComposeModel Model)? _known;

    public async Task<IReadOnlyList<ServiceHealth>> ReadAsync(CancellationToken cancellationToken)
    {
        if (history.DeployedNumber() is not { } deployed) { return []; }
        if (_known?.Release != deployed.Id) { _known = (deployed.Id, await planning.ModelAsync(deployed.Commit, cancellationToken)); }
        var model = _known!.Value.Model;
        var containers = await Task.WhenAll((await engine.ContainersAsync(model.Project, cancellationToken))
            .Select(async c => (c.Service, Details: await engine.FindContainerAsync(c.Id, cancellationToken))));
        return [.. model.Services.Select(
            s => Of(s, [.. containers.Where(c => c.Service == s.Name).Select(c => c.Details).OfType<ContainerDetails>()]))];
    }

    private static ServiceHealth Of(ComposeService service, IReadOnlyList<ContainerDetails> containers)
    {
        var states = containers.Select(c => c.State switch
        {
            { Restarting: true } => ("restarting", false),
            { Running: true, Health.Status: "healthy" or "unhealthy" or "starting" } s => (s.Health!.Status, s.Health.Status == "healthy"),
            { Running: true } => ("running", true),
            { Status: "exited", ExitCode: 0 } when service.OneShot => ("done", true),
            var s => ($"{s.Status} ({s.ExitCode})", false),
        }).OrderBy(s => s.Item2).ToList();
        if (containers.Count < service.Replicas && states.All(s => s.Item2))
        {
            states.Insert(0, (containers.Count == 0 ? "not there" : $"{containers.Count} of {service.Replicas} there", false));
        }
        var (state, good) = states.FirstOrDefault(("none wanted", true));
        return new ServiceHealth(service.Name, state, good, containers.Sum(c => c.RestartCount));
    }
}

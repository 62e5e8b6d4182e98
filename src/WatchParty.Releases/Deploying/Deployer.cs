using System.Collections.Immutable;
using System.Text.Json.Nodes;
using Microsoft.Extensions.Logging;
using WatchParty.Releases.Planning;
using WatchParty.Tools.Docker;
using WatchParty.Tools.Failures;
using WatchParty.Tools.Processes;

namespace WatchParty.Releases.Deploying;

/// <summary>Brings the containers to the model, with the images that exist, and touches none that is as it should be.</summary>
internal sealed class Deployer(
    DeploymentTools tools, IDockerEngine engine, Ownership ownership, MountWatch mounts, ILogger<Deployer> logger)
{
    private (string? Model, Task<IReadOnlyDictionary<string, string>?>? Hashes) _ahead;

    /// <summary>Asks compose already now, while images are built, what <see cref="DecideAsync"/> will need of it. Does not wait for the
    /// answer.</summary>
    public async Task AskAheadAsync(ReleasePlan plan, CancellationToken cancellationToken)
    {
        if (plan.Builds.Count == 0) { return; }
        var model = WithSharedContainers(plan.Model, await LookAsync(plan.Model, cancellationToken));
        _ahead = (model, HashesAsync(plan.Model.Project, model, cancellationToken));
    }

    /// <summary>Whether anything of <paramref name="plan"/> is not running as it should, so that compose has to be called.</summary>
    public async Task<bool> IsNeededAsync(ReleasePlan plan, CancellationToken cancellationToken)
    {
        if (plan.ConfigurationChanged || plan.Named.Any() || plan.HasReactions) { return true; }
        var containers = await engine.ContainersAsync(plan.Model.Project, cancellationToken);
        // It went back under a name of ours, and its own name may be free again.
        if (containers.Any(c => KeptImages.Parse(c.Image) is not null)) { return true; }
        return plan.Model.Services.Any(s => !s.OneShot && containers.Count(c => c.Service == s.Name && c.State == "running") != s.Replicas);
    }

    /// <param name="whole">Whether compose has to look at the whole application whatever the containers are.</param>
    /// <param name="images">Id of the image that each service has to run; those that the image names of the model stand for when
    /// null.</param>
    public async Task<Deployment> DecideAsync(
        ComposeModel model, bool whole, CancellationToken cancellationToken, IReadOnlyDictionary<string, string>? images = null)
    {
        var before = await LookAsync(model, cancellationToken);
        var seen = await mounts.ReadAsync(model, [], cancellationToken);
        var reactions = mounts.Reactions(model, seen, before);
        // Compose up to 2.29.2 hashes what a service depends on, and differently when that is not in the model (profiles).
        var all = whole || before.All.IsEmpty
            || model.Services.Any(s => s.DependsOn.Any(d => model.Services.All(other => other.Name != d)));
        var differing = !all && await HashesAsync(model, before, cancellationToken) is { } hashes
            ? Deployment.Differing(model, before, await ExpectedAsync(model, images, cancellationToken) with { Hashes = hashes })
            : null;
        return new Deployment(model, differing, reactions, before) { Images = images, Mounts = seen };
    }

    /// <summary>In what the containers are not what the model and the images of <paramref name="deployment"/> say; asked after compose has
    /// ended.</summary>
    /// <remarks>Without the hashes of configurations: those compose has compared itself by then, and better, since ours cannot be had
    /// exactly for every service (<see cref="Deployment.Differing"/>).</remarks>
    public async Task<IReadOnlyList<Difference>> DifferencesAsync(Deployment deployment, CancellationToken cancellationToken)
    {
        var expected = await ExpectedAsync(deployment.Model, deployment.Images, cancellationToken);
        return Differences.Of(deployment.Model, await LookAsync(deployment.Model, cancellationToken), expected);
    }

    private async Task<Expected> ExpectedAsync(
        ComposeModel model, IReadOnlyDictionary<string, string>? images, CancellationToken cancellationToken)
    {
        var services = model.Services.Where(s => s.Replicas > 0).ToList();
        var named = images is null ? await engine.ImageIdsAsync(services.Select(s => s.Image), cancellationToken) : null;
        var names = services.SelectMany(s => s.Networks).Where(model.Networks.ContainsKey).Select(key => model.Networks[key].Name);
        Dictionary<string, NetworkDetails> networks = [];
        foreach (var name in names.Distinct())
        {
            if (await engine.FindNetworkAsync(name, cancellationToken) is { } network) { networks[name] = network; }
        }
        var wanted = named is null
            ? images!.ToDictionary(i => i.Key, i => (string?)i.Value)
            : services.ToDictionary(s => s.Name, s => named.GetValueOrDefault(s.Image));
        return new Expected(null, wanted, networks);
    }

    public Task<ContainerSet> LookAsync(ComposeModel model, CancellationToken cancellationToken) =>
        tools.LookAsync(model, cancellationToken);

    /// <summary>Removes what the model has no more, runs <c>compose up</c> for what differs, then gives each service what it has to get
    /// because of what it mounts. What differs even then is made anew once, because compose only starts a container that is stopped, also
    /// when that has lost a network. It is not cut short by a stop of the worker, because a killed <c>compose up</c> leaves services
    /// down; <paramref name="hardStop"/> is the limit.</summary>
    /// <param name="pull">Whether compose may pull an image that is not on the engine.</param>
    /// <exception cref="ToolFailedException">Compose did not come to an end.</exception>
    /// <exception cref="WorkerException">Compose refused before it touched a container.</exception>
    public async Task<UpAnswer> UpAsync(string commit, Deployment deployment, CancellationToken hardStop, bool pull = true)
    {
        var stillThere = await ownership.MakeRoomAsync(deployment.Model, commit, hardStop);
        var calls = new DeploymentCalls(tools, commit, deployment.Model, pull, hardStop);
        if (deployment.Services is not { IsEmpty: true })
        {
            await calls.UpAsync(deployment.Services ?? [], recreate: false);
            if (calls.Complaint is not null && (await LookAsync(deployment.Model, hardStop)).IsUntouchedSince(deployment.Before))
            {
                throw new WorkerException($"Docker compose refused, and no container was touched: {calls.Complaint}",
                    Remedy.RetriedByItself);
            }
        }
        await calls.ReactAsync(deployment.Reactions, deployment.Before);
        if ((calls.Complaint ?? stillThere) is { } complaint) { return new UpAnswer(complaint, [], calls.Notes); }

        var differences = await DifferencesAsync(deployment, hardStop);
        if (differences.Count > 0)
        {
            calls.Note($"{differences[0].Words}, and was made anew for that after compose had left it so");
            var different = Deployment.WithFollowers(deployment.Model, differences.Select(d => d.Service));
            await calls.UpAsync(different, recreate: true);
            if (calls.Complaint is null) { differences = await DifferencesAsync(deployment, hardStop); }
        }
        var seen = await mounts.ReadAsync(deployment.Model, [], hardStop);
        if (!seen.IsEmpty)
        {
            // Files may have been replaced after a container mounted them.
            var now = await LookAsync(deployment.Model, hardStop);
            await calls.ReactAsync(mounts.ReactionsAfter(deployment, seen, now), now);
        }
        return new UpAnswer(calls.Complaint, differences, calls.Notes) { Mounts = seen };
    }

    /// <summary>Remembers what the containers were started with, once a deployment is healthy.</summary>
    public async Task RememberAsync(Deployment deployment, UpAnswer up, CancellationToken cancellationToken)
    {
        if (up.Mounts.IsEmpty) { return; }
        await mounts.RememberAsync(deployment, up.Mounts, await LookAsync(deployment.Model, cancellationToken), cancellationToken);
    }

    /// <summary>The same of containers that differ in nothing from what is there now.</summary>
    public async Task RememberAsync(ComposeModel model, CancellationToken cancellationToken)
    {
        var seen = await mounts.ReadAsync(model, [], cancellationToken);
        await RememberAsync(new Deployment(model, [], Deployment.NoReactions, new ContainerSet([])),
            UpAnswer.Nothing with { Mounts = seen }, cancellationToken);
    }

    private async Task<IReadOnlyDictionary<string, string>?> HashesAsync(ComposeModel model, ContainerSet containers,
        CancellationToken cancellationToken)
    {
        var asked = WithSharedContainers(model, containers);
        // That of a build which was cancelled was cancelled with it.
        return asked == _ahead.Model && _ahead.Hashes is { IsCanceled: false, IsFaulted: false }
            ? await _ahead.Hashes.WaitAsync(cancellationToken)
            : await HashesAsync(model.Project, asked, cancellationToken);
    }

    /// <summary>What compose makes of the configuration of each service; null when it does not say.</summary>
    /// <remarks>The resolved model is what goes in, because compose leaves out env files when it is asked for hashes of its own
    /// files.</remarks>
    private async Task<IReadOnlyDictionary<string, string>?> HashesAsync(string name, string model, CancellationToken cancellationToken)
    {
        try
        {
            var lines = await tools.Runner.OutputOfAsync(DockerCommands.ComposeHashes(tools.Project, name, model), cancellationToken);
            return lines.Split('\n').Select(l => l.Trim().Split(' ')).Where(p => p.Length == 2).ToDictionary(p => p[0], p => p[1]);
        }
        catch (ToolFailedException e)
        {
            logger.NoHashes(e.Message);
            return null;
        }
    }

    /// <summary>The model with containers in the place of services whose namespaces are shared, as compose has it when it hashes a
    /// service.</summary>
    private static string WithSharedContainers(ComposeModel model, ContainerSet containers)
    {
        var root = JsonNode.Parse(model.Text)!.AsObject();
        foreach (var service in (root["services"] as JsonObject ?? []).Select(s => s.Value).OfType<JsonObject>())
        {
            foreach (var kind in ComposeService.SharedNamespaces)
            {
                if (ComposeService.SharedWith(service[kind]?.GetValue<string>()) is { } other && containers.Of(other) is [var first, ..])
                {
                    service[kind] = $"container:{first.Id}";
                }
            }
        }
        return root.ToJsonString();
    }
}

/// <summary>What <c>compose up</c> came to.</summary>
/// <param name="Complaint">What it, or the engine at a restart, was not content with, so that nothing can be called a success; null when it
/// ended well.</param>
/// <param name="Differences">What is not as the model says though compose ended well.</param>
/// <param name="Notes">What it passed over.</param>
internal sealed record UpAnswer(string? Complaint, IReadOnlyList<Difference> Differences, ImmutableArray<string> Notes)
{
    /// <summary>What was mounted when the last container was started.</summary>
    public MountsSeen Mounts { get; init; } = MountsSeen.None;

    /// <summary>Nothing had to be done.</summary>
    public static UpAnswer Nothing { get; } = new(null, [], []);
}

internal static partial class DeployerLog
{
    [LoggerMessage(Level = LogLevel.Warning,
        Message = "Compose looks at the whole application, because it does not say what differs: {Reason}")]
    public static partial void NoHashes(this ILogger logger, string reason);
}

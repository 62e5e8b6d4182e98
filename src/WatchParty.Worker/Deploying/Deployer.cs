using System.Collections.Immutable;
using System.Text.Json.Nodes;
using Microsoft.Extensions.Logging;
using WatchParty.Worker.Configuration;
using WatchParty.Worker.Hosting;
using WatchParty.Worker.Planning;
using WatchParty.Worker.Releasing;
using WatchParty.Worker.Tools;

namespace WatchParty.Worker.Deploying;

/// <summary>Brings the containers to the model, with the images that exist, and touches none that is as it should be.</summary>
internal sealed class Deployer(WorkerOptions options, StateFolder state, ComposeProject project, IToolRunner runner, IDockerEngine engine, Ownership ownership, ProgressFeed progress, ILogger<Deployer> logger)
{
    private (string? Model, Task<IReadOnlyDictionary<string, string>?>? Hashes) _ahead;

    /// <summary>Asks compose already now, while images are built, what <see cref="DecideAsync"/> will need of it. Does not wait for the answer.</summary>
    public async Task AskAheadAsync(ReleasePlan plan, CancellationToken cancellationToken)
    {
        if (plan.Builds.Count == 0) { return; }
        var model = WithSharedContainers(plan.Model, await LookAsync(plan.Model, cancellationToken));
        _ahead = (model, HashesAsync(plan.Model.Project, model, cancellationToken));
    }

    /// <summary>Whether anything of <paramref name="plan"/> is not running as it should, so that compose has to be called.</summary>
    public async Task<bool> IsNeededAsync(ReleasePlan plan, CancellationToken cancellationToken)
    {
        if (plan.ConfigurationChanged || plan.Named.Any() || plan.Restarts.Count > 0) { return true; }
        var containers = await engine.ContainersAsync(plan.Model.Project, cancellationToken);
        // It went back under a name of ours, and its own name may be free again.
        if (containers.Any(c => KeptImages.Parse(c.Image) is not null)) { return true; }
        return plan.Model.Services.Any(s => !s.OneShot && containers.Count(c => c.Service == s.Name && c.State == "running") != s.Replicas);
    }

    /// <param name="restarts">Services to restart whose containers may stay otherwise, with the reason.</param>
    /// <param name="whole">Whether compose has to look at the whole application whatever the containers are.</param>
    /// <param name="images">Id of the image that each service has to run; those that the image names of the model stand for when null.</param>
    public async Task<Deployment> DecideAsync(
        ComposeModel model, IReadOnlyDictionary<string, string> restarts, bool whole, CancellationToken cancellationToken,
        IReadOnlyDictionary<string, string>? images = null)
    {
        var before = await LookAsync(model, cancellationToken);
        // Compose up to 2.29.2 hashes what a service depends on, and differently when that is not in the model (profiles).
        if (whole || before.All.IsEmpty || model.Services.Any(s => s.DependsOn.Any(d => model.Services.All(other => other.Name != d))) || await HashesAsync(model, before, cancellationToken) is not { } hashes)
        {
            return new Deployment(model, null, restarts, before) { Images = images };
        }
        var differing = Deployment.Differing(model, before, await ExpectedAsync(model, images, cancellationToken) with { Hashes = hashes });
        return new Deployment(model, differing, restarts, before) { Images = images };
    }

    /// <summary>In what the containers are not what the model and the images of <paramref name="deployment"/> say; asked after compose has ended.</summary>
    /// <remarks>Without the hashes of configurations: those compose has compared itself by then, and better, since ours cannot be had exactly
    /// for every service (<see cref="Deployment.Differing"/>).</remarks>
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
        ContainerSet.LookAsync(engine, model.Project, cancellationToken);

    /// <summary>Removes what the model has no more, runs <c>compose up</c> for what differs, then restarts what only has to start again. What differs even then is
    /// made anew once, because compose only starts a container that is stopped, also when that has lost a network. It is not cut short by a stop of the
    /// worker, because a killed <c>compose up</c> leaves services down; <paramref name="hardStop"/> is the limit.</summary>
    /// <param name="pull">Whether compose may pull an image that is not on the engine.</param>
    /// <exception cref="ToolFailedException">Compose did not come to an end.</exception>
    /// <exception cref="WorkerException">Compose refused before it touched a container.</exception>
    public async Task<UpAnswer> UpAsync(string commit, Deployment deployment, CancellationToken hardStop, bool pull = true)
    {
        string? complaint = null;
        var stillThere = await ownership.MakeRoomAsync(deployment.Model, commit, hardStop);
        List<string> notes = [];
        async Task CallAsync(IReadOnlyCollection<string> services, bool recreate)
        {
            progress.Report(services.Count == 0 ? "docker compose up" : $"docker compose up {string.Join(' ', services)}");
            var wait = HealthTimesOf(deployment.Model).Append(options.Deploy.WaitTimeout).Max();
            var command = DockerCommands.ComposeUp(ProjectOf(deployment.Model), commit, wait, new(recreate, pull), services);
            var result = await runner.RunAsync(command, hardStop);
            notes.AddRange(ComposeWords.Warnings($"{result.Output}\n{result.ErrorTail}"));
            complaint = result.ExitCode == 0 ? complaint : ComposeWords.Complaint(result.ErrorTail, result.ExitCode);
        }

        if (deployment.Services is not { IsEmpty: true })
        {
            await CallAsync(deployment.Services ?? [], recreate: false);
            if (complaint is not null && (await LookAsync(deployment.Model, hardStop)).IsUntouchedSince(deployment.Before))
            {
                throw new WorkerException($"Docker compose refused, and no container was touched: {complaint}", Remedy.RetriedByItself);
            }
        }
        complaint = await RestartAsync(deployment, hardStop) ?? complaint ?? stillThere;
        if (complaint is not null) { return new UpAnswer(complaint, [], [.. notes.Distinct()]); }

        var differences = await DifferencesAsync(deployment, hardStop);
        if (differences.Count > 0)
        {
            notes.Add($"{differences[0].Words}, and was made anew for that after compose had left it so");
            await CallAsync(Deployment.WithFollowers(deployment.Model, differences.Select(d => d.Service)), recreate: true);
            if (complaint is null) { differences = await DifferencesAsync(deployment, hardStop); }
        }
        return new UpAnswer(complaint, differences, [.. notes.Distinct()]);
    }

    /// <summary>How compose is called for <paramref name="model"/>: with what that was resolved with, and with its other images in a file of ours.</summary>
    private ComposeProject ProjectOf(ComposeModel model)
    {
        var asked = model.Source is { } source ? project.With(source) : project;
        if (model.Override is not { } text) { return asked; }
        // Compose writes its path into the containers, so it stays.
        var file = Path.Combine(state.Path, "kept-images.json");
        File.WriteAllText(file, text);
        return asked with { FurtherFiles = [file] };
    }

    private static IEnumerable<TimeSpan> HealthTimesOf(ComposeModel model) =>
        model.Services.Select(s => s.Health).OfType<HealthSection>().Where(h => !h.Disabled).Select(h => h.Allows);

    /// <summary>Restarts the containers that have to and were not touched yet, then those of the services that follow them. A restart opens mounted
    /// files again and is over sooner than a replacement.</summary>
    /// <returns>What the engine complained about, or null.</returns>
    private async Task<string?> RestartAsync(Deployment deployment, CancellationToken cancellationToken)
    {
        try
        {
            for (var (next, done) = (deployment.Restarts.Keys.ToHashSet(), new HashSet<string>()); next.Count > 0;)
            {
                var now = await LookAsync(deployment.Model, cancellationToken);
                var untouched = next.Where(s => !now.Touched(s, deployment.Before)).ToHashSet();
                if (untouched.Count > 0) { progress.Report($"restarting {string.Join(", ", untouched)}"); }
                await Task.WhenAll(now.All.Where(c => untouched.Contains(c.Service)).Select(c => engine.RestartAsync(c.Id, cancellationToken)));
                done.UnionWith(next);
                next = [.. deployment.Model.Services.Where(s => s.Follows.Overlaps(untouched) && !done.Contains(s.Name)).Select(s => s.Name)];
            }
            return null;
        }
        catch (WorkerException e)
        {
            // A file that the commit took away keeps the container from starting; that it is down is seen by who verifies.
            return e.Message;
        }
    }

    private async Task<IReadOnlyDictionary<string, string>?> HashesAsync(ComposeModel model, ContainerSet containers, CancellationToken cancellationToken)
    {
        var asked = WithSharedContainers(model, containers);
        // That of a build which was cancelled was cancelled with it.
        return asked == _ahead.Model && _ahead.Hashes is { IsCanceled: false, IsFaulted: false } ? await _ahead.Hashes.WaitAsync(cancellationToken) : await HashesAsync(model.Project, asked, cancellationToken);
    }

    /// <summary>What compose makes of the configuration of each service; null when it does not say.</summary>
    /// <remarks>The resolved model is what goes in, because compose leaves out env files when it is asked for hashes of its own files.</remarks>
    private async Task<IReadOnlyDictionary<string, string>?> HashesAsync(string name, string model, CancellationToken cancellationToken)
    {
        try
        {
            var lines = await runner.OutputOfAsync(DockerCommands.ComposeHashes(project, name, model), cancellationToken);
            return lines.Split('\n').Select(l => l.Trim().Split(' ')).Where(p => p.Length == 2).ToDictionary(p => p[0], p => p[1]);
        }
        catch (ToolFailedException e)
        {
            logger.NoHashes(e.Message);
            return null;
        }
    }

    /// <summary>The model with containers in the place of services whose namespaces are shared, as compose has it when it hashes a service.</summary>
    private static string WithSharedContainers(ComposeModel model, ContainerSet containers)
    {
        var root = JsonNode.Parse(model.Text)!.AsObject();
        foreach (var service in (root["services"] as JsonObject ?? []).Select(s => s.Value).OfType<JsonObject>())
        {
            foreach (var kind in ComposeService.SharedNamespaces)
            {
                if (ComposeService.SharedWith(service[kind]?.GetValue<string>()) is { } other && containers.Of(other) is [var first, ..]) { service[kind] = $"container:{first.Id}"; }
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
    /// <summary>Nothing had to be done.</summary>
    public static UpAnswer Nothing { get; } = new(null, [], []);
}

internal static partial class DeployerLog
{
    [LoggerMessage(Level = LogLevel.Warning, Message = "Compose looks at the whole application, because it does not say what differs: {Reason}")]
    public static partial void NoHashes(this ILogger logger, string reason);
}

using WatchParty.Releases.Building;
using WatchParty.Releases.Caching;
using WatchParty.Releases.Deploying;
using WatchParty.Releases.Planning;
using WatchParty.Releases.Recording;
using WatchParty.Tools.Configuration;
using WatchParty.Tools.Docker;
using WatchParty.Tools.Failures;
using WatchParty.Tools.Git;
using WatchParty.Tools.Processes;
using WatchParty.Tools.Redacting;

namespace WatchParty.Releases.Releasing;

/// <summary>Gathers what the planner needs from compose, git, the engine and the record.</summary>
internal sealed class ReleasePlanning(
    WorkerOptions options, ComposeProject project, IToolRunner runner, GitRepository repository, BuildInputReader inputReader,
    IDockerEngine engine, KeptImages kept,
    FreshMarks freshMarks, SameImage sameImage, MountWatch mounts, Ownership ownership, Forewarnings forewarnings)
{
    /// <exception cref="WorkerException">Compose cannot resolve the model (the message has compose's own words), or what runs is not
    /// ours.</exception>
    public async Task<ReleasePlan> PlanAsync(string commit, DeployedRelease? deployed, ReleaseRequest request,
        CancellationToken cancellationToken)
    {
        var model = await ModelAsync(commit, cancellationToken);
        var notes = await ownership.CheckAsync(model, commit, cancellationToken);
        var gone = await kept.GoneAsync(deployed?.Served.Project ?? model.Project, cancellationToken);
        var plan = await PlanAsync(model, commit, deployed, request, cancellationToken);
        var warnings = await forewarnings.OfAsync(model, commit, [.. plan.Builds.Select(b => b.Name)], cancellationToken);
        return plan with
        {
            Notes =
            [
                .. notes, .. warnings.Where(w => w.Always).Select(w => w.ToString()),
                .. gone.Count > 0 ? [Rollback.NotReturnable(gone)] : Array.Empty<string>(),
            ],
        };
    }

    /// <summary>The plan, with what BuildKit says of the builds whose need is not certain. The commit has to be checked out.</summary>
    public async Task<ReleasePlan> AskAsync(ReleasePlan plan, DeployedRelease? deployed, CancellationToken cancellationToken)
    {
        if (deployed is null || !plan.Services.Any(s => s.AsksFirst)) { return plan; }
        var answer = await sameImage.AskAsync(plan, deployed.Services, cancellationToken);
        return ReleasePlanner.Answered(plan, answer.Same, answer.WouldRun) with { Ran = answer.Ran };
    }

    /// <summary>A plan for a release that is gone back to: nothing is refused, since it served before.</summary>
    public async Task<ReleasePlan> PlanBackAsync(Served goal, DeployedRelease? deployed, CancellationToken cancellationToken) =>
        await PlanAsync(await ModelAsync(goal.Commit, cancellationToken, goal.Source), goal.Commit, deployed,
            new ReleaseRequest("going back"), cancellationToken);

    private async Task<ReleasePlan> PlanAsync(
        ComposeModel model, string commit, DeployedRelease? deployed, ReleaseRequest request, CancellationToken cancellationToken)
    {
        var inputs = await inputReader.ReadAsync(model, commit, cancellationToken);
        return ReleasePlanner.Plan(new PlanningFacts(
            commit, model, request.ForceRebuild, inputs,
            await engine.ImageIdsAsync(
                model.Built.Select(s => s.Image).Concat(deployed?.Services.Values.Select(s => s.ImageId).OfType<string>() ?? []),
                cancellationToken),
            deployed?.Services ?? new Dictionary<string, DeployedService>(),
            deployed?.ConfigurationHash,
            await ChangedPathsAsync(commit, deployed, cancellationToken),
            freshMarks.All(),
            await engine.ImageIdsAsync(deployed?.Services.Values.SelectMany(s => s.Basis?.BaseImages.Keys ?? []) ?? [], cancellationToken),
            request.NewBaseDigests)
        {
            DeployedResourcesHash = deployed?.ResourcesHash,
            Reactions = await ReactionsAsync(model, commit, cancellationToken),
        });
    }

    /// <summary>What each service gets because of what it mounts, once <paramref name="commit"/> is checked out.</summary>
    private async Task<IReadOnlyDictionary<string, MountReaction>> ReactionsAsync(ComposeModel model, string commit,
        CancellationToken cancellationToken)
    {
        if (model.Services.All(s => s.Mounts.IsEmpty && s.Copies.IsEmpty)) { return Deployment.NoReactions; }
        var head = await repository.HeadAsync(cancellationToken);
        IReadOnlyCollection<string> pending = head == commit ? [] : await repository.ChangedPathsAsync(head, commit, cancellationToken);
        var now = await mounts.ReadAsync(model, pending, cancellationToken);
        return mounts.Reactions(model, now, await ContainerSet.LookAsync(engine, model.Project, cancellationToken));
    }

    /// <param name="source">What it is resolved with; the settings of now when null.</param>
    public async Task<ComposeModel> ModelAsync(string commit, CancellationToken cancellationToken, ModelSource? source = null)
    {
        var asked = source is null ? project : project.With(source);
        try
        {
            Redaction.Learn(Secrets.InEnvFiles(asked.EnvFiles));
            var command = DockerCommands.ComposeConfig(asked, commit);
            var resolved = await runner.RunAsync(command, cancellationToken);
            if (resolved.ExitCode != 0)
            {
                throw new ToolFailedException(command, resolved.ExitCode, $"exited with {resolved.ExitCode}", resolved.ErrorTail);
            }
            var model = ComposeModel.Parse(resolved.Output);
            Redaction.Learn(Secrets.In(model.Text, asked.EnvFiles));
            model = model with
            {
                Source = source ?? ModelSource.Of(options),
                Commit = commit,
                Warnings = [.. ComposeWords.Warnings(resolved.ErrorTail)],
                Values = await VariableValues.OfAsync(model, commit, asked, runner, cancellationToken),
            };
            return MayHaveWorkerKeys(asked)
                ? model.With(
                    KeysIn(await runner.OutputOfAsync(DockerCommands.ComposeConfigInYaml(asked, commit), cancellationToken), asked))
                : model;
        }
        // One that somebody ended says nothing of the files, and may be asked again.
        catch (ToolFailedException e) when (!e.BySignal)
        {
            var words = e.Tail.Length > 0 ? e.Tail.Trim() : e.Message;
            // Without the plugin docker takes compose's options for its own.
            if (words.Contains("unknown flag: --ansi", StringComparison.Ordinal)
                || words.Contains("is not a docker command", StringComparison.Ordinal))
            {
                throw new WorkerException(
                    "docker has no compose plugin. Install compose v2 (Debian: docker-compose; Docker's own packages: " +
                    "docker-compose-plugin).", Remedy.NeedsPerson, e);
            }
            throw new WorkerException($"The compose files in {project.Folder} cannot be used: {words}", Remedy.NeedsPerson, e);
        }
    }

    private static IReadOnlyDictionary<string, ServiceKeys> KeysIn(string yaml, ComposeProject asked)
    {
        try
        {
            return WorkerKeys.Of(yaml);
        }
        catch (WorkerException e)
        {
            throw new WorkerException($"{string.Join(" or ", asked.Files().Paths)}: {e.Message}", e.Remedy, e);
        }
    }

    /// <summary>Whether it is worth asking compose once more for them; a file that is not looked into here is one that a key of these names
    /// brings in.</summary>
    private static bool MayHaveWorkerKeys(ComposeProject asked) =>
        asked.Files().Paths.Where(File.Exists).Select(File.ReadAllText).Any(text =>
        text.Contains(WorkerKeys.Name, StringComparison.Ordinal) || text.Contains("include:", StringComparison.Ordinal)
        || text.Contains("extends:", StringComparison.Ordinal));

    private async Task<Dictionary<string, IReadOnlyCollection<string>>> ChangedPathsAsync(string commit, DeployedRelease? deployed,
        CancellationToken cancellationToken)
    {
        Dictionary<string, IReadOnlyCollection<string>> changed = [];
        foreach (var from in deployed?.Services.Values.Select(s => s.Commit).Distinct() ?? [])
        {
            // After a rewritten history the old commit may be gone; then the reason names no path.
            if (await repository.HasCommitAsync(from, cancellationToken))
            {
                changed[from] = await repository.ChangedPathsAsync(from, commit, cancellationToken);
            }
        }
        return changed;
    }
}

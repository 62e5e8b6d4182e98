using WatchParty.Worker.Caching;
using WatchParty.Worker.Configuration;
using WatchParty.Worker.Hosting;
using WatchParty.Worker.Planning;
using WatchParty.Worker.Recording;
using WatchParty.Worker.Tools;

namespace WatchParty.Worker.Releasing;

/// <summary>Gathers what the planner needs from compose, git, the engine and the record.</summary>
internal sealed class ReleasePlanning(
    DeployOptions options, ComposeProject project, IToolRunner runner, GitRepository repository, BuildInputReader inputReader, IDockerEngine engine, FreshMarks freshMarks, Forewarnings forewarnings)
{
    private const int LargestFile = 1024 * 1024;

    /// <exception cref="WorkerException">Compose cannot resolve the model; the message has compose's own words.</exception>
    public async Task<ReleasePlan> PlanAsync(string commit, DeployedRelease? deployed, ReleaseRequest request, CancellationToken cancellationToken)
    {
        var model = await ModelAsync(commit, cancellationToken);
        var inputs = await inputReader.ReadAsync(model, commit, cancellationToken);
        var plan = ReleasePlanner.Plan(new PlanningFacts(
            commit, model, request.ForceRebuild, inputs,
            await engine.ImageIdsAsync(model.Built.Select(s => s.Image), cancellationToken),
            deployed?.Services ?? new Dictionary<string, DeployedService>(),
            deployed?.ConfigurationHash,
            await ChangedPathsAsync(commit, deployed, cancellationToken),
            freshMarks.All(),
            await engine.ImageIdsAsync(deployed?.Services.Values.SelectMany(s => s.Basis?.BaseImages.Keys ?? []) ?? [], cancellationToken),
            request.NewBaseDigests)
        {
            DeployedResourcesHash = deployed?.ResourcesHash,
            Restarts = await RestartsAsync(model, deployed?.Commit, commit, cancellationToken),
        });
        var warnings = await forewarnings.OfAsync(model, commit, deployed, [.. plan.Builds.Select(b => b.Name)], cancellationToken);
        return plan with { Notes = [.. plan.Notes, .. warnings.Where(w => w.Always).Select(w => w.ToString())] };
    }

    /// <summary>Why each service is restarted that mounts a file that differs between the two commits.</summary>
    public async Task<IReadOnlyDictionary<string, string>> RestartsAsync(ComposeModel model, string? from, string to, CancellationToken cancellationToken) =>
        options.RestartOnMountChange && from is not null && from != to && await repository.HasCommitAsync(from, cancellationToken)
            ? MountedFiles.Restarts(model, project.Folder, await repository.ChangedPathsAsync(from, to, cancellationToken))
            : new Dictionary<string, string>();

    public async Task<ComposeModel> ModelAsync(string commit, CancellationToken cancellationToken)
    {
        RefuseEndlessFiles();
        try
        {
            Redaction.Learn(Secrets.InEnvFiles(project));
            var command = DockerCommands.ComposeConfig(project, commit);
            var resolved = await runner.RunAsync(command, cancellationToken);
            if (resolved.ExitCode != 0) { throw new ToolFailedException(command, resolved.ExitCode, $"exited with {resolved.ExitCode}", resolved.ErrorTail); }
            var model = ComposeModel.Parse(resolved.Output);
            Redaction.Learn(Secrets.In(model.Text, project));
            model = model with { Warnings = [.. ComposeWords.Warnings(resolved.ErrorTail)] };
            return MayHaveWorkerKeys() ? model.WithHealthIgnored(WorkerKeys.IgnoringHealth(await runner.OutputOfAsync(DockerCommands.ComposeConfigInYaml(project, commit), cancellationToken))) : model;
        }
        catch (ToolFailedException e)
        {
            var words = e.Tail.Length > 0 ? e.Tail.Trim() : e.Message;
            // Without the plugin docker takes compose's options for its own.
            if (words.Contains("unknown flag: --ansi", StringComparison.Ordinal) || words.Contains("is not a docker command", StringComparison.Ordinal))
            {
                throw new WorkerException("docker has no compose plugin. Install compose v2 (Debian: docker-compose; Docker's own packages: docker-compose-plugin).", Remedy.NeedsPerson, e);
            }
            throw new WorkerException($"The compose files in {project.Folder} cannot be used: {words}", Remedy.NeedsPerson, e);
        }
    }

    /// <summary>Whether it is worth asking compose once more for them; a file that is not looked into here is one that a key of these names brings in.</summary>
    private bool MayHaveWorkerKeys() => project.ComposeFiles.Where(File.Exists).Select(File.ReadAllText).Any(text =>
        text.Contains(WorkerKeys.Name, StringComparison.Ordinal) || text.Contains("include:", StringComparison.Ordinal) || text.Contains("extends:", StringComparison.Ordinal));

    /// <summary>Before compose reads them, which it does as a whole. A file that only <c>COMPOSE_FILE</c> or an <c>include</c> names is not seen here, and has only
    /// the limits of the command.</summary>
    private void RefuseEndlessFiles()
    {
        if (project.ComposeFiles.FirstOrDefault(f => FileStamp.OfTarget(f) is { } file && (file.Kind != FileKind.Regular || file.Size > LargestFile)) is { } refused)
        {
            throw new WorkerException($"The compose file {refused} is not a regular file, or is larger than 1 MiB. Write one that compose can read at once", Remedy.NeedsPerson);
        }
    }

    private async Task<Dictionary<string, IReadOnlyCollection<string>>> ChangedPathsAsync(string commit, DeployedRelease? deployed, CancellationToken cancellationToken)
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

using System.Collections.Immutable;
using WatchParty.Releases.Planning;
using WatchParty.Releases.Recording;
using WatchParty.Releases.Signals;
using WatchParty.Tools.Configuration;
using WatchParty.Tools.Docker;
using WatchParty.Tools.Processes;
using WatchParty.Tools.Redacting;

namespace WatchParty.Releases.Deploying;

/// <summary>What containers are brought to a model with.</summary>
internal sealed record DeploymentTools(
    DeployOptions Options, StateFolder State, ComposeProject Project, IToolRunner Runner, IDockerEngine Engine, ProgressFeed Progress)
{
    public Task<ContainerSet> LookAsync(ComposeModel model, CancellationToken cancellationToken) =>
        ContainerSet.LookAsync(Engine, model.Project, cancellationToken);
}

/// <summary>The calls of one deployment, and what came of them.</summary>
internal sealed class DeploymentCalls(DeploymentTools tools, string commit, ComposeModel model, bool pull, CancellationToken hardStop)
{
    private readonly List<string> _notes = [];

    /// <summary>What compose was not content with, last; null as long as all went well.</summary>
    public string? Complaint { get; private set; }

    public ImmutableArray<string> Notes => [.. _notes.Distinct()];

    public void Note(string note) => _notes.Add(note);

    /// <param name="services">All when empty.</param>
    public Task UpAsync(IReadOnlyCollection<string> services, bool recreate)
    {
        var wait = HealthTimesOf(model).Append(tools.Options.WaitTimeout).Max();
        return RunAsync(
            services.Count == 0 ? "docker compose up" : $"docker compose up {string.Join(' ', services)}",
            DockerCommands.ComposeUp(Project, commit, wait, new(recreate, pull), services));
    }

    /// <summary>Gives services what they have to get, if a container of theirs was not touched since <paramref name="before"/>.</summary>
    public async Task ReactAsync(IReadOnlyDictionary<string, MountReaction> reactions, ContainerSet before)
    {
        if (reactions.Count == 0) { return; }
        var now = await tools.LookAsync(model, hardStop);
        var due = reactions.Where(r => r.Value.Handling != MountHandling.Ignore && now.GoesOn(r.Key, before)).ToList();
        _notes.AddRange(due.Select(r => r.Value.Note).OfType<string>());
        HashSet<string> With(MountHandling handling) => [.. due.Where(r => r.Value.Handling == handling).Select(r => r.Key)];
        if (With(MountHandling.Recreate) is { Count: > 0 } anew) { await UpAsync(Deployment.WithFollowers(model, anew), recreate: true); }
        var restarts = With(MountHandling.Restart);
        foreach (var (service, reaction) in due.Where(r => r.Value.Handling == MountHandling.Signal))
        {
            if (await SignalAsync(now.Of(service), reaction.Signal!) is not { } reason) { continue; }
            Note($"{service} is restarted, because it could not be given {reaction.Signal}: {reason}");
            restarts.Add(service);
        }
        await RestartAsync(restarts, before);
    }

    /// <summary>Restarts the containers that were not touched since <paramref name="before"/>, then those of the services that follow
    /// them. A restart opens mounted files again and is over sooner than a replacement. Compose's own runs the hooks of a service around it
    /// (pkg/compose/restart.go).</summary>
    private async Task RestartAsync(HashSet<string> next, ContainerSet before)
    {
        for (var done = new HashSet<string>(); next.Count > 0;)
        {
            var now = await tools.LookAsync(model, hardStop);
            var untouched = next.Where(s => now.GoesOn(s, before)).Order(StringComparer.Ordinal).ToList();
            if (untouched.Count > 0)
            {
                await RunAsync($"restarting {string.Join(", ", untouched)}", DockerCommands.ComposeRestart(
                    Project, commit, tools.Options.WaitTimeout, untouched));
            }
            done.UnionWith(next);
            next = [.. model.Services.Where(s => s.Follows.Overlaps(untouched) && !done.Contains(s.Name)).Select(s => s.Name)];
        }
    }

    /// <summary>Sends a signal to the first process of each container, by a program in it: after the engine's own call for that it would
    /// take the container for stopped by a person, and not start it again after a restart of its own (moby issue 41302).</summary>
    /// <returns>Why one could not get it; null when all did.</returns>
    private async Task<string?> SignalAsync(IEnumerable<SeenContainer> containers, string signal)
    {
        foreach (var container in containers.Where(c => c.Runs))
        {
            Task<ToolResult> RunAsync(bool byShell) =>
                tools.Runner.RunAsync(DockerCommands.Signal(tools.Project, container.Id, signal, byShell), hardStop);
            var result = await RunAsync(byShell: false);
            // Many small images have a shell and no such program.
            if (result.ExitCode != 0) { result = await RunAsync(byShell: true); }
            if (result.ExitCode != 0) { return Redaction.Apply(ComposeWords.Complaint(result.ErrorTail, result.ExitCode)); }
        }
        return null;
    }

    private async Task RunAsync(string progress, ToolCommand command)
    {
        tools.Progress.Report(progress);
        var result = await tools.Runner.RunAsync(command, hardStop);
        _notes.AddRange(ComposeWords.Warnings($"{result.Output}\n{result.ErrorTail}"));
        // A file that the commit took away keeps a container from starting; that it is down is seen by who verifies.
        if (result.ExitCode != 0) { Complaint = ComposeWords.Complaint(result.ErrorTail, result.ExitCode); }
    }

    /// <summary>How compose is called for the model: with what that was resolved with, and with its other images in a file of
    /// ours.</summary>
    private ComposeProject Project
    {
        get
        {
            var asked = model.Source is { } source ? tools.Project.With(source) : tools.Project;
            if (model.Override is not { } text) { return asked; }
            // Compose writes its path into the containers, so it stays.
            var file = Path.Combine(tools.State.Path, "kept-images.json");
            File.WriteAllText(file, text);
            return asked with { FurtherFiles = [file] };
        }
    }

    private static IEnumerable<TimeSpan> HealthTimesOf(ComposeModel model) =>
        model.Services.Select(s => s.Health).OfType<HealthSection>().Where(h => !h.Disabled).Select(h => h.Allows);
}

using System.Collections.Immutable;
using WatchParty.Releases.Planning;
using WatchParty.Releases.Recording;
using WatchParty.Tools.Docker;
using WatchParty.Tools.Failures;
using WatchParty.Tools.Files;
using WatchParty.Tools.Processes;

namespace WatchParty.Releases.Deploying;

/// <summary>Why a release must not begin, and what a person can do.</summary>
internal sealed record Claim(string Problem, string Fix);

/// <summary>Says which containers on the engine are the application's, and removes those of it that no file names any more.</summary>
/// <remarks>A project's name is no proof: a checkout of another folder, a second compose file started by hand and an older release may
/// all bear it. What compose writes on a container says more (pkg/compose): the folder and the files it was started from.</remarks>
internal sealed class Ownership(ComposeProject project, IToolRunner runner, IDockerEngine engine, History history, StateFolder state)
{
    private const string FolderLabel = "com.docker.compose.project.working_dir", FilesLabel = "com.docker.compose.project.config_files";

    /// <summary>What a person should know of the containers that are there before they are touched.</summary>
    /// <exception cref="WorkerException">Some belong to somebody else, and a release would take them over or exchange their
    /// images.</exception>
    public async Task<ImmutableArray<string>> CheckAsync(ComposeModel model, string commit, CancellationToken cancellationToken)
    {
        var all = await engine.ContainersAsync(null, cancellationToken);
        var home = HomeOf(model);
        Refuse(OtherFolder(model.Project, Of(all, model.Project), home) ?? await SharedImageAsync(model, all, home, cancellationToken));
        return [.. await NotesAsync(model, commit, all, cancellationToken)];
    }

    /// <summary>Whether the project's containers were started from another folder.</summary>
    public async Task<Claim?> OtherFolderAsync(ComposeModel model, CancellationToken cancellationToken) =>
        OtherFolder(model.Project, await engine.ContainersAsync(model.Project, cancellationToken), HomeOf(model));

    /// <summary>Removes what <see cref="LeftOverAsync"/> says, before <c>compose up</c>: the service that takes its place may publish the
    /// same port.</summary>
    /// <returns>What the engine complained about, or null.</returns>
    /// <exception cref="WorkerException">There are containers of somebody else under the project's name.</exception>
    public async Task<string?> MakeRoomAsync(ComposeModel model, string commit, CancellationToken cancellationToken)
    {
        var containers = await engine.ContainersAsync(model.Project, cancellationToken);
        Refuse(OtherFolder(model.Project, containers, HomeOf(model)));
        return await RemoveAsync((await SplitAsync(model, commit, containers, cancellationToken)).LeftOver, cancellationToken);
    }

    /// <summary>The containers of the project whose service a release of ours had, and the files of <paramref name="model"/> have no
    /// more.</summary>
    public async Task<IReadOnlyList<ContainerSummary>> LeftOverAsync(
        ComposeModel model, string commit, CancellationToken cancellationToken) =>
        (await SplitAsync(model, commit, await engine.ContainersAsync(model.Project, cancellationToken), cancellationToken)).LeftOver;

    /// <summary>Removes the containers of <paramref name="services"/> of a project, as far as they were started from our folder: for a
    /// release that changed the project's name and is taken back.</summary>
    /// <returns>What the engine complained about, or null.</returns>
    public async Task<string?> RemoveAsync(string name, IReadOnlyCollection<string> services, CancellationToken cancellationToken)
    {
        var home = HomeOf(null);
        var containers = await engine.ContainersAsync(name, cancellationToken);
        return await RemoveAsync([.. containers.Where(c => services.Contains(c.Service) && home.Accepts(c))], cancellationToken);
    }

    private static void Refuse(Claim? claim)
    {
        if (claim is not null) { throw new WorkerException($"{claim.Problem}. {claim.Fix}", Remedy.NeedsPerson); }
    }

    private async Task<string?> RemoveAsync(IReadOnlyList<ContainerSummary> containers, CancellationToken cancellationToken)
    {
        try
        {
            await Task.WhenAll(containers.Select(c => engine.RemoveContainerAsync(c.Id, cancellationToken)));
            return null;
        }
        catch (WorkerException e)
        {
            // What stands in its way says compose; that it is still there, whoever verifies.
            return e.Message;
        }
    }

    /// <summary>Of the containers of services that are not in the model: those that are left over, and those behind a profile that is not
    /// active. The latter are no leftovers to compose either.</summary>
    private async Task<(IReadOnlyList<ContainerSummary> LeftOver, IReadOnlyList<ContainerSummary> Hidden)> SplitAsync(
        ComposeModel model, string commit, IEnumerable<ContainerSummary> containers, CancellationToken cancellationToken)
    {
        var others = containers.Where(c => model.Services.All(s => s.Name != c.Service)).ToList();
        if (others.Count == 0) { return ([], []); }
        var own = history.OwnServices(model.Project);
        var home = HomeOf(model);
        var candidates = others.Where(c => own.Contains(c.Service) && home.Accepts(c) && !home.HasFromAnotherFile(c)).ToList();
        if (candidates.Count == 0) { return ([], []); }
        var services = (await runner.OutputOfAsync(DockerCommands.ComposeServices(ProjectOf(model), commit), cancellationToken))
            .Split('\n', StringSplitOptions.TrimEntries);
        return ([.. candidates.Where(c => !services.Contains(c.Service))], [.. candidates.Where(c => services.Contains(c.Service))]);
    }

    private static Claim? OtherFolder(string name, IEnumerable<ContainerSummary> containers, Home home)
    {
        var foreign = containers.Where(c => !home.Accepts(c)).ToList();
        if (foreign.Count == 0) { return null; }
        var folders = foreign.Select(c => FolderOf(c)!).Distinct().Order(StringComparer.Ordinal).ToList();
        return new Claim(
            $"The compose project {name} runs already, from another folder: {string.Join(", ", folders)} (containers {Named(foreign)}), "
            + $"and not from {home.Folders[0]}",
            "If it is another application, give this one a name of its own in Compose:ProjectName; if it is this one, "
            + $"set Compose:AdoptFrom to {folders[0]}");
    }

    private async Task<Claim?> SharedImageAsync(
        ComposeModel model, IReadOnlyList<ContainerSummary> all, Home home, CancellationToken cancellationToken)
    {
        var built = model.Built.ToLookup(s => ImageName.Full(s.Image));
        foreach (var container in OfOthers(model, all).Where(c => c.State is "running" or "restarting" or "paused"))
        {
            var name = await engine.ImageNameOfAsync(container, cancellationToken);
            // What runs from our own folder is the application under a name that it had before.
            if (name is null || built[ImageName.Full(name)].FirstOrDefault() is not { } service || home.Started(container)) { continue; }
            return new Claim(
                $"The image {service.Image} that is built for {service.Name} of {model.Project} is the one of {container.Service} " +
                $"of the compose project {container.Project} as well, " +
                $"whose container {NameOf(container)} runs: each would exchange the other's image",
                $"Write an image name of its own into the compose file, for example image: {model.Project}-{service.Name}:latest");
        }
        return null;
    }

    private async Task<IReadOnlyList<string>> NotesAsync(
        ComposeModel model, string commit, IReadOnlyList<ContainerSummary> all, CancellationToken cancellationToken)
    {
        List<string> notes = [];
        var containers = Of(all, model.Project).ToList();
        var home = HomeOf(model);
        var adopted = containers.Where(c => FolderOf(c) is not null && !home.Started(c)).ToList();
        if (adopted.Count > 0)
        {
            notes.Add($"containers that were started from another folder are taken over (Compose:AdoptFrom): {Named(adopted)}");
        }
        var (left, hidden) = await SplitAsync(model, commit, containers, cancellationToken);
        notes.AddRange(hidden.GroupBy(c => c.Service).Select(service =>
            $"{service.Key} is behind a profile that is not active now: what runs of it is left alone ({Named([.. service])})"));
        var others = containers.Where(c => model.Services.All(s => s.Name != c.Service)).Except(left).Except(hidden);
        notes.AddRange(others.GroupBy(c => c.Service).Select(service =>
            $"{service.Key} bears the name of the project {model.Project}, and is in no compose file and no release of ours: "
            + $"it is left alone ({Named([.. service])})"));
        notes.AddRange(OfOthers(model, all).Where(home.Started).GroupBy(c => c.Project).Select(other =>
            $"containers of the compose project {other.Key} were started from this folder as well, and are left alone "
            + $"({Named([.. other])}). " +
            $"If that is what this application was called before, `docker compose --project-name {other.Key} down` removes them"));
        return notes;
    }

    private static IEnumerable<ContainerSummary> OfOthers(ComposeModel model, IReadOnlyList<ContainerSummary> all) =>
        all.Where(c => c.Project.Length > 0 && c.Project != model.Project);

    private static IEnumerable<ContainerSummary> Of(IReadOnlyList<ContainerSummary> all, string name) => all.Where(c => c.Project == name);

    private ComposeProject ProjectOf(ComposeModel? model) => model?.Source is { } source ? project.With(source) : project;

    private Home HomeOf(ComposeModel? model)
    {
        var asked = ProjectOf(model);
        ImmutableArray<string> files = [];
        try
        {
            files = [.. asked.Files().Paths];
        }
        // On the way back the checkout may not have the files that count now.
        catch (WorkerException) when (model is null)
        {
        }
        var checkout = Physical(project.Folder);
        var first = files.Take(1).Select(f => Physical(Path.GetDirectoryName(f)!)).Where(f => !PhysicalPath.IsIn(f, checkout));
        var adopted = project.Options.AdoptFrom is { } folder ? Physical(folder) : null;
        return new Home([checkout, .. first], adopted, files.Select(Physical).ToHashSet(), state);
    }

    /// <summary>Where the application is started from.</summary>
    /// <param name="Folders">The checkout, and the folder that compose takes for the project's where the first compose file is
    /// elsewhere.</param>
    /// <param name="Adopted">The folder that it is taken over from.</param>
    /// <param name="State">Our own folder; a compose file of ours may lie in it.</param>
    private sealed record Home(ImmutableArray<string> Folders, string? Adopted, IReadOnlySet<string> Files, StateFolder State)
    {
        public bool Started(ContainerSummary container) => FolderOf(container) is { } folder && Folders.Any(own => IsIn(folder, own));

        /// <summary>Whether it was started from here, or from where the application is taken over. One that does not say is taken for
        /// ours, as compose does.</summary>
        public bool Accepts(ContainerSummary container) =>
            FolderOf(container) is not { } folder || Started(container) || (Adopted is not null && IsIn(folder, Adopted));

        /// <summary>Whether it was started here from compose files that are still there and none of which is the application's.</summary>
        public bool HasFromAnotherFile(ContainerSummary container)
        {
            if (container.Labels.GetValueOrDefault(FilesLabel) is not { Length: > 0 } label || !Started(container)) { return false; }
            var files = label.Split(',').Select(Physical).Where(f => !PhysicalPath.IsIn(f, Physical(State.Path))).ToList();
            return !files.Exists(Files.Contains) && files.Exists(File.Exists);
        }

        /// <summary>A folder in one of ours counts as it, for the compose file may have moved; a checkout in the checkout does
        /// not.</summary>
        private static bool IsIn(string folder, string own)
        {
            if (!PhysicalPath.IsIn(folder, own)) { return false; }
            for (var at = folder; at.Length > own.Length; at = Path.GetDirectoryName(at)!)
            {
                if (Path.Exists(Path.Combine(at, ".git"))) { return false; }
            }
            return true;
        }
    }

    private static string? FolderOf(ContainerSummary container) =>
        container.Labels.GetValueOrDefault(FolderLabel) is { Length: > 0 } folder ? Physical(folder) : null;

    private static string Physical(string path)
    {
        try
        {
            return PhysicalPath.Of(path);
        }
        // What another program wrote there may be gone, or the path of another machine, or none.
        catch (Exception e) when (e is IOException or UnauthorizedAccessException or ArgumentException)
        {
            var plain = Path.TrimEndingDirectorySeparator(path);
            return Path.GetDirectoryName(plain) is { Length: > 0 } parent ? Path.Combine(Physical(parent), Path.GetFileName(plain)) : plain;
        }
    }

    private static string NameOf(ContainerSummary container) => container.Names.FirstOrDefault()?.TrimStart('/') ?? container.Id;

    private static string Named(IReadOnlyCollection<ContainerSummary> containers)
    {
        const int most = 10;
        var names = containers.Select(NameOf).Order(StringComparer.Ordinal).ToList();
        return string.Join(", ", names.Take(most)) + (names.Count > most ? $" and {names.Count - most} more" : "");
    }
}

using System.Globalization;
using System.Text.RegularExpressions;
using WatchParty.Releases.Planning;
using WatchParty.Releases.Recording;
using WatchParty.Tools.Docker;

namespace WatchParty.Releases.Deploying;

/// <summary>A name of the worker's own that keeps an image on the engine.</summary>
/// <param name="Release">The release that runs it, or before which it served.</param>
/// <param name="Before">Whether it served before that release, whoever started it.</param>
internal sealed record KeptName(string Project, long Release, bool Before, string Service);

/// <summary>What going back found of the images of an earlier release.</summary>
/// <param name="Model">The model to bring up; a service whose name is not ours to move runs its image under a kept name.</param>
/// <param name="Gone">Services whose image is gone from the engine.</param>
/// <param name="Notes">What a person should know.</param>
internal sealed record GivenBack(ComposeModel Model, IReadOnlyList<string> Gone, IReadOnlyList<string> Notes);

/// <summary>Keeps the images of a release on the engine, and gives the names of the compose files back to them.</summary>
/// <remarks>On the containerd store building a tag again deletes the image it named before, even while a container runs from it;
/// on the graph driver the next image prune does. So every image that may be wanted again has a name of ours, with project, release and
/// service in it. A release is known by the ids of its images; names are only how the engine keeps them.</remarks>
internal sealed partial class KeptImages(IDockerEngine engine, History history)
{
    public const string Repository = "watchparty-release";

    public static string NameOf(string project, long release, string service, bool before = false) =>
        $"{Repository}:{Names.Tag(string.Create(CultureInfo.InvariantCulture, $"{project}.{release}{(before ? "-before" : "")}.{service}"))}";

    /// <summary>The parts of a name of ours; null for any other name.</summary>
    public static KeptName? Parse(string name)
    {
        var (repository, tag) = ImageName.Split(name);
        return repository == Repository && Tag().Match(tag) is { Success: true } match
            && long.TryParse(match.Groups["release"].ValueSpan, NumberStyles.None, CultureInfo.InvariantCulture, out var release)
            ? new KeptName(match.Groups["project"].Value, release, match.Groups["before"].Success, match.Groups["service"].Value)
            : null;
    }

    // A project's name has no dot.
    [GeneratedRegex(@"\A(?<project>[^.]+)\.(?<release>[0-9]+)(?<before>-before)?\.(?<service>.+)\z")]
    private static partial Regex Tag();

    /// <summary>The images with a name of ours of <paramref name="project"/>, by that name.</summary>
    public async Task<IReadOnlyList<(KeptName Name, string Text, string Id)>> AllAsync(string project,
        CancellationToken cancellationToken) =>
    [
        .. (await engine.ImagesAsync($"{Repository}:{project}.*", cancellationToken))
            .SelectMany(i => (i.RepoTags ?? []).Select(t => (Name: Parse(t), Text: t, i.Id))).Where(t => t.Name?.Project == project)
            .Select(t => (t.Name!, t.Text, t.Id)),
    ];

    /// <summary>What serves now: the images that the containers of each service run, whoever started them; of a service without containers
    /// the recorded one.</summary>
    public async Task<Served> ServingAsync(Served recorded, ComposeModel model, CancellationToken cancellationToken)
    {
        var project = recorded.Project ?? model.Project;
        var services = recorded.Services.ToDictionary();
        foreach (var (service, container) in await ContainersAsync(project, cancellationToken))
        {
            // A container that went back under a kept name does not tell the one of its file.
            var name = recorded.Services.GetValueOrDefault(service)?.Image ?? model.Services.FirstOrDefault(s => s.Name == service)?.Image
                ?? container.Image;
            services[service] = new ServedService(name, container.ImageID);
        }
        return recorded with { Project = project, Services = services };
    }

    /// <summary>Keeps what served before <paramref name="release"/> as long as that may be taken back.</summary>
    public Task KeepBeforeAsync(long release, Served served, CancellationToken cancellationToken) =>
        KeepAsync(served.Services.ToDictionary(s => s.Key, s => s.Value.ImageId),
            service => NameOf(served.Project!, release, service, before: true), cancellationToken);

    /// <summary>Records and keeps the images that <paramref name="release"/> runs now that it serves.</summary>
    public async Task KeepAsync(ComposeModel model, long release, CancellationToken cancellationToken)
    {
        var images = new Dictionary<string, string>();
        var names = await engine.ImageIdsAsync(model.Built.Select(s => s.Image), cancellationToken);
        foreach (var service in model.Built) { if (names.TryGetValue(service.Image, out var id)) { images[service.Name] = id; } }
        var own = model.Services.Select(s => s.Name).ToHashSet();
        foreach (var (service, container) in await ContainersAsync(model.Project, cancellationToken))
        {
            if (own.Contains(service)) { images[service] = container.ImageID; }
        }
        history.SaveImages(release, images);
        await KeepAsync(images, service => NameOf(model.Project, release, service), cancellationToken);
    }

    /// <summary>Services whose containers run an image that is gone from the engine, so that nothing brings them back as they
    /// are.</summary>
    public async Task<IReadOnlyList<string>> GoneAsync(string project, CancellationToken cancellationToken)
    {
        var containers = await ContainersAsync(project, cancellationToken);
        var images = await engine.ImageIdsAsync(containers.Values.Select(c => c.ImageID), cancellationToken);
        return [.. containers.Where(c => !images.ContainsKey(c.Value.ImageID)).Select(c => c.Key).Order(StringComparer.Ordinal)];
    }

    /// <summary>Gives the image names of <paramref name="model"/> back to the images of <paramref name="goal"/>; names that are right are
    /// left alone.</summary>
    /// <remarks>The name of an image that was not built here is moved only when no container of somebody else was made with it. Otherwise
    /// the service runs its image under a kept name.</remarks>
    public async Task<GivenBack> GiveBackAsync(ComposeModel model, Served goal, CancellationToken cancellationToken)
    {
        List<string> gone = [], notes = [];
        var under = new Dictionary<string, string>();
        HashSet<string> foreign = [];
        foreach (var container in (await engine.ContainersAsync(null, cancellationToken)).Where(c => c.Project != model.Project))
        {
            if (await engine.ImageNameOfAsync(container, cancellationToken) is { } name) { foreign.Add(ImageName.Full(name)); }
        }
        foreach (var named in model.Services.Where(s => goal.Services.ContainsKey(s.Name)).GroupBy(s => s.Image))
        {
            var built = model.Built.Any(s => s.Image == named.Key);
            var movable = built || (!named.Key.Contains('@', StringComparison.Ordinal) && !foreign.Contains(ImageName.Full(named.Key)));
            var now = (await engine.FindImageAsync(named.Key, cancellationToken))?.Id;
            foreach (var service in named.OrderByDescending(s => s.Build is not null))
            {
                var id = goal.Services[service.Name].ImageId;
                if (id == now)
                {
                    movable = false;
                    continue;
                }
                if (await engine.FindImageAsync(id, cancellationToken) is null) { gone.Add(service.Name); }
                else if (movable)
                {
                    await engine.TagAsync(id, named.Key, cancellationToken);
                    now = id;
                    // One name, two images: what was made of it first has it.
                    movable = false;
                }
                else
                {
                    under[service.Name] = await KeptNameOfAsync(goal, model.Project, service.Name, id, cancellationToken);
                    notes.Add($"{service.Name} runs the image of before as {under[service.Name]}, because others use the name {named.Key}");
                }
            }
        }
        return new GivenBack(model.WithImages(under), gone, notes);
    }

    /// <summary>Whether the name of an image that was built here stands for another image now than <paramref name="served"/> has, or for
    /// none.</summary>
    public async Task<bool> DifferAsync(ComposeModel model, Served served, CancellationToken cancellationToken)
    {
        var built = model.Built.Where(s => served.Services.ContainsKey(s.Name)).ToList();
        var now = await engine.ImageIdsAsync(built.Select(s => s.Image), cancellationToken);
        return built.Exists(s => now.GetValueOrDefault(s.Image) != served.Services[s.Name].ImageId);
    }

    /// <summary>Gives the names in <paramref name="names"/> back to the images that served, after a build that gave them to others. No
    /// container is touched.</summary>
    /// <returns>The services whose image is gone.</returns>
    public async Task<IReadOnlyList<string>> GiveNamesBackAsync(Served served, IReadOnlySet<string> names,
        CancellationToken cancellationToken)
    {
        List<string> gone = [];
        foreach (var (service, image) in served.Services.Where(s => names.Contains(s.Value.Image)).DistinctBy(s => s.Value.Image))
        {
            if ((await engine.FindImageAsync(image.Image, cancellationToken))?.Id == image.ImageId) { continue; }
            if (await engine.FindImageAsync(image.ImageId, cancellationToken) is null) { gone.Add(service); }
            else { await engine.TagAsync(image.ImageId, image.Image, cancellationToken); }
        }
        return gone;
    }

    private async Task<string> KeptNameOfAsync(Served goal, string project, string service, string id, CancellationToken cancellationToken)
    {
        var name = NameOf(project, goal.Release, service);
        var has = (await engine.FindImageAsync(name, cancellationToken))?.Id;
        // A person may have put another image in the place of the release's own.
        if (has is not null && has != id) { name = NameOf(project, goal.Release, service, before: true); }
        if (has != id) { await engine.TagAsync(id, name, cancellationToken); }
        return name;
    }

    private async Task KeepAsync(IReadOnlyDictionary<string, string> images, Func<string, string> nameOf,
        CancellationToken cancellationToken)
    {
        var there = await engine.ImageIdsAsync(images.Values, cancellationToken);
        await engine.TagAsync(images.Where(i => there.ContainsKey(i.Value)).Select(i => (i.Value, nameOf(i.Key))), cancellationToken);
    }

    /// <summary>One container a service; one that runs goes before one that does not.</summary>
    private async Task<IReadOnlyDictionary<string, ContainerSummary>> ContainersAsync(string project,
        CancellationToken cancellationToken) =>
        (await engine.ContainersAsync(project, cancellationToken)).Where(c => c.Service.Length > 0)
            .GroupBy(c => c.Service).ToDictionary(g => g.Key, g => g.OrderByDescending(c => c.State == "running").First());
}

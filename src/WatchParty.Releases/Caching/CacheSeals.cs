using System.Globalization;
using Microsoft.Extensions.Logging;
using WatchParty.Releases.Baking;
using WatchParty.Releases.Planning;
using WatchParty.Releases.Recording;
using WatchParty.Releases.Signals;
using WatchParty.Tools.Configuration;
using WatchParty.Tools.Docker;
using WatchParty.Tools.Processes;

namespace WatchParty.Releases.Caching;

/// <summary>A builder that was brought back for one service.</summary>
/// <param name="Source">The cache source that the build itself has to be given; null when its own stage has nothing that lasts.</param>
/// <param name="Ran">Steps that ran while it was brought back, because they changed since the seal. The build finds them in the cache, but
/// nobody was saved them.</param>
internal sealed record RestoredCache(string? Source, IReadOnlyCollection<EndedStep> Ran)
{
    /// <summary>How long the step took then; null for one that did not run.</summary>
    public TimeSpan? ElapsedOf(BuildStep step) =>
        Ran.FirstOrDefault(
            r => r.Name.Text == step.Text && r.Name.Number == step.Number && Dockerfile.OwnName(r.Name.Stage) == step.Stage)?.Elapsed;
}

/// <summary>Keeps the cache of each service where a foreign <c>docker builder prune -af</c> cannot reach it, and brings it back.</summary>
/// <remarks>
/// The kind of seal follows from what the engine compiles in (moby builder-next/controller.go).
/// Graph driver: one image with inline cache for each stage, because an inline cache holds only what is in that image. They are
/// imported only when the builder was wiped, one source at a time: of several at once BuildKit 0.25 and newer loses steps at random
/// (combinedcache.go de-duplicates keys that are no longer unique). Containerd store: one folder with <c>mode=max</c>,
/// imported on every build, because there a prune loses the keys of what it keeps (moby/buildkit pull request 7177).
/// An image ends where the commit's own steps begin: nothing below gives the next commit anything. A folder has the whole target, sealed by
/// a bake of its own: a target that joins what lasts by copying nothing of it, and two services in one bake, both lost steps or layers
/// every few rounds (28.5). With <c>Build:CacheRegistry</c> the same is kept in a registry.
/// </remarks>
internal sealed class CacheSeals(
    BuildOptions options, ComposeProject project, StateFolder state, IToolRunner runner, IDockerEngine engine, BuilderCache cache,
    GuardedBake bake,
    SealRecord record, ProgressFeed progress, TimeProvider time, ILogger<CacheSeals> logger)
{
    private const string Repository = "watchparty-cache";

    /// <summary>Cache sources for every build of <paramref name="service"/>; empty when its seal is only for a wiped builder.</summary>
    public IReadOnlyList<string> SourcesFor(string service) => record.Find(service) switch
    {
        { Folder: { } folder } when Directory.Exists(folder) => [$"type=local,src={folder}"],
        { Reference: { } reference } => [$"type=registry,ref={reference}"],
        _ => [],
    };

    /// <summary>Whether the service has to be sealed, because its image is not the one whose cache was.</summary>
    public bool IsDue(string service, string? image) => record.Find(service) is not { Of: { } sealedImage } || sealedImage != image;

    /// <summary>Seals the cache of <paramref name="live"/> after its release. Every step of it is in the cache; if not, nothing is
    /// sealed.</summary>
    /// <param name="images">Id of each service's image.</param>
    public async Task SealAsync(ComposeModel model, IEnumerable<LiveService> live, IReadOnlyDictionary<string, string?> images,
        long release, CancellationToken cancellationToken)
    {
        var onGraphDriver = options.Builder is null && (await engine.InfoAsync(cancellationToken)).Store == ImageStore.GraphDriver;
        foreach (var service in live)
        {
            progress.Report($"sealing the cache of {service.Service.Name}");
            var began = time.GetTimestamp();
            // A folder needs none of it, but without these looks a prune right after left cache mounts that were to go (containerd store, 28.5).
            var records = await cache.RecordsAsync(cancellationToken);
            var old = record.Find(service.Service.Name);
            var (seal, fault) = onGraphDriver
                ? await SealAsImagesAsync(model, service.OfLasting(), release, cancellationToken)
                : await SealAsOneAsync(model, service, release, cancellationToken);
            if (seal is null)
            {
                logger.NotSealed(service.Service.Name, fault!);
                continue;
            }
            seal = seal with
            {
                Of = images.GetValueOrDefault(seal.Service),
                Records = await UsedSinceAsync(records, cancellationToken),
                Seconds = Math.Round(time.GetElapsedTime(began).TotalSeconds, 3),
                SealedAt = time.GetUtcNow(),
            };
            record.Save(seal);
            logger.Sealed(seal.Service, seal.Seconds, seal.Bytes);
            await RemoveAsync(old, model.Project, except: seal, cancellationToken);
        }
        // A cache image whose name has moved on; also one of a seal that was cut short.
        await engine.PruneDanglingImagesAsync($"{Bake.ProjectLabel}={model.Project}", cancellationToken);
    }

    /// <summary>Whether records of the builder that the seal of <paramref name="service"/> stands for are gone.</summary>
    /// <param name="records">Ids of the records that are there.</param>
    public bool IsWiped(string service, IReadOnlySet<string> records) =>
        record.Find(service) is { Images.Count: > 0 } seal && !seal.Records.All(records.Contains);

    /// <summary>The worker itself removed records of the builder, and the service is warm all the same: what is gone is not to be
    /// missed.</summary>
    /// <param name="records">Ids of the records that are left.</param>
    public void Accept(string service, IReadOnlySet<string> records)
    {
        if (record.Find(service) is { } seal && !seal.Records.All(records.Contains))
        {
            record.Save(seal with { Records = [.. seal.Records.Where(records.Contains)] });
        }
    }

    /// <summary>Brings a wiped builder back as far as the next build of <paramref name="service"/> needs it: stage by stage, one source
    /// each.</summary>
    /// <param name="cause">What wiped it, in words.</param>
    /// <returns>Null when nothing is sealed, or the seal is gone too.</returns>
    public async Task<RestoredCache?> RestoreAsync(ComposeModel model, LiveService service, string cause, Action<string> note,
        CancellationToken cancellationToken)
    {
        var name = service.Service.Name;
        if (record.Find(name) is not { Images.Count: > 0 } seal) { return null; }
        if (await MissingAsync(seal, model.Project, cancellationToken) is { } missing)
        {
            // A source that is not here would be asked from a public registry.
            note($"{name}: {cause}, and the sealed cache cannot bring it back: {missing} is gone");
            await RemoveAsync(model.Project, [name], cancellationToken);
            return null;
        }
        note($"{name}: {cause}; it is restored from the sealed cache");
        List<EndedStep> ran = [];
        string? own = null;
        foreach (var target in service.OfLasting().Targets())
        {
            var image = seal.ImageOf(target.Stage, service.Stages.Select(s => s.Name).ToList().IndexOf(target.Stage));
            if (image is null) { continue; }
            if (target.Stage is null)
            {
                own = image;
                continue;
            }
            progress.Report($"restoring the cache of {name} from {image}");
            // A step that changed since would run here; the stop leaves what comes before it restored.
            ran.AddRange((await bake.RunAsync(model, [target with { CacheFrom = [image] }], makesImages: false, cancellationToken)).Ran);
        }
        return new RestoredCache(own, ran);
    }

    /// <summary>As <see cref="RestoreAsync"/>, with the service's own target: for a builder that is to be warm without a build.</summary>
    /// <returns>Whether all that lasts of the service is warm again by its seal.</returns>
    public async Task<bool> RestoreWholeAsync(ComposeModel model, LiveService live, string cause, Action<string> note,
        CancellationToken cancellationToken)
    {
        var records = await cache.RecordsAsync(cancellationToken);
        if (await RestoreAsync(model, live, cause, note, cancellationToken) is not { } restored) { return false; }
        var own = live.OfLasting().Targets().Where(t => t.Stage is null)
            .Select(t => t with { CacheFrom = restored.Source is { } image ? [image] : [] }).ToList();
        if (own.Count > 0 && !(await bake.RunAsync(model, own, makesImages: false, cancellationToken)).AllCached) { return false; }
        // What was restored has records of its own; the next build must not take them for a wiped builder.
        record.Save(record.Find(live.Service.Name)! with { Records = await UsedSinceAsync(records, cancellationToken) });
        return true;
    }

    /// <returns>The first cache image that is not on this engine; null when all are, or when they are in a registry.</returns>
    private async Task<string?> MissingAsync(Seal seal, string project, CancellationToken cancellationToken)
    {
        if (options.CacheRegistry is not null) { return null; }
        foreach (var image in seal.Images)
        {
            if (!IsOurs(await engine.FindImageAsync(image, cancellationToken), seal.Project ?? project)) { return image; }
        }
        return null;
    }

    private async Task<IReadOnlyList<string>> UsedSinceAsync(IReadOnlyList<CacheRecord> before, CancellationToken cancellationToken) =>
        [.. BuilderCache.Used(before, await cache.RecordsAsync(cancellationToken)).Where(r => r.Type == "regular").Select(r => r.ID)];

    /// <summary>Takes the seals of <paramref name="services"/> away, so that nothing of before a clear comes back.</summary>
    public async Task RemoveAsync(string project, IEnumerable<string> services, CancellationToken cancellationToken)
    {
        foreach (var service in services)
        {
            var seal = record.Find(service);
            record.Remove(service);
            await RemoveAsync(seal, project, except: null, cancellationToken);
        }
    }

    private async Task<(Seal? Seal, string? Fault)> SealAsImagesAsync(ComposeModel model, LiveService live, long release,
        CancellationToken cancellationToken)
    {
        var targets = live.Targets()
            .Select(t => t with { Image = ImageOf(model.Project, live.Service.Name, t.Stage), CacheTo = "type=inline" }).ToList();
        foreach (var image in targets.Select(t => t.Image!))
        {
            if (await engine.FindImageAsync(image, cancellationToken) is { } there && !IsOurs(there, model.Project))
            {
                return (null, $"there is an image {image} that is not this worker's. Give it another name");
            }
        }
        if (targets.Count > 0)
        {
            var result = await bake.RunAsync(model, targets, makesImages: true, cancellationToken);
            if (!result.AllCached) { return (null, Fault(result)); }
            foreach (var target in targets)
            {
                if (!result.WithCache.Contains(target.Name)) { return (null, $"{target.Image} carries no cache metadata"); }
                if (options.CacheRegistry is not null)
                {
                    await runner.OutputOfAsync(DockerCommands.Push(project, target.Image!), cancellationToken);
                }
            }
        }
        return (new Seal(live.Service.Name, release, [.. targets.Select(t => t.Image!)], null, null, 0, 0, [],
            default)
        { Project = model.Project, Stages = [.. targets.Select(t => t.Stage)] }, null);
    }

    private async Task<(Seal? Seal, string? Fault)> SealAsOneAsync(ComposeModel model, LiveService live, long release,
        CancellationToken cancellationToken)
    {
        var name = live.Service.Name;
        var reference = options.CacheRegistry is { } registry ? $"{registry}/{Names.Repository(model.Project, name)}:buildcache" : null;
        // Never in the place of the one before: a half-written cache must not be the only one.
        var folder = reference is null
            ? Path.Combine(state.Cache, Names.Folder(name),
                string.Create(CultureInfo.InvariantCulture, $"{release}-{time.GetUtcNow().ToUnixTimeMilliseconds()}"))
            : null;
        var target = live.Targets()
            .Last() with
        {
            CacheFrom = SourcesFor(name),
            CacheTo = reference is null
                ? $"type=local,dest={folder},mode=max"
                : $"type=registry,ref={reference},mode=max"
        };
        var isWhole = false;
        try
        {
            if (folder is not null && record.Find(name)?.Folder is { } before) { LocalCache.Share(before, folder); }
            var result = await bake.RunAsync(model, [target], makesImages: false, cancellationToken);
            var fault = !result.AllCached ? Fault(result) : folder is null ? null : LocalCache.Collect(folder);
            isWhole = fault is null;
            return (isWhole ? new Seal(name, release, [], folder, reference, folder is null ? 0 : LocalCache.SizeOf(folder), 0, [], default)
                : null, fault);
        }
        finally
        {
            if (!isWhole && folder is not null && Directory.Exists(folder)) { Directory.Delete(folder, recursive: true); }
        }
    }

    private async Task RemoveAsync(Seal? old, string project, Seal? except, CancellationToken cancellationToken)
    {
        if (except?.Folder is { } current)
        {
            // Also what a worker left that was killed while it wrote.
            foreach (var folder in Directory.EnumerateDirectories(Path.GetDirectoryName(current)!).Where(f => f != current))
            {
                Directory.Delete(folder, recursive: true);
            }
        }
        if (old is null) { return; }
        foreach (var image in old.Images.Except(except?.Images ?? []))
        {
            // A name that we once gave may be somebody else's by now.
            if (IsOurs(await engine.FindImageAsync(image, cancellationToken), old.Project ?? project))
            {
                await engine.RemoveImageAsync(image, cancellationToken);
            }
        }
        if (old.Folder is { } gone && gone != except?.Folder && Directory.Exists(gone)) { Directory.Delete(gone, recursive: true); }
    }

    private static bool IsOurs(ImageDetails? image, string project) =>
        image?.Config?.Labels?.GetValueOrDefault(Bake.ProjectLabel) == project;

    private string ImageOf(string project, string service, string? stage) => options.CacheRegistry is { } registry
        ? $"{registry}/{Names.Repository(project, service)}:buildcache{(stage is null ? "" : $"-{stage.ToLowerInvariant()}")}"
        : $"{Repository}:{Names.CacheTag(project, service, stage)}";

    private static string Fault(GuardedBakeResult result) =>
        result.WouldRun is { } step ? $"it is not all in the builder cache, the first step missing is {step}" : result.Error!;
}

internal static partial class CacheSealsLog
{
    [LoggerMessage(Level = LogLevel.Information, Message = "The cache of {Service} was sealed in {Seconds:0.0} s and takes {Bytes} bytes")]
    public static partial void Sealed(this ILogger logger, string service, double seconds, long bytes);

    [LoggerMessage(Level = LogLevel.Warning, Message = "The cache of {Service} was not sealed: {Reason}")]
    public static partial void NotSealed(this ILogger logger, string service, string reason);
}

using WatchParty.Releases.Baking;
using WatchParty.Releases.Caching;
using WatchParty.Releases.Planning;
using WatchParty.Releases.Recording;
using WatchParty.Releases.Signals;
using WatchParty.Tools.Configuration;
using WatchParty.Tools.Docker;
using WatchParty.Tools.Failures;
using WatchParty.Tools.Processes;

namespace WatchParty.Releases.Building;

/// <summary>An image that was built, with what its build did.</summary>
internal sealed record BuiltImage(ServicePlan Plan, string ImageId, BuildBasis Basis, TimeSpan Elapsed, IReadOnlyList<BuildStep> Steps)
{
    /// <summary>Whether every step is seen to have run.</summary>
    public bool IsFresh => Steps.Count > 0 && Steps.All(s => s.State == StepState.Executed);
}

/// <summary>Builds the images of a plan; containers are not touched.</summary>
internal sealed class ImageBuilder(WorkerOptions options, ComposeProject project, IToolRunner runner, IDockerEngine engine,
    BuildDefinitions definitions, BaseImages baseImages, CacheSources cacheSources, BuildBasisReader basisReader, BuilderCache builderCache,
    LiveSet liveSet, CacheSeals seals, ProgressFeed progress, TimeProvider time)
{
    /// <param name="log">Receives every step and what it printed.</param>
    /// <param name="note">Receives what a person should know about this build.</param>
    /// <exception cref="BuildFailedException">An image could not be built.</exception>
    public async Task<IReadOnlyList<BuiltImage>> BuildAsync(ReleasePlan plan, BuildLog log, Action<string> note,
        CancellationToken cancellationToken)
    {
        foreach (var service in plan.Services.Where(s => s is { Action: ServiceAction.Unchanged, Retag: not null }))
        {
            await engine.TagAsync(service.Retag!, service.Service.Image, cancellationToken);
        }
        if (plan.Builds.Count == 0) { return []; }
        var store = (await engine.InfoAsync(cancellationToken)).Store;
        List<BuiltImage> built = [];
        // One bake builds everything at once, and another what is to be fresh. A step that several of its targets share runs once, and is
        // the same step for each: what ran in this bake is fresh. A target whose steps do not all show that is built once more, by itself.
        foreach (var together in plan.Builds.GroupBy(b => b.Fresh).OrderBy(g => g.Key))
        {
            foreach (var image in await BakeAsync(plan, [.. together], store, log, note, cancellationToken))
            {
                if (together.Key && !image.IsFresh && together.Count() > 1)
                {
                    built.AddRange(await BakeAsync(plan, [image.Plan], store, log, note, cancellationToken));
                }
                else { built.Add(image); }
            }
        }
        return built;
    }

    /// <returns>Whether the build has to pull the base images itself; those that it cannot are here now.</returns>
    private async Task<bool> RenewBaseImagesAsync(ServicePlan service, ImageStore store, Action<string> note,
        CancellationToken cancellationToken)
    {
        var lookup = await baseImages.LookUpAsync(service.Service.Build!, store, cancellationToken);
        if (lookup.LocalOnly.Count > 0)
        {
            note($"{service.Name}: {string.Join(", ", lookup.LocalOnly)} exists only on this engine and was not pulled");
        }
        foreach (var image in lookup.PullApart)
        {
            progress.Report($"pulling {image}");
            await runner.OutputOfAsync(DockerCommands.Pull(project, image), cancellationToken);
        }
        return lookup.Pull;
    }

    private async Task<IReadOnlyList<BuiltImage>> BakeAsync(ReleasePlan plan, IReadOnlyList<ServicePlan> services, ImageStore store,
        BuildLog log, Action<string> note, CancellationToken cancellationToken)
    {
        var withoutCache = services[0].Fresh;
        List<BakeTarget> bake = [];
        Dictionary<string, RestoredCache> restored = [];
        foreach (var service in services)
        {
            var sources = withoutCache ? []
                : await SourcesOfAsync(plan, service.Service, store, note, r => restored[service.Name] = r, cancellationToken);
            bake.Add(new BakeTarget(Bake.Target(service.Name), service.Service, plan.Commit, sources)
            {
                Image = service.Service.Image,
                KeepsCacheTo = true,
                Pull = (service.Pull || withoutCache) && await RenewBaseImagesAsync(service, store, note, cancellationToken),
            });
        }
        var file = Bake.File(plan.Model, await definitions.OfAsync(plan.Model, cancellationToken), bake, options.Build);
        var targets = bake.ConvertAll(t => t.Name);
        var started = time.GetTimestamp();
        var report =
            await RunAsync(DockerCommands.Bake(project, options.Build, file, targets, withoutCache, pull: false), targets, log, note,
                cancellationToken);
        foreach (var error in report.CacheImportErrors) { note($"a cache source could not be read: {error}"); }

        var elapsed = time.GetElapsedTime(started);
        List<BuiltImage> built = [];
        foreach (var service in services)
        {
            var image = await engine.FindImageAsync(service.Service.Image, cancellationToken)
                ?? throw new BuildFailedException($"{service.Name}: the build ended well but left no image {service.Service.Image} on " +
                    $"this engine", Remedy.NeedsPerson);
            // A step that ran while the cache was brought back, or BuildKit was asked, was not saved by it.
            List<BuildStep> steps = [.. report.StepsOf(Bake.Target(service.Name)).Select(s =>
                s.State == StepState.Cached
                    && (restored.GetValueOrDefault(service.Name)?.ElapsedOf(s)
                        ?? plan.ElapsedOf(service.Name, s.Stage, s.Number, s.Text)) is { } before
                    ? s with { State = StepState.Executed, Elapsed = before } : s)];
            if (report.HasInlineCache(Bake.Target(service.Name)))
            {
                note($"{CacheNote(service.Service.Image)}, so a clear would not clear it; remove BUILDKIT_INLINE_CACHE and cache_to " +
                    $"type=inline from its build");
            }
            var basis = await basisReader.ReadAsync(service.Service.Build!, plan.Commit, report, cancellationToken);
            built.Add(new BuiltImage(service, image.Id, basis, ElapsedOf(steps, services.Count, elapsed), steps));
        }
        return built;
    }

    private async Task<StepReport> RunAsync(
        ToolCommand command, IReadOnlyList<string> targets, BuildLog log, Action<string> note, CancellationToken cancellationToken)
    {
        for (var isAgain = false; ; isAgain = true)
        {
            var report = new StepReport(targets);
            var result =
                await runner.RunAsync(command, (stream, token) => BuildTrace.ReadAsync(stream, e => Follow(e, report, log), token),
                    cancellationToken);
            if (result.ExitCode == 0) { return report; }
            var failure = BuildFailedException.Of(report.FirstFailure, report.Text);
            if (isAgain || !failure.IsLostLayer) { throw failure; }
            note($"the build was run again, because BuildKit lost a layer of its own: {failure.Message.ReplaceLineEndings(" ")}");
        }
    }

    /// <summary>How the note begins of an image that brings old results back after a clear.</summary>
    public static string CacheNote(string image) => $"{image} carries BuildKit's cache metadata";

    private static bool IsStep(VertexEvent vertex) =>
        vertex.Name.StartsWith('[') && !vertex.Name.Contains("internal]", StringComparison.Ordinal);

    private async Task<IReadOnlyList<string>> SourcesOfAsync(ReleasePlan plan, ComposeService service, ImageStore store,
        Action<string> note, Action<RestoredCache> wasRestored, CancellationToken cancellationToken)
    {
        var usable = await cacheSources.UsableAsync(service, store, options.Build.Builder is not null,
            dropped => note($"{dropped.Service}: cache_from {dropped.Source} was left out, because {dropped.Reason}"), cancellationToken);
        var records = (await builderCache.RecordsAsync(cancellationToken)).Select(r => r.ID).ToHashSet();
        if (!seals.IsWiped(service.Name, records)) { return [.. usable, .. seals.SourcesFor(service.Name)]; }
        var live = await liveSet.OfAsync(plan.Model, service, plan.Commit, cancellationToken);
        if (await seals.RestoreAsync(plan.Model, live, "the builder cache was wiped by somebody else", note,
            cancellationToken) is not { } restored)
        {
            return usable;
        }
        wasRestored(restored);
        // Of several sources at once BuildKit may lose steps, so the seal comes alone.
        return restored.Source is { } source ? [source] : usable;
    }

    /// <summary>Of several targets built at once, the time of a service is that of its own steps.</summary>
    private static TimeSpan ElapsedOf(IReadOnlyList<BuildStep> steps, int targets, TimeSpan whole) =>
        targets == 1 ? whole : steps.Aggregate(TimeSpan.Zero, (sum, s) => sum + s.Elapsed);

    private void Follow(TraceEvent e, StepReport report, BuildLog log)
    {
        report.Add(e);
        switch (e)
        {
            case VertexEvent { Completed: not null } vertex when vertex.Name.StartsWith('['):
                log.End(vertex.Digest);
                log.Write($"{vertex.Name}: {(vertex.Cached ? "CACHED" : vertex.Error ?? "done")}");
                if (vertex.Cached && IsStep(vertex)) { progress.Report($"{vertex.Name}: cached"); }
                break;
            case VertexEvent { Started: not null, Completed: null } vertex when IsStep(vertex):
                progress.Report(vertex.Name);
                break;
            case LogEvent line:
                log.Write(line.VertexDigest, line.Stream, line.Data);
                break;
            case TextEvent line:
                log.Write(line.Line);
                break;
        }
    }
}

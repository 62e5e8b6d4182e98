using System.Security.Cryptography;
using System.Text;
using WatchParty.Releases.Baking;
using WatchParty.Releases.Caching;
using WatchParty.Releases.Planning;
using WatchParty.Releases.Signals;
using WatchParty.Tools.Configuration;
using WatchParty.Tools.Docker;

namespace WatchParty.Releases.Building;

/// <summary>Asks BuildKit which builds would give the images that there are: with the arguments of the last build every step comes from the
/// cache, and what is made of them is the same image.</summary>
/// <remarks>That nothing would run says nothing of <c>CMD</c>, <c>ENV</c>, <c>HEALTHCHECK</c> and labels, which are no steps; so the image
/// is made under a name of ours and its id compared. Build secrets are in no cache key, so their change is decided before.</remarks>
internal sealed class SameImage(
    BuildOptions options, IDockerEngine engine, BuilderCache builderCache, CacheSeals seals, GuardedBake bake, BuildBasisReader basisReader,
    ProgressFeed progress)
{
    private const string Repository = "watchparty-asked";

    /// <param name="Same">Services whose build would give the image that they have, with what it would have been built with.</param>
    /// <param name="WouldRun">Of the others: the first step that would run, where that is known.</param>
    /// <param name="Ran">Steps that ended before a question was stopped, and are in the cache now.</param>
    internal sealed record Answer(IReadOnlyDictionary<string, BuildBasis> Same, IReadOnlyDictionary<string, string> WouldRun,
        IReadOnlyList<RanStep> Ran);

    /// <param name="deployed">The deployed release's services by name.</param>
    public async Task<Answer> AskAsync(ReleasePlan plan, IReadOnlyDictionary<string, DeployedService> deployed,
        CancellationToken cancellationToken)
    {
        Dictionary<string, BuildBasis> same = [];
        Dictionary<string, string> wouldRun = [];
        List<RanStep> ran = [];
        var records = (await builderCache.RecordsAsync(cancellationToken)).Select(r => r.ID).ToHashSet();
        // A builder of its own would have to hand each image over first; one that was wiped knows nothing until the build restores it.
        var open = options.Builder is not null ? []
            : plan.Services.Where(s => s.AsksFirst && s.Before is not null && !seals.IsWiped(s.Name, records)).ToList();
        try
        {
            while (open.Count > 0)
            {
                progress.Report($"asking BuildKit about {string.Join(", ", open.Select(s => s.Name))}");
                var result =
                    await bake.RunAsync(plan.Model, [.. open.Select(s => Question(plan.Model.Project, s))], makesImages: true,
                        cancellationToken);
                ran.AddRange(result.Ran.Select(r => new RanStep(
                    open.FirstOrDefault(s => open.Count == 1 || TargetOf(s) == r.Name.Target)?.Name ?? "", r.Name.Stage, r.Name.Number,
                    r.Name.Text, r.Elapsed)));
                if (result.AllCached)
                {
                    foreach (var service in open.Where(s => s.Before is not null))
                    {
                        if ((await engine.FindImageAsync(NameOf(plan.Model.Project, service.Name), cancellationToken))?.Id is not { } id
                            || id != deployed[service.Name].ImageId)
                        {
                            continue;
                        }
                        // The next build is explained by what this one would have been built with.
                        same[service.Name] = await basisReader.ReadAsync(service.Service.Build!, service.Before!.Commit, result.Report,
                            cancellationToken);
                    }
                    break;
                }
                // One that would run says nothing of those that had not begun; where one cannot be built, none is asked about any more.
                var begun = result.Begun.ToLookup(b => b.Target);
                var changed = open.Where(s => open.Count == 1 || begun.Contains(TargetOf(s))).ToList();
                foreach (var service in changed.Where(_ => result.WouldRun is not null))
                {
                    wouldRun[service.Name] = begun[TargetOf(service)].FirstOrDefault()?.Text ?? result.WouldRun!;
                }
                open = changed.Count == 0 ? [] : [.. open.Except(changed)];
            }
        }
        finally
        {
            foreach (var service in plan.Services.Where(s => s.AsksFirst)) { await ForgetAsync(NameOf(plan.Model.Project, service.Name)); }
        }
        return new Answer(same, wouldRun, ran);
    }

    private static string TargetOf(ServicePlan service) => $"{Bake.Target(service.Name)}-asked";

    private BakeTarget Question(string project, ServicePlan service) =>
        new(TargetOf(service), service.Service, service.Before!.Commit, seals.SourcesFor(service.Name))
        {
            Image = NameOf(project, service.Name),
            // Inline cache is part of the image's configuration.
            KeepsCacheTo = service.Service.Build!.CacheTo.All(c => c.Replace(" ", "", StringComparison.Ordinal) == "type=inline"),
        };

    private async Task ForgetAsync(string name)
    {
        if (await engine.FindImageAsync(name, CancellationToken.None) is not null)
        {
            await engine.RemoveImageAsync(name, CancellationToken.None);
        }
    }

    private static string NameOf(string project, string service) =>
        $"{Repository}:{Convert.ToHexStringLower(SHA256.HashData(Encoding.UTF8.GetBytes($"{project}/{service}")))[..32]}";
}

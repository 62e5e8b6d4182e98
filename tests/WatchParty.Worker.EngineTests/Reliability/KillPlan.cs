namespace WatchParty.Worker.EngineTests.Reliability;

/// <summary>Where the worker is killed: after each call that changes something, as a run without kills reaches them.</summary>
/// <remarks>Before a call is after the one before it, and what only asks leaves nothing that a kill could leave half done.</remarks>
internal static class KillPlan
{
    private static readonly string[] Questions =
    [
        "engine Find", "engine Containers", "engine Images", "engine Info", "engine CacheRecords", "engine SaveImage", "engine RegistryHas",
            "engine Endpoint",
        "git rev-parse", "git rev-list", "git symbolic-ref", "git config", "git status", "git merge-base", "git for-each-ref", "git ls-",
            "git diff", "git log",
        "git hash-object", "git cat-file", "compose config", "compose version", "compose build", "buildx version", "docker context", "record pragma",
            "record create", "record alter",
    ];

    /// <summary>What the short form has in any case: where most is half done.</summary>
    private static readonly string[] Always =
        ["compose up", "git checkout", "state Verifying", "insert quarantine"];

    /// <summary>The kills of a piece of work.</summary>
    /// <param name="points">As <see cref="KillRuns.PointsOfAsync"/> has them.</param>
    public static IReadOnlyList<Kill> Of(Work work, IReadOnlyList<string> points, bool atStart)
    {
        List<Kill> kills = [];
        Dictionary<string, int> times = [];
        var (hasDeployed, isVerified, goesBack) = (false, false, false);
        foreach (var point in points)
        {
            // A rollback that is done is no longer one that a kill breaks off.
            if (work == Work.Rollback && point == "before record update release state Succeeded") { break; }
            times[point] = times.GetValueOrDefault(point) + 1;
            hasDeployed |= point == "after compose up";
            isVerified |= point == "after record update release state Verifying";
            goesBack |= point == "after record insert quarantine";
            if (!point.StartsWith("after ", StringComparison.Ordinal)
                || Questions.Any(q => point.StartsWith($"after {q}", StringComparison.Ordinal)))
            {
                continue;
            }
            // A bad commit is the same as a good one as long as nobody has said that it is bad.
            if (work == Work.BadCommit && !goesBack) { continue; }
            var name = times[point] == 1 ? point : $"{point}#{times[point]}";
            kills.Add(work switch
            {
                // What runs is not known to be all of the release, so the one before comes back first.
                Work.Commit when hasDeployed && !isVerified => new Kill(work, name, MostNew: 2, MostOld: 1),
                Work.Commit => new Kill(work, name, MostNew: 1),
                Work.ForcedRebuild => new Kill(work, name, MostNew: 2, MostOld: 1),
                Work.BadCommit => new Kill(work, name, MostNew: 1, MostOld: 1),
                Work.Rollback => new Kill(work, name, MostOld: 2),
                _ => new Kill(work, name),
            } with
            { AtStart = atStart });
        }
        return kills;
    }

    /// <summary>About <paramref name="count"/> of them, the same each time, spread over all of the work.</summary>
    public static IReadOnlyList<Kill> Some(IReadOnlyList<Kill> kills, int count)
    {
        var always = kills.Where(k => Always.Any(a => k.Point!.Contains(a, StringComparison.Ordinal))).ToList();
        var others = kills.Except(always).ToList();
        var left = Math.Max(count - always.Count, 1);
        return [.. kills.Where(k => always.Contains(k) || others.IndexOf(k) * left % others.Count < left)];
    }
}

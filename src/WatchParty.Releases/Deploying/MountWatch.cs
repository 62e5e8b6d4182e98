using System.Collections.Immutable;
using System.Globalization;
using WatchParty.Releases.Planning;
using WatchParty.Tools.Configuration;
using WatchParty.Tools.Redacting;

namespace WatchParty.Releases.Deploying;

/// <summary>What the mounts of a model lead to, and what compose copies into its containers, at one moment.</summary>
/// <param name="Mounts">By source.</param>
/// <param name="Texts">Hash by key.</param>
internal sealed record MountsSeen(IReadOnlyDictionary<string, SeenMount> Mounts, ImmutableDictionary<string, string> Texts)
{
    public static MountsSeen None { get; } = new(ImmutableDictionary<string, SeenMount>.Empty, ImmutableDictionary<string, string>.Empty);

    public bool IsEmpty => Mounts.Count == 0 && Texts.IsEmpty;
}

/// <summary>Tells which services read something else from outside of their images than their containers were started with.</summary>
/// <remarks>The rule: a container reads what its mounts led to when it was started. That is remembered of every start that the worker saw;
/// of any other start the times of the files say what has changed since. Whatever differs is for the service to get: a new content, and a
/// file or folder that took the name of the mounted one, which the container does not see at all before it starts again.</remarks>
internal sealed class MountWatch(DeployOptions options, MountReader reader, MountRecord record)
{
    /// <param name="pending">Paths of the repository that are about to change, when the commit is not checked out yet.</param>
    public async Task<MountsSeen> ReadAsync(ComposeModel model, IReadOnlyCollection<string> pending, CancellationToken cancellationToken) =>
        model.Services.All(s => s.Mounts.IsEmpty && s.Copies.IsEmpty) ? MountsSeen.None : new MountsSeen(
            await reader.ReadAsync(model, pending, cancellationToken),
            model.Services.SelectMany(s => s.Copies).Distinct().ToImmutableDictionary(
                c => c.Key, c => ValueHash.Of(c.Text ?? model.Values.GetValueOrDefault(c.Variable!, ""))));

    /// <summary>What each service gets whose containers were started with something else than <paramref name="now"/>.</summary>
    public IReadOnlyDictionary<string, MountReaction> Reactions(ComposeModel model, MountsSeen now, ContainerSet containers)
    {
        if (now.IsEmpty) { return ImmutableDictionary<string, MountReaction>.Empty; }
        var known = record.All(model.Project);
        return Reactions(model, s => containers.Of(s.Name).Select(c => Compare(s, c, known.GetValueOrDefault(c.Id), now)));
    }

    /// <summary>As above, after a deployment: what it started was started with what was there when it began.</summary>
    public IReadOnlyDictionary<string, MountReaction> ReactionsAfter(Deployment deployment, MountsSeen now, ContainerSet containers)
    {
        if (now.IsEmpty) { return ImmutableDictionary<string, MountReaction>.Empty; }
        var known = record.All(deployment.Model.Project);
        return Reactions(deployment.Model, s => containers.Of(s.Name).Select(c =>
            IsStartedBy(deployment, c) ? Compare(s, c, With(s, c, deployment.Mounts), now, sinceStart: true)
            // What it was to get it has got, as far as it can.
            : deployment.Reactions.ContainsKey(s.Name) ? Difference.None
            : Compare(s, c, known.GetValueOrDefault(c.Id), now)));
    }

    /// <summary>Remembers what the containers were started with, now that the deployment is over.</summary>
    /// <param name="started">What was there when they were started.</param>
    public async Task RememberAsync(Deployment deployment, MountsSeen started, ContainerSet containers, CancellationToken cancellationToken)
    {
        var now = await ReadAsync(deployment.Model, [], cancellationToken);
        var known = record.All(deployment.Model.Project);
        var own = known.Values.SelectMany(k => k.Mounts).Where(m => m.Value.IsOwn).Select(m => m.Key).ToHashSet();
        List<StartedWith> all = [];
        foreach (var service in deployment.Model.Services)
        {
            var reaction = deployment.Reactions.GetValueOrDefault(service.Name)?.Handling;
            foreach (var container in containers.Of(service.Name))
            {
                var before = known.GetValueOrDefault(container.Id) is { } old && old.StartedAt == container.StartedAt ? old : null;
                if (IsStartedBy(deployment, container))
                {
                    all.Add(Written(With(service, container, started), deployment.Mounts, now, own));
                }
                else if (reaction == MountHandling.Signal || (before is null && reaction is null))
                {
                    all.Add(Written(With(service, container, now), now, now, own));
                }
                else if (before is not null) { all.Add(before); }
            }
        }
        record.Save(deployment.Model.Project, all);
    }

    /// <summary>A single file that changed in its place while its service started was written by the application: its database, its
    /// log.</summary>
    private static StartedWith Written(StartedWith started, MountsSeen before, MountsSeen now, HashSet<string> own) => started with
    {
        Mounts = started.Mounts.ToImmutableDictionary(
            m => m.Key,
            m => m.Value with
            {
                IsOwn = own.Contains(m.Key) || IsWritten(before.Mounts.GetValueOrDefault(m.Key), now.Mounts.GetValueOrDefault(m.Key)),
            }),
    };

    private static bool IsWritten(SeenMount? before, SeenMount? after) => before is not null && after is { MayBeOwn: true }
        && before.State.Identity == after.State.Identity && Changes(before.State, after.State).Any();

    private static bool IsStartedBy(Deployment deployment, SeenContainer container) =>
        !deployment.Before.All.Any(b => b.Id == container.Id && b.StartedAt == container.StartedAt);

    private static StartedWith With(ComposeService service, SeenContainer container, MountsSeen seen) => new(
        container.Id, container.StartedAt,
        service.Mounts.Where(m => seen.Mounts.ContainsKey(m.Source)).ToImmutableDictionary(m => m.Source, m => seen.Mounts[m.Source].State),
        service.Copies.Where(c => seen.Texts.ContainsKey(c.Key)).ToImmutableDictionary(c => c.Key, c => seen.Texts[c.Key]));

    private sealed record Difference(
        IReadOnlyCollection<string> Changed, IReadOnlyCollection<string> Replaced, IReadOnlyCollection<string> Texts, bool IsKnown = true)
    {
        public static Difference None { get; } = new([], [], []);
    }

    private static Difference Compare(
        ComposeService service, SeenContainer container, StartedWith? with, MountsSeen now, bool sinceStart = false)
    {
        if (container.Status == "created") { return Difference.None; }
        HashSet<string> changed = [], replaced = [];
        foreach (var source in service.Mounts.Select(m => m.Source).Where(now.Mounts.ContainsKey))
        {
            var seen = now.Mounts[source];
            if (with is not null && with.StartedAt == container.StartedAt)
            {
                // What was not there the engine has made.
                if (!with.Mounts.TryGetValue(source, out var state)) { continue; }
                var isOther = state.Identity != seen.State.Identity;
                if (isOther) { replaced.Add(seen.Shown); }
                if (isOther || !(seen.MayBeOwn && (state.IsOwn || sinceStart))) { changed.UnionWith(Changes(state, seen.State)); }
            }
            else if (Nanoseconds(container.StartedAt) is { } started)
            {
                if (seen.Came > started) { replaced.Add(seen.Shown); }
                if (seen.MayBeOwn) { continue; }
                changed.UnionWith(seen.ChangedSince(started));
                // The times of what is there do not tell of what is gone.
                if (with?.Mounts.GetValueOrDefault(source) is { } known)
                {
                    changed.UnionWith(known.Files.Keys.Except(seen.State.Files.Keys));
                }
            }
        }
        // A container that has ended will see what is there when it starts.
        if (!container.Runs && container.Status != "restarting") { replaced.Clear(); }
        // Nobody can ask a container for the texts that were copied into it. They stay in it when it is started again.
        var texts = service.Copies.Where(c => with?.Texts.GetValueOrDefault(c.Key) != now.Texts.GetValueOrDefault(c.Key));
        return new Difference(changed, replaced, [.. texts.Select(c => c.Key)], with is not null);
    }

    private IReadOnlyDictionary<string, MountReaction> Reactions(ComposeModel model, Func<ComposeService, IEnumerable<Difference>> compare)
    {
        var reactions = new Dictionary<string, MountReaction>();
        foreach (var service in model.Services.Where(s => !s.Mounts.IsEmpty || !s.Copies.IsEmpty))
        {
            var all = compare(service).ToList();
            if (ReactionOf(service,
                new Difference(Joined(d => d.Changed), Joined(d => d.Replaced), Joined(d => d.Texts),
                    all.TrueForAll(d => d.IsKnown))) is { } reaction)
            {
                reactions[service.Name] = reaction;
            }
            SortedSet<string> Joined(Func<Difference, IEnumerable<string>> of) => new(all.SelectMany(of), StringComparer.Ordinal);
        }
        return reactions;
    }

    private MountReaction? ReactionOf(ComposeService service, Difference difference)
    {
        var more = difference.Changed.Count > 1 ? $" and {difference.Changed.Count - 1} more that" : ", which";
        var reason = difference.Changed.Count > 0
            ? $"it mounts {difference.Changed.First()}{more} changed"
            : difference.Texts.Count > 0
            ? $"its {difference.Texts.First()} {(difference.IsKnown ? "changed" : "is not known to be as it was")}"
            : difference.Replaced.Count > 0
            ? $"it mounts {difference.Replaced.First()}, which was replaced, so that it still has the one of before"
            : null;
        if (reason is null) { return null; }
        var wanted = service.OnMountChange
            ?? new OnMountChange(options.RestartOnMountChange ? MountHandling.Restart : MountHandling.Ignore);
        return wanted.Handling switch
        {
            MountHandling.Ignore => new(MountHandling.Ignore, $"{reason}, and is left as it is"),
            MountHandling.Recreate => new(MountHandling.Recreate, reason),
            _ when difference.Texts.Count > 0 => new(MountHandling.Recreate, reason, Note: wanted.Signal is null ? null
                : $"{service.Name} is made anew instead of getting {wanted.Signal}, because compose copies its {difference.Texts.First()} "
                    + "into a new container only"),
            MountHandling.Signal when difference.Replaced.Count > 0 => new(MountHandling.Restart, reason,
                Note: $"{service.Name} is restarted instead of getting {wanted.Signal}, because {difference.Replaced.First()} was "
                    + "replaced, and a container sees what it mounts itself only as it was at its start. "
                    + "Mount the folder that the file is in"),
            MountHandling.Signal => new(MountHandling.Signal, $"{reason}, and gets {wanted.Signal}", wanted.Signal),
            _ => new(MountHandling.Restart, reason),
        };
    }

    private static IEnumerable<string> Changes(MountState before, MountState after) =>
        before.Files.Keys.Union(after.Files.Keys).Where(p => before.Files.GetValueOrDefault(p) != after.Files.GetValueOrDefault(p));

    /// <summary>Since 1970; null for a container that was never started.</summary>
    private static long? Nanoseconds(string time) =>
        DateTimeOffset.TryParse(time, CultureInfo.InvariantCulture, DateTimeStyles.AssumeUniversal, out var at)
            && at > DateTimeOffset.UnixEpoch
            ? (at - DateTimeOffset.UnixEpoch).Ticks * TimeSpan.NanosecondsPerTick : null;
}

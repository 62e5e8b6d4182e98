using System.Collections.Immutable;
using System.Text.Json;
using System.Text.Json.Serialization;
using WatchParty.Releases.Planning;
using WatchParty.Releases.Recording;

namespace WatchParty.Releases.Deploying;

/// <summary>What a container was started with.</summary>
/// <param name="StartedAt">The start that it is true of, as the engine writes it.</param>
/// <param name="Mounts">By source.</param>
/// <param name="Texts">Hash of what compose copied into it, by key.</param>
internal sealed record StartedWith(
    string Container, string StartedAt, ImmutableDictionary<string, MountState> Mounts, ImmutableDictionary<string, string> Texts);

/// <summary>Remembers it, since nobody can ask a container what its mounts were when it started: the engine's own copy out of a container
/// mounts everything anew for that (<c>openContainerFS</c> in daemon/archive_unix.go of moby).</summary>
internal sealed class MountRecord(Database database)
{
    /// <summary>By id of the container.</summary>
    public IReadOnlyDictionary<string, StartedWith> All(string project) => database.Query(
        "SELECT mounts FROM mounted WHERE project = $project",
        r => JsonSerializer.Deserialize(r.GetString(0), MountJson.Default.StartedWith)!, ("$project", project))
        .ToDictionary(s => s.Container);

    /// <summary>Takes the place of all that was known of the containers of <paramref name="project"/>.</summary>
    public void Save(string project, IEnumerable<StartedWith> containers) => database.Transaction(() =>
    {
        database.Execute("DELETE FROM mounted WHERE project = $project", ("$project", project));
        foreach (var one in containers)
        {
            var mounts = JsonSerializer.Serialize(one, MountJson.Default.StartedWith);
            database.Execute("INSERT INTO mounted (container, project, mounts) VALUES ($id, $project, $mounts)",
                ("$id", one.Container), ("$project", project), ("$mounts", mounts));
        }
    });
}

[JsonSourceGenerationOptions(PropertyNamingPolicy = JsonKnownNamingPolicy.CamelCase)]
[JsonSerializable(typeof(StartedWith))]
internal sealed partial class MountJson : JsonSerializerContext;

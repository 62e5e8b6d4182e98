using System.Text.Json;
using System.Text.Json.Serialization;
using WatchParty.Releases.Recording;

namespace WatchParty.Releases.Caching;

/// <summary>The cache of one service, kept where no prune of the builder reaches it.</summary>
/// <param name="Images">Cache images in the order of the stages, the service's own target last; empty for another kind of seal.</param>
/// <param name="Folder">Folder of a local cache; null for another kind of seal.</param>
/// <param name="Reference">Name in a registry; null for another kind of seal.</param>
/// <param name="Bytes">Disk that it takes beyond what the engine has anyway.</param>
/// <param name="Records">Records of the builder that it stands for: when one of them is gone, the builder was wiped.</param>
internal sealed record Seal(
    string Service, long Release, IReadOnlyList<string> Images, string? Folder, string? Reference, long Bytes, double Seconds,
    IReadOnlyList<string> Records, DateTimeOffset SealedAt)
{
    /// <summary>The compose project, which the images bear as a label; null in what an older program recorded.</summary>
    public string? Project { get; init; }

    /// <summary>The stage of each of <see cref="Images"/>, null for the service's own target. An older program had an image for every
    /// stage.</summary>
    public IReadOnlyList<string?>? Stages { get; init; }

    /// <summary>Id of the image of which the cache was sealed: as long as the service has it, there is nothing to seal again.</summary>
    public string? Of { get; init; }

    /// <summary>The cache image of a stage; null when it has none.</summary>
    /// <param name="index">Place of the stage among all that the service needs.</param>
    public string? ImageOf(string? stage, int index) =>
        (Stages is null ? index : Stages.ToList().IndexOf(stage)) is >= 0 and var at && at < Images.Count ? Images[at] : null;
}

[JsonSourceGenerationOptions(PropertyNamingPolicy = JsonKnownNamingPolicy.CamelCase)]
[JsonSerializable(typeof(Seal))]
internal sealed partial class SealJson : JsonSerializerContext;

/// <summary>The seals that were checked, by service.</summary>
internal sealed class SealRecord(Database database)
{
    public void Save(Seal seal) => database.Execute("INSERT OR REPLACE INTO seal VALUES ($service, $seal)",
        ("$service", seal.Service), ("$seal", JsonSerializer.Serialize(seal, SealJson.Default.Seal)));

    public void Remove(string service) => database.Execute("DELETE FROM seal WHERE service = $service", ("$service", service));

    public Seal? Find(string service) => All().FirstOrDefault(s => s.Service == service);

    public IReadOnlyList<Seal> All() =>
        database.Query("SELECT seal FROM seal ORDER BY service", r => JsonSerializer.Deserialize(r.GetString(0), SealJson.Default.Seal)!);
}

using System.Text.Json;
using System.Text.Json.Serialization;
using WatchParty.Worker.Recording;

namespace WatchParty.Worker.Caching;

/// <summary>The cache of one service, kept where no prune of the builder reaches it.</summary>
/// <param name="Images">Cache images in the order of the stages, the service's own target last; empty for another kind of seal.</param>
/// <param name="Folder">Folder of a local cache; null for another kind of seal.</param>
/// <param name="Reference">Name in a registry; null for another kind of seal.</param>
/// <param name="Bytes">Disk that it takes beyond what the engine has anyway.</param>
/// <param name="Records">Records of the builder that it stands for: when one of them is gone, the builder was wiped.</param>
internal sealed record Seal(
    string Service, long Release, IReadOnlyList<string> Images, string? Folder, string? Reference, long Bytes, double Seconds, IReadOnlyList<string> Records, DateTimeOffset SealedAt)
{
    /// <summary>The compose project, which the images bear as a label; null in what an older program recorded.</summary>
    public string? Project { get; init; }
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

    public IReadOnlyList<Seal> All() => database.Query("SELECT seal FROM seal ORDER BY service", r => JsonSerializer.Deserialize(r.GetString(0), SealJson.Default.Seal)!);
}

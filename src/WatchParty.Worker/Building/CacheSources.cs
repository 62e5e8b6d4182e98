using WatchParty.Worker.Planning;
using WatchParty.Worker.Tools;

namespace WatchParty.Worker.Building;

/// <summary>Tells which cache sources of the compose file cannot work on this engine.</summary>
/// <remarks>A name without a registry is a local image for the people who write it. BuildKit asks a public registry for it, where it
/// may even be somebody else's image: always on the containerd store, which compiles in no look-up of local images, and on the
/// graph driver when there is no such image (moby builder-next/controller.go, adapters/localinlinecache). Where the network
/// drops packets instead of refusing them, that costs 20 seconds a build.</remarks>
internal sealed class CacheSources(DockerEngine engine)
{
    /// <summary>Why each unusable source of <paramref name="services"/> is one, by its text.</summary>
    public async Task<IReadOnlyDictionary<string, string>> UnusableAsync(IEnumerable<ComposeService> services, ImageStore store, CancellationToken cancellationToken)
    {
        Dictionary<string, string> unusable = [];
        foreach (var source in services.SelectMany(s => s.Build!.CacheFrom).Distinct())
        {
            if (Bake.ImageOf(source) is not { } image || ImageName.NamesRegistry(image)) { continue; }
            if (store == ImageStore.Containerd)
            {
                unusable[source] = "the containerd image store looks it up in a public registry instead of here";
            }
            else if (await engine.FindImageAsync(image, cancellationToken) is null)
            {
                unusable[source] = "there is no such image here yet";
            }
        }
        return unusable;
    }
}

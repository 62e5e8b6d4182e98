using WatchParty.Releases.Planning;
using WatchParty.Tools.Docker;

namespace WatchParty.Releases.Baking;

/// <summary>A cache source of the compose file that is left out.</summary>
/// <param name="Fix">What to write instead.</param>
internal sealed record DroppedSource(string Service, string Source, string Reason, string Fix);

/// <summary>Tells which cache sources of the compose file can work on this engine.</summary>
internal sealed class CacheSources(IDockerEngine engine)
{
    private const string LeaveOut = "Leave it out: the worker keeps a sealed cache of its own";

    /// <summary>The sources of <paramref name="service"/> that may work; the others go to <paramref name="dropped"/>.</summary>
    /// <param name="namedBuilder">Whether the builds run on a buildx builder, which has every cache type and no local images.</param>
    public async Task<IReadOnlyList<string>> UsableAsync(ComposeService service, ImageStore store, bool namedBuilder,
        Action<DroppedSource> dropped, CancellationToken cancellationToken)
    {
        List<string> usable = [];
        foreach (var source in service.Build!.CacheFrom)
        {
            if (await ProblemOfAsync(source, service.Image, store, namedBuilder, cancellationToken) is var (reason, fix))
            {
                dropped(new DroppedSource(service.Name, source, reason, fix));
            }
            else { usable.Add(source); }
        }
        return usable;
    }

    /// <remarks>A name without a registry is a local image for the people who write it. BuildKit asks a public registry for it, where it
    /// may even be somebody else's image: always on the containerd store, which compiles in no look-up of local images, and on the
    /// graph driver when there is no such image (moby builder-next/controller.go, adapters/localinlinecache). Where the network
    /// drops packets instead of refusing them, that costs 20 seconds a build. An image without cache metadata is read and gives
    /// nothing (cache/remotecache/inline).</remarks>
    private async Task<(string Reason, string Fix)?> ProblemOfAsync(string source, string shipped, ImageStore store, bool namedBuilder,
        CancellationToken cancellationToken)
    {
        if (Bake.ImageOf(source) is not { } image)
        {
            var fields = Bake.Fields(source);
            var type = fields["type"].FirstOrDefault("");
            if (!namedBuilder && type is "s3" or "azblob")
            {
                return ($"the engine's own builder has no cache of type {type}",
                    "Set Build:Builder to a buildx builder, or use type=registry");
            }
            if (!namedBuilder && store == ImageStore.GraphDriver && type == "gha")
            {
                return ("the engine's own builder has no cache of type gha", "Use type=registry");
            }
            if (type == "local" && fields["src"].FirstOrDefault() is { } folder && Path.IsPathFullyQualified(folder)
                && !Directory.Exists(folder))
            {
                return ($"the folder {folder} does not exist", LeaveOut);
            }
            return null;
        }
        if (ImageName.NamesRegistry(image)) { return null; }
        if (namedBuilder || store == ImageStore.Containerd)
        {
            return ("it is looked up in a public registry instead of on this engine", $"{LeaveOut}, or write the registry into the name");
        }
        if (await engine.FindImageAsync(image, cancellationToken) is null) { return ("there is no such image here yet", LeaveOut); }
        return ImageName.Split(image) == ImageName.Split(shipped)
            ? ("the shipped image carries no cache metadata, so it gives no cache", LeaveOut)
            : null;
    }
}

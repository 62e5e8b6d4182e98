using WatchParty.Worker.Configuration;
using WatchParty.Worker.Planning;
using WatchParty.Worker.Tools;

namespace WatchParty.Worker.Building;

/// <summary>How the base images of a fresh build are looked up again.</summary>
/// <param name="Pull">Whether <c>--pull</c> can be passed: every base image is known to a registry.</param>
/// <param name="PullApart">Images to pull one by one, because others of the same build exist only here.</param>
/// <param name="LocalOnly">Images that no registry answers for.</param>
internal sealed record BaseImageLookup(bool Pull, IReadOnlyList<string> PullApart, IReadOnlyList<string> LocalOnly);

/// <summary>Tells base images of a registry from those that exist only on this engine: <c>--pull</c> resolves every FROM at its
/// registry, and fails the build for an image that was never pushed anywhere.</summary>
internal sealed class BaseImages(DockerEngine engine, BuildOptions options)
{
    public async Task<BaseImageLookup> LookUpAsync(BuildSection build, ImageStore store, CancellationToken cancellationToken)
    {
        var text = await BuildBasisReader.DockerfileOfAsync(build, cancellationToken);
        var arguments = build.Arguments.SetItems(options.Arguments);
        List<string> remote = [], local = [];
        foreach (var image in Dockerfile.Parse(text).BaseImages(arguments, build.Target))
        {
            (await ExistsOnlyHereAsync(image, store, cancellationToken) ? local : remote).Add(image);
        }
        return local.Count == 0 ? new(true, [], []) : new(false, remote, local);
    }

    private async Task<bool> ExistsOnlyHereAsync(string image, ImageStore store, CancellationToken cancellationToken)
    {
        if (await engine.FindImageAsync(image, cancellationToken) is not { } found) { return false; }
        // The graph driver gives an image a registry digest only when it came from one; the containerd store gives every image one.
        return store == ImageStore.GraphDriver
            ? found.RepoDigests is not { Length: > 0 }
            : !await engine.RegistryHasAsync(image, cancellationToken);
    }
}

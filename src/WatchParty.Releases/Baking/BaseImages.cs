using System.Text.Json;
using WatchParty.Releases.Planning;
using WatchParty.Tools.Configuration;
using WatchParty.Tools.Docker;
using WatchParty.Tools.Processes;

namespace WatchParty.Releases.Baking;

/// <summary>How the base images of a fresh build are looked up again.</summary>
/// <param name="Pull">Whether <c>--pull</c> can be passed: every base image is known to a registry.</param>
/// <param name="PullApart">Images to pull one by one, because others of the same build exist only here.</param>
/// <param name="LocalOnly">Images that no registry answers for.</param>
internal sealed record BaseImageLookup(bool Pull, IReadOnlyList<string> PullApart, IReadOnlyList<string> LocalOnly);

/// <summary>Tells base images of a registry from those that exist only on this engine: <c>--pull</c> resolves every FROM at its
/// registry, and fails the build for an image that was never pushed anywhere.</summary>
internal sealed class BaseImages(IDockerEngine engine, IToolRunner runner, ComposeProject project, BuildOptions options)
{
    /// <summary>Those of <paramref name="built"/>, digest by name, that their registries have another digest for.</summary>
    /// <returns>Also the first registry's words that did not answer; its images count as not new.</returns>
    public async Task<(IReadOnlyDictionary<string, string> Digests, string? Error)> NewDigestsAsync(
        IEnumerable<KeyValuePair<string, string>> built, CancellationToken cancellationToken)
    {
        Dictionary<string, string> digests = [];
        string? error = null;
        foreach (var (image, digest) in built.Distinct().Where(b => !b.Key.Contains('@', StringComparison.Ordinal)))
        {
            try
            {
                using var manifest =
                    JsonDocument.Parse(await runner.OutputOfAsync(DockerCommands.RegistryManifest(project, image), cancellationToken));
                if (manifest.RootElement.GetProperty("digest").GetString() is { } found && found != digest) { digests[image] = found; }
            }
            catch (ToolFailedException e)
            {
                error ??= $"{image}: {(e.Tail.Length > 0 ? e.Tail.Trim() : e.Message)}";
            }
            catch (Exception e) when (e is JsonException or KeyNotFoundException or InvalidOperationException)
            {
                error ??= $"{image}: docker buildx imagetools said something that cannot be read: {e.Message}";
            }
        }
        return (digests, error);
    }

    public async Task<BaseImageLookup> LookUpAsync(BuildSection build, ImageStore store, CancellationToken cancellationToken)
    {
        var text = BuildBasisReader.DockerfileOf(build);
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

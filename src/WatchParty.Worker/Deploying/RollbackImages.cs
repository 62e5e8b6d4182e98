using System.Globalization;
using WatchParty.Worker.Planning;
using WatchParty.Worker.Tools;

namespace WatchParty.Worker.Deploying;

/// <summary>Names that keep the images of a release on the engine: <c>repository:watchparty-RELEASE</c>.</summary>
/// <remarks>On the containerd store building a tag again deletes the image it named before, even while a container runs from it;
/// on the graph driver the next image prune does. So every image that may be wanted again has a name of its own.</remarks>
internal sealed class RollbackImages(DockerEngine engine)
{
    public const string TagPrefix = "watchparty-";

    public static string NameOf(string image, long release) =>
        ImageName.WithTag(image, string.Create(CultureInfo.InvariantCulture, $"{TagPrefix}{release}"));

    /// <summary>The release that a tag of ours belongs to, or null for any other name.</summary>
    public static long? ReleaseOf(string name) =>
        ImageName.Split(name).Tag is var tag && tag.StartsWith(TagPrefix, StringComparison.Ordinal)
            && long.TryParse(tag.AsSpan(TagPrefix.Length), NumberStyles.None, CultureInfo.InvariantCulture, out var release) ? release : null;

    /// <summary>Names the images that the built services have now after <paramref name="release"/>.</summary>
    /// <returns>Id by image name, of the images that exist.</returns>
    public async Task<IReadOnlyDictionary<string, string>> KeepAsync(ComposeModel model, long release, CancellationToken cancellationToken)
    {
        Dictionary<string, string> kept = [];
        foreach (var name in model.Built.Select(s => s.Image).Distinct())
        {
            if (await engine.FindImageAsync(name, cancellationToken) is not { } image) { continue; }
            await engine.TagAsync(image.Id, NameOf(name, release), cancellationToken);
            kept[name] = image.Id;
        }
        return kept;
    }

    /// <summary>Gives every image name back to the image it had; names that are right already are left alone.</summary>
    /// <param name="release">Release whose tags help when an id alone is not found.</param>
    /// <returns>The names whose image is gone.</returns>
    public async Task<IReadOnlyList<string>> RestoreAsync(IReadOnlyDictionary<string, string> images, long release, CancellationToken cancellationToken)
    {
        List<string> gone = [];
        foreach (var (name, id) in images)
        {
            if ((await engine.FindImageAsync(name, cancellationToken))?.Id == id) { continue; }
            var source = await engine.FindImageAsync(id, cancellationToken) ?? await engine.FindImageAsync(NameOf(name, release), cancellationToken);
            if (source is null) { gone.Add(name); } else { await engine.TagAsync(source.Id, name, cancellationToken); }
        }
        return gone;
    }
}

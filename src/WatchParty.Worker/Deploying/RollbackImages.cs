using System.Globalization;
using System.Text.RegularExpressions;
using WatchParty.Worker.Planning;
using WatchParty.Worker.Tools;

namespace WatchParty.Worker.Deploying;

/// <summary>Names that keep the images of a release on the engine: <c>repository:watchparty-RELEASE</c>, and <c>-TAG</c> where the tag is not <c>latest</c>.</summary>
/// <remarks>On the containerd store building a tag again deletes the image it named before, even while a container runs from it;
/// on the graph driver the next image prune does. So every image that may be wanted again has a name of its own.</remarks>
internal sealed partial class RollbackImages(IDockerEngine engine)
{
    public const string TagPrefix = "watchparty-";

    private const int LongestTag = 128;

    /// <summary>The tag it had before is part of the new one, because two services may differ in nothing else.</summary>
    public static string NameOf(string image, long release)
    {
        var tag = ImageName.Split(image).Tag;
        var name = string.Create(CultureInfo.InvariantCulture, $"{TagPrefix}{release}{(tag == "latest" ? "" : "-" + tag)}");
        return ImageName.WithTag(image, name[..Math.Min(name.Length, LongestTag)]);
    }

    /// <summary>The release that a tag of ours belongs to, or null for any other name.</summary>
    public static long? ReleaseOf(string name) =>
        Tag().Match(ImageName.Split(name).Tag) is { Success: true } tag
            && long.TryParse(tag.Groups[1].Value, NumberStyles.None, CultureInfo.InvariantCulture, out var release) ? release : null;

    [GeneratedRegex($@"\A{TagPrefix}([0-9]+)(-.*)?\z")]
    private static partial Regex Tag();

    /// <summary>Names the images that the built services have now after <paramref name="release"/>.</summary>
    /// <returns>Id by image name, of the images that exist.</returns>
    public async Task<IReadOnlyDictionary<string, string>> KeepAsync(ComposeModel model, long release, CancellationToken cancellationToken)
    {
        var kept = await engine.ImageIdsAsync(model.Built.Select(s => s.Image), cancellationToken);
        await engine.TagAsync(kept.Select(i => (i.Value, NameOf(i.Key, release))), cancellationToken);
        return kept;
    }

    /// <summary>Whether any of these names has another image now, or none.</summary>
    public async Task<bool> DifferAsync(IReadOnlyDictionary<string, string> images, CancellationToken cancellationToken)
    {
        var now = await engine.ImageIdsAsync(images.Keys, cancellationToken);
        return images.Any(i => now.GetValueOrDefault(i.Key) != i.Value);
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

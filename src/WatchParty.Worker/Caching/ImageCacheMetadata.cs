using System.Formats.Tar;
using System.Text;
using WatchParty.Worker.Tools;

namespace WatchParty.Worker.Caching;

/// <summary>Looks for BuildKit's inline cache in an image. An image that carries it brings old results back after a clear.</summary>
/// <remarks>The engine's API leaves the field out of what it says of an image, so the image's own configuration is read from
/// what <c>docker save</c> streams. Source: <c>moby.buildkit.cache.v0</c> in BuildKit's solver/pb.</remarks>
internal sealed class ImageCacheMetadata(IDockerEngine engine)
{
    private const long LargestConfiguration = 4 * 1024 * 1024;

    public async Task<bool> IsInAsync(string image, CancellationToken cancellationToken)
    {
        using var stream = await engine.SaveImageAsync(image, cancellationToken);
        await using var archive = new TarReader(stream);
        while (await archive.GetNextEntryAsync(copyData: false, cancellationToken) is { } entry)
        {
            if (entry.DataStream is not { Length: > 0 and <= LargestConfiguration } data) { continue; }
            var bytes = new byte[data.Length];
            await data.ReadExactlyAsync(bytes, cancellationToken);
            if (bytes[0] == (byte)'{' && Encoding.UTF8.GetString(bytes).Contains("moby.buildkit.cache.v0", StringComparison.Ordinal)) { return true; }
        }
        return false;
    }
}

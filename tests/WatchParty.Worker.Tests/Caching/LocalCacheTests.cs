using System.Security.Cryptography;
using System.Text;
using WatchParty.Releases.Caching;

namespace WatchParty.Worker.Tests.Caching;

public sealed class LocalCacheTests : IDisposable
{
    private readonly string _folder = Directory.CreateTempSubdirectory("local-cache-").FullName;

    public void Dispose() => Directory.Delete(_folder, recursive: true);

    [Fact]
    public void Cache_WithEverythingThatItNames_IsWhole()
    {
        Write(out _, out _);
        Assert.Null(LocalCache.FaultOf(_folder));
        Assert.True(LocalCache.SizeOf(_folder) > 0);
    }

    [Fact]
    public void Cache_WithoutAnIndex_IsNone()
    {
        Assert.Equal("it has no index.json", LocalCache.FaultOf(_folder));
        Assert.Equal("it has no index.json", LocalCache.FaultOf(Path.Combine(_folder, "nowhere")));
        Assert.Equal(0, LocalCache.SizeOf(Path.Combine(_folder, "nowhere")));
    }

    [Theory]
    [InlineData("../../outside")]
    [InlineData("/etc/passwd")]
    [InlineData("")]
    public void Digest_ThatIsAPath_IsNeverOpened(string digest)
    {
        File.WriteAllText(Path.Combine(_folder, "index.json"), $$"""{ "layers": [ { "digest": "{{digest}}", "size": 9 } ] }""");
        Assert.Equal($"it names '{digest}', which is no digest", LocalCache.FaultOf(_folder));
    }

    [Fact]
    public void Manifests_ThatNameEachOther_AreReadOnce()
    {
        const string text = """{ "manifests": [ { "digest": "sha256:aa", "size": 120, "mediaType": "application/vnd.oci.image.index" } ] }""";
        Directory.CreateDirectory(Path.Combine(_folder, "blobs", "sha256"));
        File.WriteAllText(Path.Combine(_folder, "index.json"), text);
        File.WriteAllText(Path.Combine(_folder, "blobs", "sha256", "aa"), text.PadRight(120));
        Assert.Null(LocalCache.FaultOf(_folder));
    }

    [Fact]
    public void Blobs_ThatTheIndexDoesNotName_Go()
    {
        Write(out _, out _);
        var size = LocalCache.SizeOf(_folder);
        File.WriteAllText(Path.Combine(_folder, "blobs", "sha256", "0123"), "of an earlier export");
        Directory.CreateDirectory(Path.Combine(_folder, "ingest"));
        File.WriteAllText(Path.Combine(_folder, "ingest", "begun"), "half");

        Assert.Null(LocalCache.Collect(_folder));

        Assert.Equal(size, LocalCache.SizeOf(_folder));
        Assert.Null(LocalCache.FaultOf(_folder));
    }

    [Fact]
    public void Blobs_OfACacheThatIsNotWhole_Stay()
    {
        Write(out var layer, out _);
        File.Delete(PathOf(layer));
        var other = Path.Combine(_folder, "blobs", "sha256", "0123");
        File.WriteAllText(other, "of an earlier export");

        Assert.NotNull(LocalCache.Collect(_folder));

        Assert.True(File.Exists(other));
    }

    [Fact]
    public void Blobs_OfTheCacheBefore_AreSharedAndEachCacheGoesByItself()
    {
        if (!OperatingSystem.IsLinux()) { return; }
        Write(out var layer, out _);
        var next = Path.Combine(_folder, "next");

        LocalCache.Share(_folder, next);

        var shared = Path.Combine(next, Path.GetRelativePath(_folder, PathOf(layer)));
        Assert.Equal(Directory.GetFiles(Path.Combine(_folder, "blobs"), "*", SearchOption.AllDirectories).Length, Directory.GetFiles(next, "*", SearchOption.AllDirectories).Length);
        File.Delete(PathOf(layer));
        Assert.True(File.Exists(shared));
        LocalCache.Share(Path.Combine(_folder, "nowhere"), next);
    }

    [Fact]
    public void Layer_ThatIsMissingOrCutShort_IsNamed()
    {
        Write(out var layer, out _);
        File.WriteAllText(PathOf(layer), "cut");
        Assert.Equal($"{layer} is missing or cut short", LocalCache.FaultOf(_folder));
        File.Delete(PathOf(layer));
        Assert.Equal($"{layer} is missing or cut short", LocalCache.FaultOf(_folder));
    }

    [Fact]
    public void Configuration_ThatIsMissing_IsNamed()
    {
        Write(out _, out var configuration);
        File.Delete(PathOf(configuration));
        Assert.Equal($"{configuration} is missing or cut short", LocalCache.FaultOf(_folder));
    }

    [Theory]
    [InlineData("")]
    [InlineData("no json")]
    [InlineData("[]")]
    [InlineData("""{"manifests":[{"size":1}]}""")]
    [InlineData("""{"manifests":[7]}""")]
    [InlineData("""{"manifests":[{"digest":1,"size":1}]}""")]
    [InlineData("""{"manifests":[{"digest":"sha256:0","size":"many"}]}""")]
    public void Index_ThatIsNone_IsAFaultAndNoException(string text)
    {
        File.WriteAllText(Path.Combine(_folder, "index.json"), text);
        Assert.NotNull(LocalCache.FaultOf(_folder));
    }

    private void Write(out string layer, out string configuration)
    {
        layer = Blob("a layer");
        configuration = Blob("""{"records":[]}""");
        var manifest = Blob($$"""
            {"config":{"digest":"{{configuration}}","size":14,"mediaType":"application/vnd.buildkit.cacheconfig.v0"},
             "layers":[{"digest":"{{layer}}","size":7,"mediaType":"application/vnd.oci.image.layer.v1.tar+gzip"}]}
            """);
        File.WriteAllText(Path.Combine(_folder, "index.json"),
            $$"""{"manifests":[{"digest":"{{manifest}}","size":{{new FileInfo(PathOf(manifest)).Length}},"mediaType":"application/vnd.oci.image.manifest.v1+json"}]}""");
    }

    private string Blob(string text)
    {
        var digest = $"sha256:{Convert.ToHexStringLower(SHA256.HashData(Encoding.UTF8.GetBytes(text)))}";
        Directory.CreateDirectory(Path.GetDirectoryName(PathOf(digest))!);
        File.WriteAllText(PathOf(digest), text);
        return digest;
    }

    private string PathOf(string digest) => Path.Combine(_folder, "blobs", digest.Replace(':', '/'));
}

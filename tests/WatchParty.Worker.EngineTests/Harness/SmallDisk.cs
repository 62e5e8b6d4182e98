namespace WatchParty.Worker.EngineTests.Harness;

/// <summary>A file system in memory, mounted on a folder to be filled up.</summary>
internal sealed class SmallDisk : IAsyncDisposable
{
    private readonly string _folder;

    private SmallDisk(string folder) => _folder = folder;

    private string Filler => Path.Combine(_folder, "filler");

    public static async Task<SmallDisk> MountAsync(string folder)
    {
        Directory.CreateDirectory(folder);
        await Command.OutputAsync("mount", ["-t", "tmpfs", "-o", "size=8m,mode=700", "watchparty-test", folder]);
        return new SmallDisk(folder);
    }

    public async Task FillAsync()
    {
        var written = await Command.RunAsync("dd", ["if=/dev/zero", $"of={Filler}", "bs=4k"]);
        Assert.Contains("No space left on device", written.Errors, StringComparison.Ordinal);
    }

    public void Free() => File.Delete(Filler);

    // Lazily, because whoever still uses it must not keep it.
    public async ValueTask DisposeAsync() => await Command.OutputAsync("umount", ["--lazy", _folder]);
}

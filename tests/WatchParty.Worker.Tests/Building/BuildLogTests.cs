using WatchParty.Worker.Building;

namespace WatchParty.Worker.Tests.Building;

public sealed class BuildLogTests : IDisposable
{
    private const int Mebibyte = 1024 * 1024;
    private readonly string _file = Path.GetTempFileName();

    public void Dispose() => File.Delete(_file);

    private string[] Write(params IEnumerable<string> lines)
    {
        using (var log = new BuildLog(_file))
        {
            foreach (var line in lines) { log.Write(line); }
        }
        return File.ReadAllLines(_file);
    }

    [Fact]
    public void Log_OfABuild_KeepsItsLinesInOrderInPlaceOfAnOlderOne()
    {
        File.WriteAllText(_file, "older, and longer than what follows");

        Assert.Equal(["one", "", "zwei ü"], Write("one", "", "zwei ü"));
    }

    [Fact]
    public void Log_OfABuildUnderWay_CanBeReadUpToItsLastLine()
    {
        using var log = new BuildLog(_file);
        log.Write("one");
        using var reader = new StreamReader(new FileStream(_file, FileMode.Open, FileAccess.Read, FileShare.ReadWrite));
        Assert.Equal("one", reader.ReadLine());
        log.Write("two");
        Assert.Equal("two", reader.ReadLine());
    }

    [Fact]
    public void Log_WithASecretInAnAddress_MasksIt() => Assert.Equal(["fetch https://***@example.org/x"], Write("fetch https://user:token@example.org/x"));

    [Theory]
    [InlineData('x')]
    [InlineData('ü')]
    public void Log_LargerThanTheLimit_CountsWhatItDoesNotKeep(char letter)
    {
        var lines = Write(Enumerable.Repeat(new string(letter, Mebibyte), 20).Append("the end"));

        Assert.InRange(new FileInfo(_file).Length, 14 * Mebibyte, (16 * Mebibyte) + 200);
        // Where it is cut it says so; a short line still fits.
        Assert.StartsWith("[The log is cut here, because it may have 16 MiB", lines[^3], StringComparison.Ordinal);
        Assert.Equal("the end", lines[^2]);
        Assert.Equal($"[{(20 - (lines.Length - 3)) * Mebibyte * (letter == 'ü' ? 2 : 1)} bytes were not kept]", lines[^1]);
    }

    [Fact]
    public void Log_WhileItIsWritten_CanBeReadByOthers()
    {
        using var log = new BuildLog(_file);
        log.Write("one");
        using var reader = new FileStream(_file, FileMode.Open, FileAccess.Read, FileShare.ReadWrite);

        Assert.True(reader.CanRead);
    }
}

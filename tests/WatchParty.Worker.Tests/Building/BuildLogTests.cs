using WatchParty.Releases.Building;
using WatchParty.Tools.Redacting;

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
    public void Log_LargerThanTheLimit_KeepsItsBeginningAndItsEndAndCountsTheRest(char letter)
    {
        var lines = Write(Enumerable.Repeat(new string(letter, Mebibyte), 20).Append("the end"));

        Assert.InRange(new FileInfo(_file).Length, 14 * Mebibyte, 16 * Mebibyte);
        Assert.StartsWith("[The log is cut here, because it may have 16 MiB", lines[^3], StringComparison.Ordinal);
        Assert.Equal($"[{(20 - (lines.Length - 3)) * ((Mebibyte * (letter == 'ü' ? 2 : 1)) + 1)} bytes were not kept]", lines[^2]);
        Assert.Equal("the end", lines[^1]);
    }

    [Fact]
    public void Log_OfAGigabyte_StaysBelowItsLimitWithItsLastLinesAndNoSecret()
    {
        var line = new string('x', 4000) + " https://user:token@example.org/x";

        var lines = Write(Enumerable.Repeat(line, 260_000).Append("the end"));

        Assert.InRange(new FileInfo(_file).Length, 15 * Mebibyte, 16 * Mebibyte);
        Assert.Equal("the end", lines[^1]);
        Assert.InRange(lines.SkipWhile(l => !l.StartsWith("[The log", StringComparison.Ordinal)).Count(), 200, 300);
        Assert.DoesNotContain(lines, l => l.Contains("token", StringComparison.Ordinal));
    }

    [Fact]
    public void Log_ThatIsJustTooLarge_MissesNothing()
    {
        string[] all = [.. Enumerable.Range(0, (15 * Mebibyte / 1000) + 500).Select(i => $"{i:d8}{new string('x', 991)}")];

        var lines = Write(all);

        Assert.Equal(all, lines.Where(l => l[0] != '['));
        Assert.Single(lines, l => l[0] == '[');
    }

    [Fact]
    public void Log_WhileItIsWritten_CanBeReadByOthers()
    {
        using var log = new BuildLog(_file);
        log.Write("one");
        using var reader = new FileStream(_file, FileMode.Open, FileAccess.Read, FileShare.ReadWrite);

        Assert.True(reader.CanRead);
    }

    [Fact]
    public void Log_OnAFullDisk_LosesItsLinesAndSaysSoAndStopsNothing()
    {
        if (OperatingSystem.IsWindows()) { return; }
        using var log = new BuildLog("/dev/full");
        Assert.Null(log.Fault);

        log.Write("one");
        log.Write("sha256:a", 1, "two\n"u8);

        Assert.Contains("No space left on device", log.Fault, StringComparison.Ordinal);
    }

    [Fact]
    public void Log_OfASecretThatComesInPieces_MasksIt()
    {
        Redaction.Learn(["inTw0Pieces"]);
        using (var log = new BuildLog(_file))
        {
            log.Write("sha256:a", 1, "first\ninTw0"u8);
            log.Write("sha256:b", 1, "other\n"u8);
            log.Write("sha256:a", 2, "errors\n"u8);
            log.Write("sha256:a", 1, "Pie"u8);
            log.Write("sha256:a", 1, "ces\nlast line\nwithout"u8);
            log.End("sha256:a");
            log.Write("sha256:b", 1, "open"u8);
        }
        Assert.Equal(["first", "other", "errors", "***", "last line", "without", "open"], File.ReadAllLines(_file));
    }
}

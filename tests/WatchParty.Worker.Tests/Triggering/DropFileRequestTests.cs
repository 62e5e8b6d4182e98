using System.Text;
using WatchParty.Tools.Configuration;
using WatchParty.Worker.Triggering;

namespace WatchParty.Worker.Tests.Triggering;

public sealed class DropFileRequestTests
{
    private static string Read(params byte[] content) =>
        DropFileRequest.Read(DropFileKind.ClearCache, content, out var fault) is { } request ? string.Join('|', request.Targets) : $"refused: {fault}";

    public static TheoryData<string, bool> Encodings { get; } = new()
    {
        { "utf-8", false }, { "utf-8", true }, { "utf-16", false }, { "utf-16", true }, { "utf-16BE", false }, { "utf-16BE", true },
    };

    [Theory]
    [MemberData(nameof(Encodings))]
    public void EveryEncoding_AndEveryEndOfALine_SaysTheSame(string name, bool mark)
    {
        var encoding = Encoding.GetEncoding(name);
        byte[] Written(string text) => [.. mark ? encoding.GetPreamble() : [], .. encoding.GetBytes(text)];

        foreach (var end in new[] { "", "\n", "\r\n", "\r", "\r\nbackend\r\n", "\r \u00e4\u4e2d" })
        {
            Assert.Equal("frontend|back.end_2", Read(Written($" frontend, back.end_2 {end}")));
        }
        Assert.Equal(["all", "all"], [Read(Written("")), Read(Written("\r\n"))]);
        Assert.Equal("all", Read(Written("all\r\n")));
    }

    [Fact]
    public void Text_ThatIsCutOff_OrIsNone_IsRefused()
    {
        Assert.Equal("web", Read([.. Encoding.Unicode.GetBytes("web\r\n"), (byte)'x']));
        Assert.Equal("refused: its first line is not text", Read(0xff, 0xfe, 0x00, 0xd8, 0x0a, 0x00));
        Assert.Equal("refused: its first line is not text", Read((byte)'w', 0xff));
        Assert.Equal("refused: its first line is not text", Read(0xff, 0xfe, (byte)'w'));
        Assert.StartsWith("refused: its first line is not a list", Read(Encoding.Unicode.GetBytes("w\u0000b")), StringComparison.Ordinal);
        Assert.Equal("all", Read(0xff, 0xfe));
    }

    [Theory]
    [InlineData("_web")]
    [InlineData("WEB")]
    [InlineData("a..b")]
    public void EveryNameThatAServiceCanHave_CanBeAskedFor(string name) => Assert.Equal(name, Read(Encoding.UTF8.GetBytes(name)));

    [Fact]
    public void ALongName_CanBeAskedForAsWell() => Assert.Equal(new string('x', 200), Read(Encoding.UTF8.GetBytes(new string('x', 200))));
}

using WatchParty.Tools.Configuration;

namespace WatchParty.Worker.Tests.Configuration;

public sealed class ByteSizeTests
{
    [Theory]
    [InlineData("0", 0L)]
    [InlineData("500", 500L)]
    [InlineData("500B", 500L)]
    [InlineData("20GB", 20_000_000_000L)]
    [InlineData(" 20 gb ", 20_000_000_000L)]
    [InlineData("1.5MB", 1_500_000L)]
    [InlineData("3kB", 3000L)]
    [InlineData("1000000TB", 1_000_000_000_000_000_000L)]
    public void Size_IsDecimal(string text, long bytes) => Assert.Equal(bytes, ByteSize.Parse(text));

    [Theory]
    [InlineData(null)]
    [InlineData("")]
    [InlineData("GB")]
    [InlineData("many")]
    [InlineData("-1GB")]
    [InlineData("1,5GB")]
    [InlineData("5GiB")]
    [InlineData("1e3")]
    [InlineData("99999999999TB")]
    public void Text_ThatIsNoSize_IsNull(string? text) => Assert.Null(ByteSize.Parse(text));
}

using WatchParty.Releases.Verifying;

namespace WatchParty.Worker.Tests.Verifying;

public sealed class CheckOutputTests
{
    [Theory]
    [InlineData(null, "")]
    [InlineData("wget: server returned error: HTTP/1.1 500\n", "wget: server returned error: HTTP/1.1 500")]
    [InlineData("  % Total    % Received % Xferd  Average Speed   Time    Time     Time  Current\n"
        + "                                 Dload  Upload   Total   Spent    Left  Speed\n\r"
        + "  0     0    0     0    0     0      0      0 --:--:-- --:--:-- --:--:--     0\r"
        + "  0     0    0     0    0     0      0      0 --:--:--  0:00:01 --:--:--     0\n"
        + "curl: (7) Failed to connect to localhost port 8000 after 0 ms: Couldn't connect to server\n",
            "curl: (7) Failed to connect to localhost port 8000 after 0 ms: Couldn't connect to server")]
    [InlineData("Connecting to localhost (127.0.0.1:8000)\nindex.html           100% |********************************|    12  0:00:00 ETA\n"
        + "not ready: migrations\n",
        "Connecting to localhost (127.0.0.1:8000) not ready: migrations")]
    [InlineData("waiting\rstill waiting\rfailed\n", "failed")]
    public void Output_IsToldWithoutProgress(string? output, string told) => Assert.Equal(told, CheckOutput.InShort(output));

    [Fact]
    public void Output_ThatIsLong_IsToldFromItsEnd()
    {
        var told = CheckOutput.InShort($"Traceback\n{new string('x', 1000)}\nOperationalError: no such table");

        Assert.StartsWith("…", told, StringComparison.Ordinal);
        Assert.EndsWith("xxx OperationalError: no such table", told, StringComparison.Ordinal);
        Assert.Equal(301, told.Length);
    }
}

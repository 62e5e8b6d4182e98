using System.Net.Sockets;
using System.Text;
using System.Text.Json;
using Microsoft.Extensions.Logging;
using WatchParty.Releases.Recording;
using WatchParty.Releases.Signals;
using WatchParty.Worker.Control;
using WatchParty.Worker.Tests.Fakes;

namespace WatchParty.Worker.Tests.Control;

public sealed class ControlServerTests : IAsyncLifetime
{
    private static readonly CancellationToken None = CancellationToken.None;

    private readonly string _root = Directory.CreateTempSubdirectory("control-").FullName;
    private readonly ProgressFeed _progress = new();
    private readonly RecordingLogger<ControlServer> _log = new();
    private readonly StateFolder _state;
    private readonly ControlServer _server;
    private Func<ControlRequest, CancellationToken, Task<VerbResult>> _work = (request, _) => Task.FromResult(new VerbResult(ExitCode.Done, JsonSerializer.Serialize(request.Verb)));

    public ControlServerTests()
    {
        _state = StateFolder.Open(_root);
        _server = new ControlServer(_state, (request, token) => _work(request, token), _progress, _log);
    }

    public async Task InitializeAsync()
    {
        // What a killed service left is in the way of nobody.
        await File.WriteAllTextAsync(_state.Socket, "");
        await _server.StartAsync(None);
        while (await ControlClient.AskAsync(_state, new ControlRequest("ping", "test"), _ => { }, None) is null) { await Task.Yield(); }
    }

    public async Task DisposeAsync()
    {
        await _server.StopAsync(None);
        _server.Dispose();
        Directory.Delete(_root, recursive: true);
    }

    private Task<VerbResult?> AskAsync(ControlRequest request, Action<string>? progress = null) => ControlClient.AskAsync(_state, request, progress ?? (_ => { }), None);

    private async Task<Socket> ConnectAsync()
    {
        var socket = new Socket(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
        await socket.ConnectAsync(new UnixDomainSocketEndPoint(_state.Socket));
        return socket;
    }

    /// <summary>What the server says to bytes of any kind, until it hangs up.</summary>
    private async Task<string> SendAsync(byte[] bytes, bool end = true)
    {
        using var socket = await ConnectAsync();
        try
        {
            await socket.SendAsync(bytes);
            if (end) { socket.Shutdown(SocketShutdown.Send); }
            using var reader = new StreamReader(new NetworkStream(socket), Encoding.UTF8);
            return await reader.ReadToEndAsync();
        }
        catch (Exception e) when (e is SocketException or IOException)
        {
            return "";
        }
    }

    [Fact]
    public async Task Request_ReachesTheWorkWholeAndItsResultTheCaller()
    {
        ControlRequest? seen = null;
        _work = (request, _) =>
        {
            seen = request;
            return Task.FromResult(new VerbResult(ExitCode.Failed, "{\"a\":\"ü\\n\"}", "words\nand more"));
        };

        var result = await AskAsync(new ControlRequest("clear-cache", "ann", ForceRebuild: true, DryRun: true, Targets: ["backend", "front\nend"], Release: 7));

        Assert.Equal(("clear-cache", "ann", true, true, 7L), (seen!.Verb, seen.AskedBy, seen.ForceRebuild, seen.DryRun, seen.Release));
        Assert.Equal(["backend", "front\nend"], seen.Targets);
        Assert.Equal(new VerbResult(ExitCode.Failed, "{\"a\":\"ü\\n\"}", "words\nand more"), result);
    }

    [Fact]
    public async Task Progress_ReachesTheCallerInOrderWhileTheWorkGoesOn()
    {
        List<string> seen = [];
        _work = (_, _) =>
        {
            for (var n = 0; n < 100; n++) { _progress.Report($"step {n}"); }
            return Task.FromResult(new VerbResult(ExitCode.Done, "{}"));
        };

        await AskAsync(new ControlRequest("once", "ann"), seen.Add);

        Assert.Equal(Enumerable.Range(0, 100).Select(n => $"step {n}"), seen);
    }

    [Fact]
    public async Task Callers_AreAnsweredSideBySide()
    {
        var release = new TaskCompletionSource();
        _work = async (request, _) =>
        {
            if (request.Verb == "once") { await release.Task; }
            return new VerbResult(ExitCode.Done, request.Verb);
        };

        var slow = AskAsync(new ControlRequest("once", "ann"));
        Assert.Equal("status", (await AskAsync(new ControlRequest("status", "bob")))!.Document);
        Assert.False(slow.IsCompleted);
        release.SetResult();

        Assert.Equal("once", (await slow)!.Document);
    }

    [Fact]
    public async Task Caller_ThatGoesAway_DoesNotEndTheWork()
    {
        var begun = new TaskCompletionSource();
        var gone = new TaskCompletionSource();
        var done = new TaskCompletionSource<bool>();
        _work = async (request, token) =>
        {
            if (request.Verb != "once") { return new VerbResult(ExitCode.Done, "{}"); }
            begun.SetResult();
            await gone.Task;
            for (var n = 0; n < 100; n++) { _progress.Report("to nobody"); }
            done.SetResult(token.IsCancellationRequested);
            return new VerbResult(ExitCode.Done, "{}");
        };
        using (var socket = await ConnectAsync())
        {
            await socket.SendAsync("{\"verb\":\"once\",\"askedBy\":\"ann\"}\n"u8.ToArray());
            await begun.Task;
        }
        gone.SetResult();

        Assert.False(await done.Task);
        Assert.NotNull(await AskAsync(new ControlRequest("status", "bob")));
        Assert.DoesNotContain(_log.Entries, e => e.Level >= LogLevel.Warning);
    }

    [Theory]
    [InlineData("garbage\n")]
    [InlineData("\n")]
    [InlineData("null\n")]
    [InlineData("[1,2]\n")]
    [InlineData("{\"verb\":5}\n")]
    [InlineData("{\"verb\":\"once\"")]
    [InlineData("")]
    public async Task Garbage_IsHungUpOnAndTheNextCallerIsServed(string text)
    {
        var asked = 0;
        _work = (_, _) =>
        {
            asked++;
            return Task.FromResult(new VerbResult(ExitCode.Done, "{}"));
        };

        Assert.Equal("", await SendAsync(Encoding.UTF8.GetBytes(text)));
        Assert.Equal(0, asked);
        Assert.Equal(ExitCode.Done, (await AskAsync(new ControlRequest("status", "ann")))!.ExitCode);
    }

    [Fact]
    public async Task Request_LargerThanTheLimit_IsHungUpOn()
    {
        var bytes = new byte[1024 * 1024];
        Array.Fill(bytes, (byte)'x');

        Assert.Equal("", await SendAsync(bytes, end: false));
        Assert.NotNull(await AskAsync(new ControlRequest("status", "ann")));
    }

    [Fact]
    public async Task Callers_ThatSayNothing_AreBoundedInNumberAndOthersWaitForThem()
    {
        var silent = new List<Socket>();
        while (silent.Count < 32)
        {
            try
            {
                silent.Add(await ConnectAsync());
            }
            catch (SocketException e) when (e.SocketErrorCode == SocketError.WouldBlock)
            {
                // More at once than the server has taken yet.
                await Task.Yield();
            }
        }
        var asked = AskAsync(new ControlRequest("ping", "test"));
        await Task.Delay(TimeSpan.FromMilliseconds(200), TimeProvider.System);
        Assert.False(asked.IsCompleted);

        foreach (var socket in silent) { socket.Dispose(); }

        Assert.NotNull(await asked.WaitAsync(TimeSpan.FromSeconds(20), TimeProvider.System));
    }

    [Fact]
    public async Task Request_InPieces_IsPutTogether()
    {
        using var socket = await ConnectAsync();
        foreach (var b in "{\"verb\":\"pieces\",\"askedBy\":\"ann\"}\n"u8.ToArray()) { await socket.SendAsync(new[] { b }); }
        using var reader = new StreamReader(new NetworkStream(socket), Encoding.UTF8);

        Assert.Contains("pieces", await reader.ReadLineAsync(), StringComparison.Ordinal);
    }

    [Fact]
    public async Task Work_ThatFailsUnexpectedly_IsLoggedAndAnswered()
    {
        _work = (_, _) => throw new InvalidOperationException("disk full");

        var result = (await AskAsync(new ControlRequest("prune", "ann")))!;

        Assert.Equal(ExitCode.Failed, result.ExitCode);
        Assert.Contains("disk full", result.Error, StringComparison.Ordinal);
        Assert.Contains(_log.Entries, e => e.Level == LogLevel.Error);
    }

    [Fact]
    public async Task Service_ThatStopsDuringTheWork_LeavesTheCallerWithAnAnswer()
    {
        var begun = new TaskCompletionSource();
        _work = async (_, token) =>
        {
            begun.SetResult();
            await Task.Delay(Timeout.InfiniteTimeSpan, TimeProvider.System, token);
            return new VerbResult(ExitCode.Done, "{}");
        };
        var asked = AskAsync(new ControlRequest("once", "ann"));
        await begun.Task;
        await _server.StopAsync(None);

        Assert.Equal(ExitCode.Interrupted, (await asked)!.ExitCode);
        Assert.False(File.Exists(_state.Socket));
    }

    [Fact]
    public async Task Socket_WithoutAService_AnswersNobody()
    {
        await _server.StopAsync(None);
        Assert.Null(await AskAsync(new ControlRequest("status", "ann")));

        await File.WriteAllTextAsync(_state.Socket, "");
        Assert.Null(await AskAsync(new ControlRequest("status", "ann")));
    }
}

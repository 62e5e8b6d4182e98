using System.Net.Sockets;
using System.Text.Json;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;
using WatchParty.Releases.Recording;
using WatchParty.Releases.Signals;

namespace WatchParty.Worker.Control;

/// <summary>Answers the verbs over a socket in the state folder, so that a verb's work goes through the running service.</summary>
/// <remarks>The folder is open to the service's user alone, and so is the socket: who can reach it may already do all of this.</remarks>
/// <param name="work">Does what a request asks for.</param>
internal sealed class ControlServer(StateFolder state, Func<ControlRequest, CancellationToken, Task<VerbResult>> work,
    ProgressFeed progress, ILogger<ControlServer> logger) : BackgroundService
{
    private const int LongestRequest = 64 * 1024;
    private const int MostCallers = 32;
    private static readonly TimeSpan RequestLimit = TimeSpan.FromSeconds(10);

    protected override async Task ExecuteAsync(CancellationToken stoppingToken)
    {
        // The holder of the lock is the only one here, so a socket that exists is what a killed service left.
        File.Delete(state.Socket);
        using var listener = new Socket(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
        try
        {
            listener.Bind(new UnixDomainSocketEndPoint(state.Socket));
            listener.Listen(16);
        }
        catch (Exception e) when (e is SocketException or ArgumentOutOfRangeException)
        {
            logger.NoSocket(state.Socket, e.Message);
            return;
        }
        try
        {
            List<Task> open = [];
            while (!stoppingToken.IsCancellationRequested)
            {
                var client = await listener.AcceptAsync(stoppingToken);
                open.Add(AnswerAsync(client, stoppingToken));
                // More of them wait to be accepted.
                if (open.Count == MostCallers) { await Task.WhenAny(open).WaitAsync(stoppingToken); }
                open.RemoveAll(t => t.IsCompleted);
            }
            await Task.WhenAll(open);
        }
        catch (OperationCanceledException)
        {
            // The service stops.
        }
        finally
        {
            File.Delete(state.Socket);
        }
    }

    private async Task AnswerAsync(Socket client, CancellationToken stoppingToken)
    {
        using var stream = new NetworkStream(client, ownsSocket: true);
        using var writing = new SemaphoreSlim(1);
        using var request = CancellationTokenSource.CreateLinkedTokenSource(stoppingToken);
        request.CancelAfter(RequestLimit);
        async Task SendAsync(ControlAnswer answer)
        {
            await writing.WaitAsync(CancellationToken.None);
            try
            {
                await stream.WriteAsync(JsonSerializer.SerializeToUtf8Bytes(answer.Masked(), ControlJson.Default.ControlAnswer),
                    CancellationToken.None);
                await stream.WriteAsync("\n"u8.ToArray(), CancellationToken.None);
            }
            catch (IOException)
            {
                // The caller went away; what it asked for is done all the same.
            }
            finally
            {
                writing.Release();
            }
        }

        try
        {
            var line = await ReadLineAsync(stream, request.Token);
            if (JsonSerializer.Deserialize(line, ControlJson.Default.ControlRequest) is not { } asked) { return; }
            void Forward(string text) => _ = SendAsync(new ControlAnswer(Progress: text));
            progress.Reported += Forward;
            VerbResult result;
            try
            {
                result = await work(asked, stoppingToken);
            }
            finally
            {
                progress.Reported -= Forward;
            }
            await SendAsync(new ControlAnswer(Document: result.Document, ExitCode: result.ExitCode, Error: result.Error));
        }
        catch (Exception e) when (e is IOException or JsonException or InvalidDataException or OperationCanceledException)
        {
            logger.CallerLost(e.Message);
        }
        catch (Exception e)
        {
            logger.VerbFailed(e);
            await SendAsync(
                new ControlAnswer(ExitCode: ExitCode.Failed, Error: $"An unexpected fault of the service, its log has more: {e.Message}"));
        }
    }

    private static async Task<string> ReadLineAsync(NetworkStream stream, CancellationToken cancellationToken)
    {
        var buffer = new byte[LongestRequest];
        var length = 0;
        while (true)
        {
            var read = await stream.ReadAsync(buffer.AsMemory(length), cancellationToken);
            length += read;
            var end = buffer.AsSpan(0, length).IndexOf((byte)'\n');
            if (end >= 0) { return System.Text.Encoding.UTF8.GetString(buffer, 0, end); }
            if (read == 0 || length == buffer.Length) { throw new InvalidDataException("the request is not one line"); }
        }
    }
}

internal static partial class ControlLog
{
    [LoggerMessage(Level = LogLevel.Error, Message = "Verbs cannot reach this service, because its socket {Path} cannot be made: {Reason}")]
    public static partial void NoSocket(this ILogger logger, string path, string reason);

    [LoggerMessage(Level = LogLevel.Error, Message = "A verb ended with an unexpected fault of the worker")]
    public static partial void VerbFailed(this ILogger logger, Exception exception);

    [LoggerMessage(Level = LogLevel.Debug, Message = "A caller of the control socket was lost: {Reason}")]
    public static partial void CallerLost(this ILogger logger, string reason);
}

using System.Net.Sockets;
using System.Text;
using System.Text.Json;
using WatchParty.Releases.Recording;

namespace WatchParty.Worker.Control;

/// <summary>Asks the running service.</summary>
internal static class ControlClient
{
    /// <returns>Null when no service answers at the socket.</returns>
    public static async Task<VerbResult?> AskAsync(StateFolder state, ControlRequest request, Action<string> progress,
        CancellationToken cancellationToken)
    {
        if (!File.Exists(state.Socket)) { return null; }
        using var socket = new Socket(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
        try
        {
            await socket.ConnectAsync(new UnixDomainSocketEndPoint(state.Socket), cancellationToken);
        }
        catch (SocketException)
        {
            return null;
        }
        using var stream = new NetworkStream(socket);
        await stream.WriteAsync(Encoding.UTF8.GetBytes(JsonSerializer.Serialize(request, ControlJson.Default.ControlRequest) + "\n"),
            cancellationToken);
        using var reader = new StreamReader(stream, Encoding.UTF8);
        try
        {
            while (await reader.ReadLineAsync(cancellationToken) is { } line)
            {
                var answer = JsonSerializer.Deserialize(line, ControlJson.Default.ControlAnswer)!;
                if (answer.Progress is { } text) { progress(text); }
                if (answer.ExitCode is { } code) { return new VerbResult(code, answer.Document, answer.Error); }
            }
        }
        catch (IOException)
        {
            // Falls through to the answer below.
        }
        return new VerbResult(ExitCode.Interrupted, null, "The service ended before the work was done. It goes on when it starts again.");
    }
}

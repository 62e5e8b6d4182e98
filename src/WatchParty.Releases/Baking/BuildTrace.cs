using System.Text;
using System.Text.Json;

namespace WatchParty.Releases.Baking;

/// <summary>Reads what <c>buildx --progress=rawjson</c> writes, while it is written.</summary>
/// <remarks>A sequence of JSON values, one a line or (buildx 0.13) printed over several, with text of other origin between and
/// after them. What is not a value is given line by line as <see cref="TextEvent"/>. No input makes it fail, and it holds
/// no more than one value of at most 8 MiB (BuildKit divides logs at 1 MiB, <c>client/graph.go</c>); of a longer line of text the first 64
/// KiB are kept.</remarks>
internal sealed class BuildTrace
{
    private const int ValueLimit = 8 * 1024 * 1024;
    private const int LineLimit = 64 * 1024;

    private readonly Action<TraceEvent> _onEvent;
    private readonly int _valueLimit;
    private byte[] _buffer = new byte[LineLimit];
    private int _start; // the first byte that is not told yet
    private int _end;
    private Mode _mode = Mode.Between;
    private int _seen; // bytes from _start that were looked at already
    private JsonReaderState _json;

    private BuildTrace(Action<TraceEvent> onEvent, int valueLimit) => (_onEvent, _valueLimit) = (onEvent, valueLimit);

    /// <summary>Reads <paramref name="stream"/> to its end.</summary>
    /// <param name="onEvent">Called for each event in the order of the stream, as soon as it is complete.</param>
    public static Task ReadAsync(Stream stream, Action<TraceEvent> onEvent, CancellationToken cancellationToken) =>
        ReadAsync(stream, onEvent, ValueLimit, cancellationToken);

    internal static async Task ReadAsync(Stream stream, Action<TraceEvent> onEvent, int valueLimit, CancellationToken cancellationToken)
    {
        var trace = new BuildTrace(onEvent, valueLimit);
        int read;
        do
        {
            trace.MakeRoom();
            read = await stream.ReadAsync(trace._buffer.AsMemory(trace._end), cancellationToken);
            trace._end += read;
            trace.Consume(isLast: read == 0);
        }
        while (read > 0);
    }

    private enum Mode { Between, Value, Line, RestOfLine }

    private void MakeRoom()
    {
        if (_start > 0)
        {
            _buffer.AsSpan(_start.._end).CopyTo(_buffer);
            _end -= _start;
            _start = 0;
        }
        if (_end == _buffer.Length) { Array.Resize(ref _buffer, _buffer.Length * 2); }
        else if (_end == 0 && _buffer.Length > 16 * LineLimit) { _buffer = new byte[LineLimit]; }
    }

    private void Consume(bool isLast)
    {
        while (_start < _end && _mode switch
        {
            Mode.Between => FindBeginning(isLast),
            Mode.Value => ReadValue(isLast),
            _ => ReadLine(isLast),
        })
        {
        }
    }

    // Each of these returns whether it got on; if not, more input is needed.

    private bool FindBeginning(bool isLast)
    {
        var unread = _buffer.AsSpan(_start.._end);
        var first = unread.IndexOfAnyExcept(" \t\r\n"u8);
        var line = (first < 0 ? unread : unread[..first]).LastIndexOf((byte)'\n') + 1;
        if (first < 0)
        {
            _start = isLast || unread.Length - line > LineLimit ? _end : _start + line;
            return false;
        }
        var isValue = unread[first] == '{';
        Enter(isValue ? Mode.Value : Mode.Line, _start + (isValue ? first : line)); // the indentation of text is kept
        return true;
    }

    private bool ReadValue(bool isLast)
    {
        SolveStatus? status;
        try
        {
            var reader = new Utf8JsonReader(_buffer.AsSpan((_start + _seen).._end), isLast, _json);
            while (reader.Read() && (reader.CurrentDepth > 0 || reader.TokenType != JsonTokenType.EndObject))
            {
            }
            _json = reader.CurrentState;
            _seen += (int)reader.BytesConsumed;
            if (reader.CurrentDepth > 0 || reader.TokenType != JsonTokenType.EndObject)
            {
                if (_end - _start >= _valueLimit) { Enter(Mode.Line, _start); }
                return _mode == Mode.Line;
            }
            status = JsonSerializer.Deserialize(_buffer.AsSpan(_start, _seen), SolveStatusJson.Default.SolveStatus);
        }
        catch (Exception e) when (e is JsonException or InvalidOperationException or FormatException)
        {
            Enter(Mode.Line, _start); // not of the trace, though it began with a brace
            return true;
        }
        Enter(Mode.Between, _start + _seen);
        foreach (var traceEvent in status?.Events() ?? []) { _onEvent(traceEvent); }
        return true;
    }

    private bool ReadLine(bool isLast)
    {
        var unread = _buffer.AsSpan(_start.._end);
        var length = unread[_seen..].IndexOf((byte)'\n');
        length = length < 0 ? unread.Length : _seen + length;
        var isWhole = length < unread.Length || isLast;
        _seen = length;
        if (!isWhole && length < LineLimit) { return false; }
        if (_mode == Mode.Line)
        {
            var line = Encoding.UTF8.GetString(unread[..Math.Min(length, LineLimit)]).TrimEnd();
            if (line.Length > 0) { _onEvent(new TextEvent(line)); }
        }
        Enter(isWhole ? Mode.Between : Mode.RestOfLine, _start + length);
        return true;
    }

    private void Enter(Mode mode, int start) => (_mode, _start, _seen, _json) = (mode, start, 0, default);
}

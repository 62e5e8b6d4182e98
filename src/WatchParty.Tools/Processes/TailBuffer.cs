using System.Text;

namespace WatchParty.Tools.Processes;

/// <summary>The last bytes of a stream.</summary>
internal sealed class TailBuffer(int limit = 32 * 1024)
{
    private byte[] _kept = [];
    private int _length;
    private bool _cut;

    public void Add(ReadOnlySpan<byte> bytes)
    {
        // Most programs print nothing here.
        if (_kept.Length == 0 && bytes.Length > 0) { _kept = new byte[2 * limit]; }
        _cut |= _length + bytes.Length > limit;
        if (bytes.Length > limit) { bytes = bytes[^limit..]; }
        if (_length + bytes.Length > _kept.Length)
        {
            _kept.AsSpan(_length - limit, limit).CopyTo(_kept);
            _length = limit;
        }
        bytes.CopyTo(_kept.AsSpan(_length));
        _length += bytes.Length;
    }

    /// <summary>It begins with a whole line where it can: half a secret would not be known as one.</summary>
    public override string ToString()
    {
        var kept = _kept.AsSpan(Math.Max(0, _length - limit), Math.Min(limit, _length));
        return Encoding.UTF8.GetString(_cut ? kept[(kept.IndexOf((byte)'\n') + 1)..] : kept);
    }
}

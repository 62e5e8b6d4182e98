using System.Text;

namespace WatchParty.Worker.Tools;

/// <summary>The last 32 KiB of a stream.</summary>
internal sealed class TailBuffer
{
    private const int Limit = 32 * 1024;
    private byte[] _kept = [];
    private int _length;

    public void Add(ReadOnlySpan<byte> bytes)
    {
        // Most programs print nothing here.
        if (_kept.Length == 0 && bytes.Length > 0) { _kept = new byte[2 * Limit]; }
        if (bytes.Length > Limit) { bytes = bytes[^Limit..]; }
        if (_length + bytes.Length > _kept.Length)
        {
            _kept.AsSpan(_length - Limit, Limit).CopyTo(_kept);
            _length = Limit;
        }
        bytes.CopyTo(_kept.AsSpan(_length));
        _length += bytes.Length;
    }

    public override string ToString() => Encoding.UTF8.GetString(_kept, Math.Max(0, _length - Limit), Math.Min(Limit, _length));
}

using System.Globalization;

namespace WatchParty.Tools.Configuration;

/// <summary>A number of bytes with or without a unit: <c>500MB</c>, <c>20 GB</c>. Units are decimal, as docker prints them.</summary>
internal static class ByteSize
{
    private static readonly (string Unit, double Factor)[] Units = [("TB", 1e12), ("GB", 1e9), ("MB", 1e6), ("KB", 1e3), ("B", 1)];

    /// <returns>Null for null, and for what is no such number.</returns>
    public static long? Parse(string? text)
    {
        if (text is null) { return null; }
        var upper = text.Trim().ToUpperInvariant();
        var (unit, factor) = Units.FirstOrDefault(u => upper.EndsWith(u.Unit, StringComparison.Ordinal));
        var number = unit is null ? upper : upper[..^unit.Length].TrimEnd();
        return double.TryParse(number, NumberStyles.AllowDecimalPoint, CultureInfo.InvariantCulture, out var value)
            && value * (unit is null ? 1 : factor) is var bytes and < 9e18 ? (long)bytes : null;
    }

    /// <summary>In the unit in which it has one to three digits before the point: <c>1.5 GB</c>.</summary>
    public static string Words(long bytes) => bytes switch
    {
        >= 1_000_000_000 => string.Create(CultureInfo.InvariantCulture, $"{bytes / 1e9:0.0} GB"),
        >= 1_000_000 => string.Create(CultureInfo.InvariantCulture, $"{bytes / 1e6:0.0} MB"),
        _ => string.Create(CultureInfo.InvariantCulture, $"{bytes / 1e3:0.0} kB"),
    };
}

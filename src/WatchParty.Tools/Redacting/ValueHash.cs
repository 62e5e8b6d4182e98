using System.Security.Cryptography;
using System.Text;

namespace WatchParty.Tools.Redacting;

/// <summary>The hash that stands in a record for values that may be secret.</summary>
internal static class ValueHash
{
    public static string Of(params IEnumerable<string> parts)
    {
        using var hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        foreach (var part in parts)
        {
            hash.AppendData(Encoding.UTF8.GetBytes(part));
            hash.AppendData([0]);
        }
        return Convert.ToHexStringLower(hash.GetHashAndReset());
    }
}

using System.Security.Cryptography;
using System.Text;
using System.Text.RegularExpressions;

namespace WatchParty.Releases.Planning;

/// <summary>The one place where names are made of the names of projects, services and stages. Two different names never become the
/// same.</summary>
/// <remarks>A name stays as it is where it can. One that holds what is not allowed there, is too long, or could be told apart in two ways
/// is mapped, and ends with a hash of what it was made of; so does one that only looks as if it had such an end.</remarks>
internal static partial class Names
{
    /// <summary>Longest tag of an image (reference.TagRegexp in distribution).</summary>
    public const int LongestTag = 128;

    private const int HashDigits = 12, LongestFolder = 100;

    /// <summary>Whether it can be the name of a service here. Compose takes <c>..</c>, too; here names become folders, image names and
    /// arguments.</summary>
    public static bool IsService(string name) => Service().IsMatch(name);

    /// <summary>Bake's name for a target (<c>validTargetName</c> in bake/bake.go).</summary>
    public static string Target(string service) =>
        Mapped([service], new('_', int.MaxValue, c => char.IsAsciiLetterOrDigit(c) || c is '-' or '_'));

    /// <summary>A folder, also where the file system does not tell upper from lower case.</summary>
    public static string Folder(string service) => Mapped([service], new('_', LongestFolder, c => IsLower(c) || c is '-' or '_' or '.'));

    /// <summary>The last part of a repository, which has lower-case letters only: <c>shop-web</c>.</summary>
    public static string Repository(string project, string service) => Mapped([project, service], new('-', LongestFolder, IsLower));

    /// <summary>The tag, cut where it is too long.</summary>
    public static string Tag(string tag) => tag.Length <= LongestTag ? tag : $"{tag[..(LongestTag - 17)]}-{Hash(tag)[..16]}";

    /// <summary><c>PROJECT.SERVICE.STAGE</c>, without a stage for the service's own target. One that is too long, or whose parts have dots
    /// of their own, is cut and ends with two dots, which no other has, and a hash.</summary>
    public static string CacheTag(string project, string service, string? stage)
    {
        // BuildKit does not tell upper from lower case in the name of a stage.
        string[] parts = stage is null ? [project, service] : [project, service, stage.ToLowerInvariant()];
        var tag = string.Join('.', parts);
        if (tag.Length <= LongestTag && !parts.Any(p => p.Contains('.', StringComparison.Ordinal))) { return tag; }
        return $"{tag[..Math.Min(tag.Length, LongestTag - 18)].TrimEnd('.')}..{Hash(parts)[..16]}";
    }

    public static string Hash(params IEnumerable<string> parts) =>
        // No part has a slash.
        Convert.ToHexStringLower(SHA256.HashData(Encoding.UTF8.GetBytes(string.Join('/', parts))));

    /// <summary>What a name has to be.</summary>
    /// <param name="Other">Stands between parts, and for what is not allowed.</param>
    private sealed record Form(char Other, int Longest, Func<char, bool> Allows);

    private static bool IsLower(char c) => char.IsAsciiLetterLower(c) || char.IsAsciiDigit(c);

    private static string Mapped(IReadOnlyCollection<string> parts, Form form)
    {
        var text = string.Join(form.Other, parts);
        var isPlain = parts.All(p => p.All(form.Allows) && (parts.Count == 1 || !p.Contains(form.Other, StringComparison.Ordinal)));
        if (isPlain && text.Length <= form.Longest && !Mark().IsMatch(text)) { return text; }
        var allowed = string.Concat(text.ToLowerInvariant().Select(c => form.Allows(c) ? c : form.Other));
        return $"{allowed[..Math.Min(allowed.Length, form.Longest - HashDigits - 1)]}-{Hash(parts)[..HashDigits]}";
    }

    [GeneratedRegex(@"\A[A-Za-z0-9_][A-Za-z0-9._-]*\z")]
    private static partial Regex Service();

    [GeneratedRegex("-[0-9a-f]{12}$")]
    private static partial Regex Mark();
}

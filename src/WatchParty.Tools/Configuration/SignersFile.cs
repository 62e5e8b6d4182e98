using WatchParty.Tools.Files;

namespace WatchParty.Tools.Configuration;

/// <summary>Whether the file of <c>Repository:AllowedSigners</c> can be relied on: a committer must not be able to write it, nor anybody
/// but its owner.</summary>
internal static class SignersFile
{
    /// <returns>What is wrong with it and what to do, or null. Looked at at the start and again before every release.</returns>
    public static (string Problem, string Fix)? Fault(string file, string checkout)
    {
        if (!Path.IsPathFullyQualified(file))
        {
            return ($"'{file}' is not an absolute path",
                "Write the full path of a file outside of the checkout, for example /etc/watchparty/allowed_signers");
        }
        if (!File.Exists(file))
        {
            return ($"there is no file {file}",
                "Make it: a line for each signer with a name and the public key, as in ssh-keygen(1), ALLOWED SIGNERS");
        }
        var real = PhysicalPath.Of(file);
        if (IsBelow(file, checkout) || IsBelow(real, PhysicalPath.Of(checkout)))
        {
            return ($"{file} lies in the checkout, where every commit could change it", "Move it outside of Repository:Path");
        }
        var folder = Path.GetDirectoryName(real)!;
        return OthersCanWrite(real) ? ($"others than its owner may write {real}", $"chmod go-w {real}")
            : OthersCanWrite(folder)
            ? ($"others than its owner may replace {real}, because they may write {folder}", $"Move it to a folder such as " +
                $"/etc/watchparty, or chmod go-w {folder}")
            : null;
    }

    private static bool IsBelow(string path, string folder) =>
        Path.GetRelativePath(folder, path) is var relative && relative != ".."
        && !relative.StartsWith($"..{Path.DirectorySeparatorChar}", StringComparison.Ordinal) && !Path.IsPathRooted(relative);

    private static bool OthersCanWrite(string path) => !OperatingSystem.IsWindows() && File.GetUnixFileMode(path) is var mode
        && (mode & (UnixFileMode.GroupWrite | UnixFileMode.OtherWrite)) != 0 && !mode.HasFlag(UnixFileMode.StickyBit);
}

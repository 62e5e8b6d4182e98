namespace WatchParty.Worker.Tools;

/// <summary>A remote with what git needs to reach it.</summary>
/// <param name="Ssh">Command line for SSH that never asks anything.</param>
/// <param name="UploadPack">Command line of the other end when that is a folder of this machine, else null.</param>
internal sealed record GitRemote(string Name, string Ssh, string? UploadPack)
{
    /// <summary>The remote as the operator set it.</summary>
    /// <param name="url">Its URL as configured; a relative path counts from <paramref name="checkout"/>.</param>
    /// <param name="ssh">The operator's SSH program with its options, null for <c>ssh</c>.</param>
    public static GitRemote Create(string name, string url, string checkout, string? ssh) =>
        new(name, Unattended(ssh ?? "ssh"), LocalFolder(url) is { } folder ? TrustingUploadPack(Path.Combine(checkout, folder)) : null);

    // The first value of an SSH option counts, so the operator's own ConnectTimeout stays in force. Host keys stay as strict
    // as the service user's configuration has them: with BatchMode an unknown one is an error, never a question.
    private static string Unattended(string ssh) => ssh.Contains("plink", StringComparison.OrdinalIgnoreCase)
        ? $"{ssh} -batch"
        : $"{ssh} -o BatchMode=yes -o ConnectTimeout=10 -o ServerAliveInterval=15";

    /// <summary>The folder behind a URL by git's own rule: a path has no colon before its first slash.</summary>
    private static string? LocalFolder(string url)
    {
        if (url.StartsWith("file://", StringComparison.OrdinalIgnoreCase)) { return Uri.UnescapeDataString(url["file://".Length..]); }
        var colon = url.IndexOf(':', StringComparison.Ordinal);
        var slash = url.IndexOf('/', StringComparison.Ordinal);
        var drive = OperatingSystem.IsWindows() && colon == 1;
        return colon < 0 || drive || (slash >= 0 && slash < colon) ? url : null;
    }

    /// <summary>git does not hand its own options to the other end of a local remote, so a repository of another user is
    /// refused there unless the other end gets <c>safe.directory</c> on its own command line.</summary>
    private static string TrustingUploadPack(string folder)
    {
        var full = Path.GetFullPath(folder).Replace('\\', '/').TrimEnd('/');
        IEnumerable<string> names = [full, $"{full}/.git", $"{full}.git", $"{full}.git/.git"];
        return $"git {string.Join(' ', names.Select(n => $"-c safe.directory={Quote(n)}"))} upload-pack";
    }

    // git gives this one to a shell.
    private static string Quote(string text) => $"'{text.Replace("'", "'\\''", StringComparison.Ordinal)}'";
}

namespace WatchParty.Tools.Git;

/// <summary>A remote with what git needs to reach it.</summary>
/// <param name="Ssh">Command line for SSH that never asks anything.</param>
/// <param name="Folder">Where the remote is when that is a folder of this machine, else null; its git folder may be inside of it, or bear
/// its name with <c>.git</c>.</param>
internal sealed record GitRemote(string Name, string Ssh, string? Folder)
{
    /// <summary>Command line of the other end when that is a folder of this machine, else null.</summary>
    public string? UploadPack { get; } = Folder is null ? null : TrustingUploadPack(Folder);

    /// <summary>The remote as the operator set it.</summary>
    /// <param name="url">Its URL as configured; a relative path counts from <paramref name="checkout"/>.</param>
    /// <param name="ssh">The operator's SSH program with its options, null for <c>ssh</c>.</param>
    public static GitRemote Create(string name, string url, string checkout, string? ssh) =>
        new(name, Unattended(ssh ?? "ssh"), LocalFolder(url) is { } folder ? Path.GetFullPath(Path.Combine(checkout, folder)) : null);

    /// <summary>The git folder in, at or beside <see cref="Folder"/>, in the order in which git looks for it; null when there is
    /// none.</summary>
    public string? GitFolder() => Folder is null ? null
        : ((string[])[Path.Combine(Folder, ".git"), Folder, $"{Folder}.git/.git", $"{Folder}.git"]).FirstOrDefault(
            f => File.Exists(Path.Combine(f, "HEAD")));

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
        var full = folder.Replace('\\', '/').TrimEnd('/');
        IEnumerable<string> names = [full, $"{full}/.git", $"{full}.git", $"{full}.git/.git"];
        return $"git {string.Join(' ', names.Select(n => $"-c safe.directory={Quote(n)}"))} upload-pack";
    }

    // git gives this one to a shell.
    private static string Quote(string text) => $"'{text.Replace("'", "'\\''", StringComparison.Ordinal)}'";
}

using System.Collections.Immutable;
using WatchParty.Tools.Configuration;
using WatchParty.Tools.Failures;
using WatchParty.Tools.Redacting;

namespace WatchParty.Tools.Git;

/// <summary>git's settings as they apply to the checkout, read again only when one of their files has changed, so that a
/// poll without news costs one process.</summary>
internal sealed class GitConfiguration(RepositoryOptions options, GitProcess git)
{
    private sealed record Snapshot(ImmutableArray<GitSetting> Settings, string Fingerprint, ImmutableArray<string> Files);

    private Snapshot? _last;

    /// <summary>The remote to follow, after making sure that the checkout's configuration starts no program.</summary>
    /// <param name="fresh">Reads in any case: before anything is fetched or changed.</param>
    /// <exception cref="WorkerException">The configuration holds a refused setting, or does not know the remote.</exception>
    public async Task<GitRemote> RemoteAsync(bool fresh, CancellationToken cancellationToken)
    {
        var settings = await ReadAsync(fresh, cancellationToken);
        if (GitConfigurationRules.Refused(settings) is { Count: > 0 } refused)
        {
            throw new WorkerException(
                $"The configuration of the checkout {git.Folder} can start programs, which everyone who may write there could use: " +
                $"{string.Join("; ", refused)}",
                Remedy.NeedsPerson);
        }
        // git takes the first URL; an operator's own file may define the remote too.
        var key = $"remote.{options.Remote}.url";
        var url = settings.FirstOrDefault(s => s.Key == key)?.Value
            ?? throw new WorkerException($"Repository:Remote is {options.Remote}, which the checkout {git.Folder} does not know. Write a " +
                $"name that `git remote` lists there", Remedy.NeedsPerson);
        Redaction.Learn(Secrets.PasswordsIn(url));
        return GitRemote.Create(options.Remote, url, git.Folder, Ssh(settings));
    }

    /// <summary>The refused settings, each with what to do instead.</summary>
    public async Task<IReadOnlyList<string>> RefusedAsync(CancellationToken cancellationToken) =>
        GitConfigurationRules.Refused(await ReadAsync(true, cancellationToken));

    /// <summary>Makes sure that the repositories of submodules start no program either.</summary>
    public async Task CheckSubmodulesAsync(CancellationToken cancellationToken)
    {
        var modules = Path.Combine(git.GitFolder(), "modules");
        if (!Directory.Exists(modules)) { return; }
        foreach (var file in Directory.EnumerateFiles(modules, "config*", SearchOption.AllDirectories)
            .Where(f => Path.GetFileName(f) is "config" or "config.worktree"))
        {
            var output = await git.OutputAsync(GitCommands.SettingsOf(git.Folder, file), $"{file} cannot be read", cancellationToken);
            if (GitConfigurationRules.Refused(GitConfigurationRules.ParseFile(output, file)) is { Count: > 0 } refused)
            {
                throw new WorkerException($"{file} can start programs: {string.Join("; ", refused)}", Remedy.NeedsPerson);
            }
        }
    }

    private string? Ssh(ImmutableArray<GitSetting> settings)
    {
        if (options.SshCommand is { Length: > 0 } configured) { return configured; }
        if (git.Variable("GIT_SSH_COMMAND") is { Length: > 0 } command) { return command; }
        return settings.LastOrDefault(s => !s.IsLocal && s.Key == "core.sshcommand")?.Value
            ?? (git.Variable("GIT_SSH") is { Length: > 0 } program ? $"\"{program}\"" : null);
    }

    private async Task<ImmutableArray<GitSetting>> ReadAsync(bool fresh, CancellationToken cancellationToken)
    {
        if (!fresh && _last is { } last && Fingerprint(last.Files) == last.Fingerprint) { return last.Settings; }
        var folder = git.GitFolder();
        var home = git.Variable("HOME") ?? "";
        string[] known =
        [
            Path.Combine(folder, "config"), Path.Combine(folder, "config.worktree"), Path.Combine(folder, "commondir"),
            Path.Combine(home, ".gitconfig"),
            Path.Combine(git.Variable("XDG_CONFIG_HOME") ?? Path.Combine(home, ".config"), "git", "config"),
        ];
        // Taken before the reading: a change meanwhile is then seen the next time.
        var before = Fingerprint([.. known]);
        var output =
            await git.OutputAsync(GitCommands.Settings(git.Folder), $"The git configuration of {git.Folder} cannot be read",
                cancellationToken);
        ImmutableArray<GitSetting> settings = [.. GitConfigurationRules.Parse(output)];
        ImmutableArray<string> files = [.. known.Concat(settings.Select(s => s.Origin).Where(o => o.Length > 0)
            .Select(o => Path.GetFullPath(o, git.Folder))).Distinct()];
        if (Fingerprint([.. known]) == before) { _last = new Snapshot(settings, Fingerprint(files), files); }
        return settings;
    }

    private static string Fingerprint(ImmutableArray<string> files) => string.Join('\n', files.Select(f =>
        new FileInfo(f) is { Exists: true } file ? $"{f}\t{file.LastWriteTimeUtc.Ticks}\t{file.Length}" : f));
}

using System.Text;
using WatchParty.Tools.Configuration;
using WatchParty.Tools.Failures;
using WatchParty.Tools.Git;
using WatchParty.Worker.Triggering;

namespace WatchParty.Worker.Tests.Fuzz;

public sealed class GitFuzz
{
    private const string Commit = "0123456789abcdef0123456789abcdef01234567";

    [Fact]
    public Task Refs_of_a_remote() => Fuzz.RunAsync(m =>
    {
        var branch = m.Text("main", "feature/login", "release-1.2");
        var output = m.Text($"{Commit}\trefs/heads/main\n", $"{Commit}\trefs/heads/main\n{Commit}\trefs/heads/x/main\n", $"{Commit}\trefs/heads/{branch}\n");
        try
        {
            // An id is handed to git again, so nothing else may come out.
            if (GitRepository.TipOf(output, branch) is { } tip) { Assert.Matches("^[0-9a-f]{40}([0-9a-f]{24})?$", tip); }
        }
        catch (WorkerException)
        {
        }
    });

    [Fact]
    public Task Lists_of_files_with_names_of_any_bytes() => Fuzz.RunAsync(m =>
    {
        List<TreeEntry> entries = [.. Enumerable.Range(0, m.Next(5)).Select(_ => new TreeEntry(
            m.Pick("100644", "100755", "120000", "160000"), Commit, Encoding.UTF8.GetString(m.Bytes("app/main.py", "../x", "a\nb", "-x", "a\tb", "a b  c")).Replace("\0", "", StringComparison.Ordinal)))];

        var list = string.Concat(entries.Select(e => $"{e.Mode} blob {e.Object}\t{e.Path}\0"));

        Assert.Equal(entries, GitRepository.ParseTree(list));
    });

    [Fact]
    public Task Lists_of_files_that_are_damaged() => Fuzz.RunAsync(m =>
    {
        try
        {
            GitRepository.ParseTree(m.Text($"100644 blob {Commit}\tapp/main.py\0120000 blob {Commit}\tlink\0", $"160000 commit {Commit}\tmodule\0"));
        }
        catch (WorkerException)
        {
        }
    });

    [Fact]
    public Task Configuration_of_a_checkout() => Fuzz.RunAsync(m =>
    {
        var settings = GitConfigurationRules.Parse(m.Text(
            "local\0file:.git/config\0core.sshcommand\nssh -i x\0global\0file:/etc/gitconfig\0user.name\nAnn\0",
            "local\0file:.git/config\0filter.lfs.clean\ngit-lfs clean -- %f\0worktree\0file:x\0core.bare\0",
            "command\0command line:\0safe.directory\n/srv\0local\0file:.git/config\0url.ssh://a.insteadof\nhttps://a\0"));
        GitConfigurationRules.Refused(settings);
    });

    [Fact]
    public Task What_git_says_when_it_fails() => Fuzz.RunAsync(m =>
    {
        var words = m.Text("fatal: unable to access 'https://u:p4ssw0rd@h/': The requested URL returned error: 403\n", "error: x\n\tlisted\nremote: Repository not found.\nfatal: Could not read from remote repository.\n");
        var line = GitFailure.Describe(words);
        Assert.True(line.Length < 700 && !line.Contains('\n', StringComparison.Ordinal), line);
    });

    [Fact]
    public Task First_lines_of_flag_files() => Fuzz.RunAsync(m =>
    {
        var request = DropFileRequest.Read(m.Pick(DropFileKind.ClearCache, DropFileKind.ForceRebuild), m.Bytes("", "all\n", "frontend,backend\n", " backend , x.y_z-1 \r\nmore", "\ufeffall"), out var fault);
        Assert.True(request is null ? fault.Length > 0 : request.Targets.All(t => t.All(c => char.IsAsciiLetterOrDigit(c) || c is '.' or '_' or '-') && t[0] is not ('.' or '-')));
    });
}

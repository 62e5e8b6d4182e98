using System.Collections.Immutable;
using Microsoft.Extensions.Logging.Abstractions;
using WatchParty.Tools.Configuration;
using WatchParty.Tools.Git;
using WatchParty.Tools.Processes;

namespace WatchParty.Worker.Tests.Fakes;

/// <summary>A home, a remote, an author who pushes to it and the checkout on the server, all in a temporary folder.</summary>
internal sealed class GitSandbox : IDisposable
{
    private static readonly ToolRunner Runner = new(TimeProvider.System, NullLogger<ToolRunner>.Instance);

    private GitSandbox()
    {
        Directory.CreateDirectory(Home);
        Environment = new Dictionary<string, string?>
        {
            ["HOME"] = Home,
            ["XDG_CONFIG_HOME"] = null,
            ["GIT_CONFIG_NOSYSTEM"] = "1",
            ["GIT_CONFIG_GLOBAL"] = null,
            ["GIT_SSH_COMMAND"] = null,
            ["GIT_SSH"] = null,
            ["SSH_AUTH_SOCK"] = null,
        }.ToImmutableDictionary();
    }

    public string Root { get; } = Directory.CreateTempSubdirectory("wp-git-").FullName;

    public string Home => Path.Combine(Root, "home");

    public string Remote => Path.Combine(Root, "srv", "app.git");

    public string Author => Path.Combine(Root, "author");

    public string Checkout => Path.Combine(Root, "checkout");

    public ImmutableDictionary<string, string?> Environment { get; set; }

    public RecordingLogger<GitRepository> Log { get; } = new();

    /// <summary>Every program that the repositories of this sandbox started.</summary>
    public RecordingLogger<ToolRunner> Programs { get; } = new();

    public int GitProcesses => Programs.Entries.Count(e => e.Message.StartsWith("Started", StringComparison.Ordinal));

    public static async Task<GitSandbox> CreateAsync(params (string Path, string? Content)[] files)
    {
        var sandbox = new GitSandbox();
        await sandbox.GitAsync(sandbox.Root, "init", "--quiet", "--bare", "--initial-branch=main", sandbox.Remote);
        await sandbox.GitAsync(sandbox.Root, "init", "--quiet", "--initial-branch=main", sandbox.Author);
        await sandbox.GitAsync(sandbox.Author, "remote", "add", "origin", sandbox.Remote);
        await sandbox.PushAsync("first", files.Length > 0 ? files : [("app.txt", "one\n"), ("backend/app.py", "print(1)\n")]);
        await sandbox.GitAsync(sandbox.Root, "clone", "--quiet", sandbox.Remote, sandbox.Checkout);
        return sandbox;
    }

    public GitRepository Repository(Action<RepositoryOptions>? configure = null, TimeProvider? time = null) => Repository(Options(configure), time);

    public GitRepository Repository(RepositoryOptions options, TimeProvider? time = null) =>
        new(options, new ToolRunner(TimeProvider.System, Programs), time ?? TimeProvider.System, Log) { Environment = Environment };

    public RepositoryOptions Options(Action<RepositoryOptions>? configure = null)
    {
        var options = new RepositoryOptions { Path = Checkout };
        configure?.Invoke(options);
        return options;
    }

    /// <summary>Commits the author's files and pushes them; a null content deletes the file.</summary>
    public async Task<string> PushAsync(string subject, params (string Path, string? Content)[] files)
    {
        var commit = await CommitAsync(Author, subject, files);
        await GitAsync(Author, "push", "--quiet", "--force", "origin", "HEAD");
        return commit;
    }

    public async Task<string> CommitAsync(string folder, string subject, params (string Path, string? Content)[] files)
    {
        foreach (var (path, content) in files)
        {
            var full = Path.Combine(folder, path);
            if (content is null) { File.Delete(full); continue; }
            Directory.CreateDirectory(Path.GetDirectoryName(full)!);
            await File.WriteAllTextAsync(full, content);
        }
        await GitAsync(folder, "add", "--all", "--force");
        await GitAsync(folder, "commit", "--quiet", "--allow-empty", "--message", subject);
        return await GitAsync(folder, "rev-parse", "HEAD");
    }

    /// <summary>Runs git as a person would, in the sandbox's home.</summary>
    public Task<string> GitAsync(string folder, params string[] arguments) => RunAsync(new ToolCommand("git", arguments) { WorkingDirectory = folder });

    public Task<string> InCheckoutAsync(params string[] arguments) => GitAsync(Checkout, arguments);

    public async Task<string> RunAsync(ToolCommand command)
    {
        var environment = Environment.SetItems(new Dictionary<string, string?>
        {
            ["GIT_AUTHOR_NAME"] = "Ann Author",
            ["GIT_AUTHOR_EMAIL"] = "ann@example.org",
            ["GIT_COMMITTER_NAME"] = "Ann Author",
            ["GIT_COMMITTER_EMAIL"] = "ann@example.org",
        }).SetItems(command.Environment);
        return (await Runner.OutputOfAsync(command with { Environment = environment }, CancellationToken.None)).TrimEnd('\n');
    }

    public string Read(string path) => File.ReadAllText(Path.Combine(Checkout, path));

    public void Write(string path, string content)
    {
        var full = Path.Combine(Checkout, path);
        Directory.CreateDirectory(Path.GetDirectoryName(full)!);
        File.WriteAllText(full, content);
    }

    public void Dispose() => Directory.Delete(Root, recursive: true);
}

using System.Collections.Immutable;
using WatchParty.Tools.Configuration;
using WatchParty.Tools.Failures;
using WatchParty.Tools.Processes;

namespace WatchParty.Tools.Git;

/// <summary>Runs git in one checkout and turns its failures into <see cref="WorkerException"/>.</summary>
internal sealed class GitProcess(RepositoryOptions options, IToolRunner runner, ImmutableDictionary<string, string?> environment)
{
    /// <summary>The checkout, without a slash at the end.</summary>
    public string Folder { get; } = Path.TrimEndingDirectorySeparator(Path.GetFullPath(options.Path));

    /// <summary>A variable as git will see it.</summary>
    public string? Variable(string name) => environment.TryGetValue(name, out var value) ? value : Environment.GetEnvironmentVariable(name);

    /// <summary>The result of <paramref name="command"/>, whatever its exit code.</summary>
    /// <exception cref="WorkerException">git is missing, or passed its time or output limit.</exception>
    public async Task<ToolResult> TryAsync(ToolCommand command, CancellationToken cancellationToken)
    {
        try
        {
            return await runner.RunAsync(command with { Environment = environment.SetItems(command.Environment) }, cancellationToken);
        }
        catch (ToolFailedException e) when (ToolRunner.FindOnPath("git", Variable("PATH")) is null)
        {
            throw new WorkerException("git is not on PATH. Install git 2.29 or newer", Remedy.NeedsPerson, e);
        }
        catch (ToolFailedException e)
        {
            // The command line is long and the same each time; the rest says what happened.
            var reason = e.Message[(e.Message.IndexOf("` ", StringComparison.Ordinal) + 2)..];
            throw new WorkerException($"git {reason}", Remedy.RetriedByItself, e);
        }
    }

    /// <summary>Standard output of <paramref name="command"/>.</summary>
    /// <param name="purpose">What did not succeed, as the beginning of the message.</param>
    /// <exception cref="WorkerException">Also for every exit code but 0.</exception>
    public async Task<string> OutputAsync(ToolCommand command, string purpose, CancellationToken cancellationToken)
    {
        var result = await TryAsync(command, cancellationToken);
        return result.ExitCode == 0
            ? result.Output
            : throw new WorkerException($"{purpose}: {GitFailure.Describe(result.ErrorTail)}", GitFailure.RemedyOf(result.ErrorTail));
    }

    /// <summary>The commit a ref points to; null when there is none.</summary>
    public async Task<string?> ResolveAsync(string name, CancellationToken cancellationToken)
    {
        var result = await TryAsync(GitCommands.Resolve(Folder, name), cancellationToken);
        return result.ExitCode switch
        {
            0 => result.Output.Trim(),
            1 => null,
            _ when result.ErrorTail.Contains("Needed a single revision", StringComparison.Ordinal) => null,
            _ => throw new WorkerException($"{name} of {Folder} cannot be read: {GitFailure.Describe(result.ErrorTail)}",
                GitFailure.RemedyOf(result.ErrorTail)),
        };
    }

    /// <summary>The folder with the checkout's own HEAD and index. No program is started.</summary>
    /// <exception cref="WorkerException">The folder is missing or is no checkout.</exception>
    public string GitFolder()
    {
        var git = Path.Combine(Folder, ".git");
        if (Directory.Exists(git)) { return git; }
        // A checkout made by `git worktree` or inside a superproject has a file here that names the folder.
        if (File.Exists(git) && File.ReadAllText(git) is var text && text.StartsWith("gitdir: ", StringComparison.Ordinal))
        {
            return Path.GetFullPath(Path.Combine(Folder, text["gitdir: ".Length..].Trim()));
        }
        throw new WorkerException($"Repository:Path {WhatIsWrong()}", Remedy.NeedsPerson);
    }

    private string WhatIsWrong()
    {
        if (!Directory.Exists(Folder))
        {
            return $"is {Folder}, which does not exist. Clone the application there, or write the folder of its checkout";
        }
        if (File.Exists(Path.Combine(Folder, "HEAD")) && Directory.Exists(Path.Combine(Folder, "objects")))
        {
            return $"is {Folder}, a bare repository without files. Clone it to another folder and write that one";
        }
        for (var parent = Path.GetDirectoryName(Folder); parent is not null; parent = Path.GetDirectoryName(parent))
        {
            if (Path.Exists(Path.Combine(parent, ".git"))) { return $"is {Folder}, a folder inside the checkout {parent}. Write {parent}"; }
        }
        return $"is {Folder}, which is not a git checkout. Clone the application there, or write the folder of its checkout";
    }
}

namespace WatchParty.Tools.Configuration;

/// <summary>Who keeps the statuses of commits.</summary>
internal enum CommitStatusProvider { None, GitHub, GitLab, Gitea }

/// <summary>Whether the forge shows beside a commit how its release went.</summary>
internal sealed class CommitStatusOptions
{
    /// <summary>Default <see cref="CommitStatusProvider.None"/>: nobody is told. <c>Gitea</c> is for Forgejo, too.</summary>
    public CommitStatusProvider Provider { get; set; }

    /// <summary>Address of its API. Default: that of github.com or gitlab.com; for Gitea for example
    /// <c>https://git.example.org/api/v1</c>.</summary>
    public string? Address { get; set; }

    /// <summary>The repository there, <c>owner/name</c>; with GitLab the whole path or the number of the project.</summary>
    public string? Project { get; set; }

    /// <summary>Token that may write commit statuses and nothing else.</summary>
    public string? Token { get; set; }

    /// <summary>File whose first line is the <see cref="Token"/>, an absolute path.</summary>
    public string? TokenFile { get; set; }

    /// <summary>Name of the status beside the commit, up to 100 characters. Default <c>watchparty</c>.</summary>
    public string Context { get; set; } = "watchparty";
}

/// <summary>What the statuses of commits need.</summary>
internal static class CommitStatusRules
{
    public static IEnumerable<ConfigurationFault> Check(CommitStatusOptions options)
    {
        if (options.Provider == CommitStatusProvider.None) { yield break; }
        static ConfigurationFault Fault(string key, string problem, string fix) => new($"CommitStatus:{key}", "", problem, fix);

        if (options.Provider == CommitStatusProvider.Gitea && options.Address is null)
        {
            yield return Fault("Address", "is missing", "Write the address of its API, for example https://git.example.org/api/v1");
        }
        if (options.Address is not null && !WorkerOptionsRules.IsHttp(options.Address))
        {
            yield return Fault("Address", $"'{options.Address}' is not an HTTP address",
                "Write for example https://git.example.org/api/v1");
        }
        if (options.Project is null) { yield return Fault("Project", "is missing", "Write the repository as owner/name"); }
        else if (options.Provider != CommitStatusProvider.GitLab
            && options.Project.Split('/', StringSplitOptions.RemoveEmptyEntries).Length != 2)
        {
            yield return Fault("Project", $"'{options.Project}' is not a repository", "Write owner/name");
        }
        if (options.Token is null && options.TokenFile is null)
        {
            yield return Fault("Token", "is missing", "Write TokenFile with a file that has a token that may write commit statuses");
        }
        foreach (var (key, problem, fix) in SecretFile.Check("Token", options.Token, options.TokenFile))
        {
            yield return Fault(key, problem, fix);
        }
        if (options.Context.Length is 0 or > 100)
        {
            yield return Fault("Context", "is empty or longer than 100 characters", "Write a short name, for example watchparty");
        }
    }
}

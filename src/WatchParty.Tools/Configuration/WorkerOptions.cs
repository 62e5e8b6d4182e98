namespace WatchParty.Tools.Configuration;

/// <summary>Section <c>Worker</c> of the configuration. An empty value counts as not set.</summary>
internal sealed class WorkerOptions
{
    /// <summary>The files that were read, whether they are there or not. No key.</summary>
    internal IReadOnlyList<string> Files { get; set; } = [];

    public RepositoryOptions Repository { get; set; } = new();
    public ComposeOptions Compose { get; set; } = new();
    public BuildOptions Build { get; set; } = new();
    public DeployOptions Deploy { get; set; } = new();
    public DropFileOptions DropFiles { get; set; } = new();
    public PruneOptions Prune { get; set; } = new();
    public DockerOptions Docker { get; set; } = new();
    public StateOptions State { get; set; } = new();
    public StatusOptions Status { get; set; } = new();

    /// <summary>Who is told of releases that fail, are taken back or are well again. Default: nobody.</summary>
    public NotificationOptions[] Notifications { get; set; } = [];

    public TelemetryOptions Telemetry { get; set; } = new();

    public CommitStatusOptions CommitStatus { get; set; } = new();

    /// <summary>Address at which people reach the status page, for the links in messages, for example <c>https://deploy.example.org</c>.
    /// Default: messages have no link, because the address that the page listens on is seldom one that others can open.</summary>
    public string? PublicAddress { get; set; }
}

internal sealed class RepositoryOptions
{
    /// <summary>Folder of the application's checkout, an absolute path. Default <c>/srv/watch-party</c>.</summary>
    public string Path { get; set; } = OperatingSystem.IsWindows() ? @"C:\srv\watch-party" : "/srv/watch-party";

    /// <summary>Name of the remote to follow. Default <c>origin</c>.</summary>
    public string Remote { get; set; } = "origin";

    /// <summary>Branch to follow. Default: the branch that is checked out.</summary>
    public string? Branch { get; set; }

    /// <summary>Time between two looks at the remote, 1 second to 1 day; up to a fifth is added at random, and it grows
    /// up to tenfold while the remote fails. A remote that is a folder of this machine is looked at after each push as well. Default 30
    /// seconds.</summary>
    public TimeSpan PollInterval { get; set; } = TimeSpan.FromSeconds(30);

    /// <summary>What happens to edits of tracked files. Untracked files are never touched. Default
    /// <see cref="LocalChanges.Stash"/>.</summary>
    public LocalChanges LocalChanges { get; set; } = LocalChanges.Stash;

    /// <summary>Program that git uses for SSH, with its options, for example <c>ssh -i /etc/watchparty/deploy_key</c>.
    /// Default: <c>GIT_SSH_COMMAND</c>, then the service user's global <c>core.sshCommand</c>, then <c>ssh</c>.</summary>
    public string? SshCommand { get; set; }

    /// <summary>File with the SSH keys whose commits are released (ssh-keygen(1), ALLOWED SIGNERS), an absolute path outside of the
    /// checkout that only its owner may write. The newest commit has to be signed; its signature stands for its files and its history.
    /// Needs git 2.34 and ssh-keygen. Default: none, every commit of the branch is released.</summary>
    public string? AllowedSigners { get; set; }
}

/// <summary>What to do with edits of tracked files before another commit is checked out.</summary>
internal enum LocalChanges
{
    /// <summary>They are put on git's stash, with a message that says when and why.</summary>
    Stash,

    /// <summary>The release is refused until a person has dealt with them.</summary>
    Refuse,

    /// <summary>They are thrown away.</summary>
    Discard,
}

internal sealed class ComposeOptions
{
    /// <summary>Compose files, relative to the checkout; one outside of it only by its full path. Default: compose's own choice
    /// (<c>COMPOSE_FILE</c> of the environment or of the env files, else <c>compose.yaml</c> and its override), never from a folder above
    /// the checkout.</summary>
    public string[] Files { get; set; } = [];

    /// <summary>Active profiles. Default: compose's own choice.</summary>
    public string[] Profiles { get; set; } = [];

    /// <summary>Compose project name. Default: compose's own choice.</summary>
    public string? ProjectName { get; set; }

    /// <summary>Folder, an absolute path, from which the application was started before; its containers are taken over. Default: none.
    /// Containers of the project that were started from another folder than the checkout are another application's, and no release is made
    /// beside them.</summary>
    public string? AdoptFrom { get; set; }

    /// <summary>Files with variables for interpolation, relative to the checkout. Default: compose's own choice.</summary>
    public string[] EnvFiles { get; set; } = [];
}

internal sealed class BuildOptions
{
    /// <summary>Build argument, and variable for compose, that carries the commit. Default <c>GIT_COMMIT_HASH</c>.</summary>
    public string CommitArgument { get; set; } = "GIT_COMMIT_HASH";

    /// <summary>Further build arguments for every service.</summary>
    public Dictionary<string, string> Arguments { get; set; } = [];

    /// <summary>A buildx builder by name. Default: the engine's own.</summary>
    public string? Builder { get; set; }

    /// <summary>Registry, with a path if need be, that keeps the sealed cache for several hosts, for example
    /// <c>registry.example:5000/cache</c>. Default: the sealed cache stays on this machine.</summary>
    public string? CacheRegistry { get; set; }

    /// <summary>Quartz cron expression, in the time zone of the prune's, of the times at which the registries are asked for newer base
    /// images; what stands on one is built again. Default: never.</summary>
    public string? RefreshBaseImages { get; set; }

    /// <summary>Limit of one build, 1 second to 1 day. Default 1 hour.</summary>
    public TimeSpan Timeout { get; set; } = TimeSpan.FromHours(1);

    /// <summary>Time after which a build that prints nothing is ended, 1 second to 1 day. Default 30 minutes.</summary>
    public TimeSpan SilenceTimeout { get; set; } = TimeSpan.FromMinutes(30);

    /// <summary>Whether a build ends for a newer commit, which is then released at once; the one after it goes to its end. Default false:
    /// the newest waits.</summary>
    public bool CancelOnNewerCommit { get; set; }
}

internal sealed class DeployOptions
{
    /// <summary>Time a release has to become healthy, and its jobs to end, 1 second to 1 day. A health check whose own start period,
    /// interval and retries take longer is given that. Default 3 minutes.</summary>
    public TimeSpan WaitTimeout { get; set; } = TimeSpan.FromMinutes(3);

    /// <summary>Time since its start for which a container must neither restart nor be replaced, 0 to 10 minutes; services with
    /// a health check are trusted to it. Default 5 seconds.</summary>
    public TimeSpan SettleTime { get; set; } = TimeSpan.FromSeconds(5);

    /// <summary>Whether an unhealthy release brings the previous one back. Default true.</summary>
    public bool Rollback { get; set; } = true;

    /// <summary>Whether a release restarts the services whose files changed since their containers were started (bind mounts, secrets,
    /// configs), where they do not say themselves what they get (<c>x-watchparty: {on_mount_change: …}</c>). Default true: otherwise the
    /// release succeeds and the container goes on with the old file, which it even keeps open when git has replaced it. False suits
    /// services that look at their files themselves and mount folders.</summary>
    public bool RestartOnMountChange { get; set; } = true;

    /// <summary>URLs that must answer with a status below 400 before a release counts as healthy. During a deployment they are asked all
    /// the time, and the record says for how long they gave no good answer.</summary>
    public string[] Probes { get; set; } = [];
}

internal sealed class DropFileOptions
{
    /// <summary>Folder where <c>clear-cache.flag</c> and <c>force-rebuild.flag</c> appear. Default: <c>Repository:Path</c>.</summary>
    public string? Folder { get; set; }
}

internal sealed class PruneOptions
{
    /// <summary>Quartz cron expression of the nightly prune. Default <c>0 30 3 * * ?</c>.</summary>
    public string Cron { get; set; } = "0 30 3 * * ?";

    /// <summary>Time zone of the cron expression, an IANA or Windows name. Default: the machine's.</summary>
    public string? TimeZone { get; set; }

    /// <summary>Whether the contents of cache mounts (<c>RUN --mount=type=cache</c>) stay in a prune. Default true.</summary>
    public bool KeepCacheMounts { get; set; } = true;

    /// <summary>Largest size of the builder cache after a prune, in bytes or with a unit: <c>20GB</c>. Default: no limit.</summary>
    public string? MaxCacheSize { get; set; }

    /// <summary>Free space on the engine's disk below which a prune runs at once, in bytes or with a unit. Default: none.</summary>
    public string? MinFreeSpace { get; set; }

    /// <summary>Earlier releases that are kept for rollback, counted by their images, 1 to 100. Default 3.</summary>
    public int KeepReleases { get; set; } = 3;
}

internal sealed class TelemetryOptions
{
    /// <summary>Address of a collector that metrics and traces are sent to, as OTLP over HTTP: <c>http://127.0.0.1:4318</c>. Default:
    /// none.</summary>
    public string? OtlpEndpoint { get; set; }
}

internal sealed class DockerOptions
{
    /// <summary>Endpoint of the engine: <c>unix://</c>, <c>npipe://</c> or <c>tcp://</c>. Default: <c>DOCKER_HOST</c>, then the current
    /// docker context.</summary>
    public string? Endpoint { get; set; }
}

internal sealed class StateOptions
{
    /// <summary>Folder of the history, the lock and the build logs, an absolute path. Default <c>/var/lib/watchparty</c>
    /// (<c>%ProgramData%\WatchParty</c> on Windows).</summary>
    public string Folder { get; set; } = OperatingSystem.IsWindows()
        ? System.IO.Path.Combine(Environment.GetFolderPath(Environment.SpecialFolder.CommonApplicationData), "WatchParty")
        : "/var/lib/watchparty";
}

/// <summary>The status page, its HTTP API and the webhook. Everything here is without effect as long as <see cref="Address"/> is not
/// set.</summary>
internal sealed class StatusOptions
{
    public const int ShortestToken = 20;
    public const int ShortestWebhookSecret = 16;

    /// <summary>Where the page is served, with an IP address or localhost: <c>http://127.0.0.1:8080</c>. An address that others can reach
    /// needs a token. Default: no page.</summary>
    public string? Address { get; set; }

    /// <summary>Names by which browsers and webhooks call this machine, beside its IP addresses and localhost; a reverse proxy's name, for
    /// example. Others are refused, so that a foreign page cannot read this one by a name of its own. Default: none.</summary>
    public string[] Hosts { get; set; } = [];

    /// <summary>What a person or script has to know to see the page and to act, at least 20 characters. Default: on this machine everybody
    /// may look, and nobody may act.</summary>
    public string? Token { get; set; }

    /// <summary>File with the token, an absolute path; better than <see cref="Token"/>, which others may see in the configuration. Default:
    /// none.</summary>
    public string? TokenFile { get; set; }

    /// <summary>Secret that GitHub, GitLab, Gitea or Forgejo shares with the webhook, at least 16 characters. Default: no
    /// webhook.</summary>
    public string? WebhookSecret { get; set; }

    /// <summary>File with the webhook's secret, an absolute path. Default: none.</summary>
    public string? WebhookSecretFile { get; set; }
}

using System.Globalization;
using WatchParty.Releases.Baking;
using WatchParty.Releases.Building;
using WatchParty.Releases.Caching;
using WatchParty.Releases.Deploying;
using WatchParty.Releases.Planning;
using WatchParty.Releases.Recording;
using WatchParty.Releases.Releasing;
using WatchParty.Tools.Configuration;
using WatchParty.Tools.Docker;
using WatchParty.Tools.Failures;
using WatchParty.Tools.Files;
using WatchParty.Tools.Git;
using WatchParty.Tools.Processes;

namespace WatchParty.Worker.Checking;

/// <summary>Result of one check. The names are part of the JSON contract.</summary>
internal enum CheckStatus { Ok, Warning, Error }

/// <param name="Fix">What a person has to do; null when all is well.</param>
internal sealed record Check(string Name, CheckStatus Status, string Message, string? Fix = null);

/// <summary>Looks at everything the worker needs. It changes nothing, and a check that fails does not keep the others from
/// running.</summary>
internal sealed class Doctor(
    WorkerOptions options, StateFolder state, IToolRunner runner, GitRepository repository, IDockerEngine engine, ReleasePlanning planning,
    Forewarnings forewarnings,
    CacheSources cacheSources, SealRecord seals, History history, Ownership ownership)
{
    private const long LowDisk = 5L * 1000 * 1000 * 1000;

    public async Task<IReadOnlyList<Check>> RunAsync(CancellationToken cancellationToken)
    {
        List<Check> checks = [];
        async Task TryAsync(string name, string fix, Func<Task<IEnumerable<Check>>> check)
        {
            try
            {
                checks.AddRange(await check());
            }
            catch (Exception e) when (e is WorkerException or ToolFailedException or IOException or UnauthorizedAccessException)
            {
                checks.Add(new Check(name, CheckStatus.Error, e.Message, fix));
            }
        }

        await TryAsync("git", "Install git 2.38 or newer",
            async () => [new("git", CheckStatus.Ok,
                (await runner.OutputOfAsync(new ToolCommand("git", "--version"), cancellationToken)).Trim())]);
        await TryAsync("repository", "See the message", () => RepositoryAsync(cancellationToken));
        await TryAsync("remote", "Check the remote's address and the service user's credentials", async () =>
            [await repository.RemoteHeadAsync(cancellationToken) is { } head
                ? new("remote", CheckStatus.Ok, $"the branch is at {head[..7]}")
                : new("remote", CheckStatus.Error, $"the branch {await repository.BranchAsync(cancellationToken)} does not exist there",
                    "Set Repository:Branch, or push it")]);
        await TryAsync("engine", "Start the Docker Engine, and put the service's user into the group docker", async () =>
        {
            var info = await engine.InfoAsync(cancellationToken);
            return [SupportedTool.Engine.Judge(
                info.Version, $"version {info.Version}, API {info.ApiVersion}, " +
                    $"{(info.Store == ImageStore.Containerd ? "containerd image store" : $"graph driver {info.Driver}")}")];
        });
        await TryAsync("buildx", "Install the buildx plugin (Debian: docker-buildx)", async () =>
        {
            var version = (await runner.OutputOfAsync(DockerCommands.BuildxVersion(), cancellationToken)).Trim();
            return [SupportedTool.Buildx.Judge(version, version)];
        });
        await TryAsync("compose", "Install the compose plugin, version 2 (Debian: docker-compose)", async () =>
        {
            var version = (await runner.OutputOfAsync(DockerCommands.ComposeVersion(), cancellationToken)).Trim().TrimStart('v');
            return [Version.TryParse(version.Split('-', '+')[0], out var parsed) && parsed < new Version(2, 17)
                ? new("compose", CheckStatus.Error, $"version {version} is too old", "Install compose 2.17 or newer")
                : SupportedTool.Compose.Judge(version, $"version {version}")];
        });
        await TryAsync("application", "Correct the compose file; `docker compose config` in the checkout shows the same error",
            () => ApplicationAsync(cancellationToken));
        await TryAsync("drop files", "Create the folder, or set DropFiles:Folder",
            () => Task.FromResult<IEnumerable<Check>>([DropFolder()]));
        foreach (var (key, file) in SecretFile.Of(options))
        {
            await TryAsync(key, "Make it, readable for the service's user alone",
                () => Task.FromResult<IEnumerable<Check>>([SecretOf(key, file)]));
        }
        checks.Add(state.OthersCanWrite
            ? new("state folder", CheckStatus.Warning, $"{state.Path} can be written by others", $"chmod 700 {state.Path}")
            : new("state folder", CheckStatus.Ok, state.Path));
        checks.Add(state.BrokenHistories is [.., var newest]
            ? new("history",
                CheckStatus.Warning, $"a damaged one was set aside as {newest}; what it alone knew is lost, such as which services were " +
                    $"owed a fresh build", "Touch force-rebuild.flag if a clear was under way, check the disk, and delete the file")
            : new("history", CheckStatus.Ok, state.Database));
        await TryAsync("disk", "Check the folder", () => DiskAsync(cancellationToken));
        return checks;
    }

    private async Task<IEnumerable<Check>> RepositoryAsync(CancellationToken cancellationToken)
    {
        var branch = await repository.BranchAsync(cancellationToken);
        var dangerous = await repository.DangerousConfigurationAsync(cancellationToken);
        return dangerous.Count == 0
            ? [new Check("repository", CheckStatus.Ok, $"{options.Repository.Path}, branch {branch}")]
            : dangerous.Select(
                d => new Check("repository", CheckStatus.Error, $"its own configuration runs programs: {d}",
                    "Move the key to the service user's global configuration, or remove it"));
    }

    private async Task<IEnumerable<Check>> ApplicationAsync(CancellationToken cancellationToken)
    {
        var commit = history.Deployed()?.Commit ?? await repository.HeadAsync(cancellationToken);
        var model = await planning.ModelAsync(commit, cancellationToken);
        List<Check> checks = [new("application",
            CheckStatus.Ok, $"project {model.Project}, {model.Services.Length} services, {model.Built.Count()} built here")];
        if (await ownership.OtherFolderAsync(model, cancellationToken) is { } claim)
        {
            checks.Add(new("containers", CheckStatus.Warning, claim.Problem, claim.Fix));
        }
        checks.AddRange(
            (await forewarnings.OfAsync(model, commit, [], cancellationToken)).Select(
                w => new Check("application", CheckStatus.Warning, w.Text, w.Fix)));
        foreach (var service in model.Built)
        {
            if (service.Image == $"{model.Project}-{service.Name}")
            {
                checks.Add(new($"image of {service.Name}", CheckStatus.Warning,
                    "the service names no image", $"Write image: {model.Project}-{service.Name}:latest in its section"));
            }
            checks.AddRange(await CacheSourcesAsync(service, cancellationToken));
            checks.Add(await InlineCacheAsync(service, cancellationToken));
            checks.AddRange(Advice(service));
        }
        return checks;
    }

    private async Task<IEnumerable<Check>> CacheSourcesAsync(ComposeService service, CancellationToken cancellationToken)
    {
        var name = $"cache of {service.Name}";
        List<DroppedSource> dropped = [];
        var store = (await engine.InfoAsync(cancellationToken)).Store;
        var usable = await cacheSources.UsableAsync(service, store, options.Build.Builder is not null, dropped.Add, cancellationToken);
        var seal = seals.Find(service.Name);
        List<Check> checks = [.. dropped.Select(
            d => new Check(name, CheckStatus.Warning, $"cache_from {d.Source} is left out, because {d.Reason}", d.Fix))];
        if (seal is not null)
        {
            checks.Add(new(name, CheckStatus.Ok,
                string.Create(
                    CultureInfo.InvariantCulture, $"sealed with release {seal.Release} in {seal.Seconds:0.0} s, " +
                        $"{ByteSize.Words(seal.Bytes)} of disk of its own")));
        }
        else if (usable.Count > 0) { checks.Add(new(name, CheckStatus.Ok, $"cache_from {string.Join(", ", usable)}")); }
        else
        {
            checks.Add(new(name, CheckStatus.Warning, "nothing outside of the builder keeps its cache yet",
                "Release it once: its cache is sealed after the next healthy release"));
        }
        return checks;
    }

    /// <summary>What the builds of the last releases say would make every build faster.</summary>
    private IEnumerable<Check> Advice(ComposeService service)
    {
        var builds = history.Last(20).SelectMany(r => r.Services).Where(s => s.Name == service.Name && s.Advice.Count > 0).ToList();
        return builds is [var newest, ..]
            ? newest.Advice.Select(
                a => new Check($"build of {service.Name}",
                    CheckStatus.Warning, $"{builds.Count} of the last releases ran steps for nothing", a))
            : [];
    }

    /// <summary>Cache metadata in a shipped image makes a cleared cache come back through <c>cache_from</c>.</summary>
    private async Task<Check> InlineCacheAsync(ComposeService service, CancellationToken cancellationToken)
    {
        const string argument = "BUILDKIT_INLINE_CACHE";
        var name = $"cache metadata of {service.Name}";
        var build = service.Build!;
        var dockerfile = Path.GetFullPath(build.Dockerfile, Directory.Exists(build.Context) ? build.Context : options.Repository.Path);
        var text = build.DockerfileInline ?? (File.Exists(dockerfile) ? await File.ReadAllTextAsync(dockerfile, cancellationToken) : "");
        if (build.Arguments.ContainsKey(argument) || options.Build.Arguments.ContainsKey(argument))
        {
            return new(name, CheckStatus.Error, $"the build argument {argument} is set",
                "Remove it: it puts the cache into the shipped image, and a clear then clears nothing");
        }
        if (text.Contains(argument, StringComparison.Ordinal))
        {
            return new(name, CheckStatus.Error, $"{build.Dockerfile} names {argument}", "Remove it from the Dockerfile");
        }
        var built = history.Last(100).FirstOrDefault(r => r.Services.Any(s => s.Name == service.Name && s.Action == ServiceAction.Built));
        return built?.Notes?.Any(n => n.StartsWith(ImageBuilder.CacheNote(service.Image), StringComparison.Ordinal)) == true
            ? new(name, CheckStatus.Error, $"{service.Image} carries BuildKit's inline cache",
                "Force a rebuild after removing the option that put it there")
            : new(name, CheckStatus.Ok, built is null ? "no image was built yet" : $"{service.Image} carries none");
    }

    private Check DropFolder()
    {
        var folder = options.DropFiles.Folder ?? options.Repository.Path;
        if (!Directory.Exists(folder))
        {
            return new("drop files", CheckStatus.Error, $"{folder} does not exist", "Create it, or set DropFiles:Folder");
        }
        return !OperatingSystem.IsWindows() && (File.GetUnixFileMode(folder) & UnixFileMode.OtherWrite) != 0
            ? new("drop files",
                CheckStatus.Warning, $"everybody on this machine may write {folder}, and so ask for a clear or a forced rebuild", $"chmod o-w {folder}")
            : new("drop files", CheckStatus.Ok, folder);
    }

    /// <summary>A group may read it: that is how root gives a file to the service. The rest of the machine may not.</summary>
    private static Check SecretOf(string key, string file)
    {
        const UnixFileMode others = UnixFileMode.OtherRead | UnixFileMode.OtherWrite;
        var real = PhysicalPath.Of(file);
        return !OperatingSystem.IsWindows() && (File.GetUnixFileMode(real) & others) != 0
            ? new(key, CheckStatus.Warning, $"everybody on this machine may read or change {real}, and so has what it protects", $"chmod o-rwx {real}, and write a new secret into it if others use this machine")
            : new(key, CheckStatus.Ok, file);
    }

    private async Task<IEnumerable<Check>> DiskAsync(CancellationToken cancellationToken)
    {
        var folders = new List<(string Name, string Path)> { ("disk of the state folder", state.Path) };
        try
        {
            // The engine may be on another machine.
            if ((await engine.EndpointAsync(cancellationToken)).Scheme == "unix"
                && (await engine.InfoAsync(cancellationToken)).RootFolder is var root && Directory.Exists(root))
            {
                folders.Add(("disk of the engine", root));
            }
        }
        catch (WorkerException)
        {
            // The check of the engine says it.
        }
        return folders.Select(f =>
        {
            var free = new DriveInfo(f.Path).AvailableFreeSpace;
            return free < LowDisk
                ? new Check(f.Name, CheckStatus.Warning, $"{ByteSize.Words(free)} free at {f.Path}",
                    "Free some space; a build needs room for its images and its cache")
                : new Check(f.Name, CheckStatus.Ok, $"{ByteSize.Words(free)} free at {f.Path}");
        });
    }
}

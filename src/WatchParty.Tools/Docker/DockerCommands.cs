using System.Collections.Immutable;
using System.Globalization;
using WatchParty.Tools.Configuration;
using WatchParty.Tools.Processes;

namespace WatchParty.Tools.Docker;

/// <summary>Every docker CLI call of the worker, as a value. The CLI is used only where a plugin is the real implementation: compose and
/// buildx.</summary>
internal static class DockerCommands
{
    // A model of 300 services with 40 variables each needs less than a fifth of it.
    private const long ConfigMemoryLimit = 1024 * 1024 * 1024;

    public static ToolCommand ContextEndpoint() =>
        new("docker", "context", "inspect", "--format", "{{.Endpoints.docker.Host}}") { Timeout = TimeSpan.FromSeconds(20) };

    public static ToolCommand ComposeVersion() => new("docker", "compose", "version", "--short") { Timeout = TimeSpan.FromSeconds(20) };

    public static ToolCommand BuildxVersion() => new("docker", "buildx", "version") { Timeout = TimeSpan.FromSeconds(20) };

    /// <summary>The model as compose resolves it, with every value of the environment filled in: secrets too, so it is never
    /// logged.</summary>
    /// <remarks>A few lines of YAML aliases can keep compose busy for ever and take all memory, hence the limits.</remarks>
    public static ToolCommand ComposeConfig(ComposeProject project, string commit) =>
        OfConfig(Compose(project, commit, "config", "--format", "json"));

    private static ToolCommand OfConfig(ToolCommand command) => command with
    {
        Timeout = TimeSpan.FromSeconds(30),
        Grace = TimeSpan.FromSeconds(1),
        ProcessorLimit = TimeSpan.FromSeconds(20),
        MemoryLimit = ConfigMemoryLimit,
        OutputLimit = 16 * 1024 * 1024,
    };

    /// <summary>The same in compose's own YAML, which alone has the keys that begin with <c>x-</c>.</summary>
    public static ToolCommand ComposeConfigInYaml(ComposeProject project, string commit) => OfConfig(Compose(project, commit, "config"));

    /// <summary>The names of all services, of every profile.</summary>
    public static ToolCommand ComposeServices(ComposeProject project, string commit) =>
        OfConfig(Compose(project, commit, "--profile", "*", "config", "--services"));

    /// <summary>The hash that compose gives the configuration of each service of the resolved <paramref name="model"/>, one "name hash" a
    /// line.</summary>
    public static ToolCommand ComposeHashes(ComposeProject project, string name, string model) =>
        OfConfig(InProject(project,
            new ToolCommand("docker", "compose", "--ansi", "never", "--project-name", name, "--profile", "*", "--file", "-", "config",
                "--hash", "*"))) with
        { Input = model };

    /// <summary>What compose would build of the resolved <paramref name="model"/>, as a file of bake; nothing is built. Arguments may be
    /// secrets: never logged.</summary>
    public static ToolCommand ComposeBuildPrint(ComposeProject project, string model) => OfModel(project, model, "build", "--print");

    /// <summary>The resolved model again: <c>${NAME}</c> in it is filled in as in the application's own files.</summary>
    public static ToolCommand ComposeConfigOf(ComposeProject project, string model) =>
        OfModel(project, model, "config", "--format", "json");

    private static ToolCommand OfModel(ComposeProject project, string model, params IEnumerable<string> arguments)
    {
        var files = project.Files();
        return OfConfig(InProject(project, new ToolCommand("docker",
        [
            "compose", "--ansi", "never", "--project-directory", files.Paths.Select(Path.GetDirectoryName)
                .FirstOrDefault() ?? project.Folder,
            .. project.Options.EnvFiles.Concat(files.EnvFiles).SelectMany(f => new[] { "--env-file", f }), "--file", "-", .. arguments,
        ])) with
        { Input = model });
    }

    /// <summary>What bake reads from the file of targets given on standard input.</summary>
    public static ToolCommand BakePrint(ComposeProject project, string model, IEnumerable<string> targets) =>
        OfConfig(InProject(project,
            new ToolCommand("docker", ["buildx", "bake", "--file", "-", "--print", .. targets])) with
        { Input = model });

    /// <summary>Starts what differs; builds nothing, and waits for nothing but what <c>depends_on</c> says.</summary>
    /// <remarks>Without <c>--remove-orphans</c>, which takes for left over whatever else bears the project's name, and ended one-off
    /// containers. Without <c>--wait</c>: that looks every half second only, takes a crash loop for health and a one-shot service that
    /// ended well for a failure (pkg/compose/start.go), and its answer at its limit is a coin toss up to 5.5.0.</remarks>
    /// <param name="services">Looks only at these and at what they depend on; at everything when empty. Not <c>--no-deps</c>: up to compose
    /// 2.29.2 the hash of a service has its dependencies in it, and without them it would be replaced.</param>
    /// <param name="waitTimeout">How long what others depend on may take to become healthy.</param>
    public static ToolCommand ComposeUp(ComposeProject project, string commit, TimeSpan waitTimeout, UpOptions how,
        params IReadOnlyCollection<string> services) =>
        Compose(project, commit,
        [
            "--progress", "plain", "up", "--detach", "--no-build",
            .. how.Recreate ? ["--force-recreate"] : Array.Empty<string>(),
            .. how.Pull ? Array.Empty<string>() : ["--pull", "never"],
            .. services.Count > 0 ? services.Prepend("--") : [],
        // Which containers are left over was looked at before, and compose's warning counts others as well.
        ]).With("COMPOSE_IGNORE_ORPHANS", "true") with
        {
            // Pulling the images of services that are not built counts too.
            Timeout = waitTimeout + TimeSpan.FromMinutes(15),
        };

    /// <summary>Restarts the containers of <paramref name="services"/> and of no other, with the hooks that they have.</summary>
    public static ToolCommand ComposeRestart(ComposeProject project, string commit, TimeSpan waitTimeout,
        params IReadOnlyCollection<string> services) =>
        Compose(project, commit, ["--progress", "plain", "restart", "--no-deps", "--", .. services]) with
        {
            Timeout = waitTimeout
            + TimeSpan.FromMinutes(15)
        };

    /// <summary>Sends a signal to the first process of a container, by its own <c>kill</c> or by that of its shell.</summary>
    public static ToolCommand Signal(ComposeProject project, string container, string signal, bool byShell)
    {
        string[] kill = ["kill", $"-{signal["SIG".Length..]}", "1"];
        return InProject(project,
            new ToolCommand("docker", ["exec", container, .. byShell ? ["sh", "-c", string.Join(' ', kill)] : kill])) with
        {
            Timeout = TimeSpan.FromSeconds(30),
        };
    }

    /// <summary>Builds <paramref name="targets"/> of <paramref name="file"/>.</summary>
    /// <param name="withoutCache">Runs every step again and takes no cache source.</param>
    /// <param name="pull">Asks the registry for every base image again.</param>
    public static ToolCommand Bake(ComposeProject project, BuildOptions options, BakeFile file, IEnumerable<string> targets,
        bool withoutCache, bool pull)
    {
        IEnumerable<string> arguments =
        [
            "buildx", "bake", "--progress", "rawjson", "--file", "-",
            .. options.Builder is { } builder ? ["--builder", builder, "--load"] : Array.Empty<string>(),
            .. withoutCache ? ["--no-cache"] : Array.Empty<string>(),
            .. pull ? ["--pull"] : Array.Empty<string>(),
            .. file.Entitlements.SelectMany(e => new[] { "--allow", e }),
            .. targets,
        ];
        var bake = InProject(project,
            new ToolCommand("docker",
                arguments)) with
        { Input = file.Text, Timeout = options.Timeout, SilenceLimit = options.SilenceTimeout };
        return file.Environment.Aggregate(bake, (b, v) => b.With(v.Key, v.Value));
    }

    /// <summary>Runs <paramref name="targets"/> through the cache and makes nothing of them.</summary>
    public static ToolCommand BakeNothing(ComposeProject project, BuildOptions options, BakeFile file, IEnumerable<string> targets) =>
        BakeTo("type=cacheonly", project, options, file, targets);

    /// <summary>Writes the files of <paramref name="targets"/> into a folder.</summary>
    public static ToolCommand BakeInto(ComposeProject project, BuildOptions options, BakeFile file, IEnumerable<string> targets,
        string folder) =>
        BakeTo($"type=local,dest={folder}", project, options, file, targets);

    private static ToolCommand BakeTo(string output, ComposeProject project, BuildOptions options, BakeFile file,
        IEnumerable<string> targets)
    {
        var bake = Bake(project, options, file, targets, withoutCache: false, pull: false);
        string[] set = ["--set", $"*.output={output}"];
        return bake with { Arguments = bake.Arguments.Remove("--load").InsertRange(2, set) };
    }

    /// <summary>Prunes the cache of a named builder; of <paramref name="ids"/> alone unless that is null.</summary>
    public static ToolCommand PruneBuilder(string builder, IReadOnlyCollection<string>? ids, long? maxBytes) => new("docker",
    [
        "buildx", "prune", "--builder", builder, "--all", "--force",
        .. ids is not null ? ["--filter", $"id={CacheRecord.Pattern(ids)}"] : Array.Empty<string>(),
        .. maxBytes is { } most ? ["--keep-storage", most.ToString(CultureInfo.InvariantCulture)] : Array.Empty<string>(),
    ])
    { Timeout = TimeSpan.FromMinutes(30) };

    public static ToolCommand BuilderUsage(string builder) =>
        new("docker", "buildx", "du", "--builder", builder, "--verbose") { Timeout = TimeSpan.FromMinutes(2) };

    public static ToolCommand Push(ComposeProject project, string image) =>
        InProject(project, new ToolCommand("docker", "push", "--quiet", image)) with { Timeout = TimeSpan.FromMinutes(30) };

    public static ToolCommand Pull(ComposeProject project, string image) =>
        InProject(project, new ToolCommand("docker", "pull", "--quiet", "--", image)) with { Timeout = TimeSpan.FromMinutes(30) };

    /// <summary>What the registry has for an image now, with its digest, as JSON; with the credentials of the CLI, which the engine does
    /// not have.</summary>
    public static ToolCommand RegistryManifest(ComposeProject project, string image) =>
        InProject(project,
            new ToolCommand("docker", "buildx", "imagetools", "inspect", "--format", "{{json .Manifest}}",
                image)) with
        { Timeout = TimeSpan.FromMinutes(1) };

    private static ToolCommand Compose(ComposeProject project, string commit, params IEnumerable<string> arguments)
    {
        var files = project.Files();
        return InProject(project, new ToolCommand("docker",
        [
            "compose", "--ansi", "never",
            .. project.Options.ProjectName is { } name ? ["--project-name", name] : Array.Empty<string>(),
            .. files.Paths.Concat(project.FurtherFiles).SelectMany(f => new[] { "--file", f }),
            .. project.Options.EnvFiles.Concat(files.EnvFiles).SelectMany(f => new[] { "--env-file", f }),
            .. project.Options.Profiles.SelectMany(p => new[] { "--profile", p }),
            .. arguments,
        ])).With(project.CommitArgument, commit);
    }

    private static ToolCommand InProject(ComposeProject project, ToolCommand command) => command with
    {
        WorkingDirectory = project.Folder,
        Environment = project.Environment
            // Go takes the working folder's name from here, and so keeps a symbolic link in it.
            .SetItem("PWD", project.Folder)
            // Attestations change the image's id on every fully cached build on the containerd store (buildx build/opt.go).
            .SetItem("BUILDX_NO_DEFAULT_ATTESTATIONS", "1")
            .SetItem("BUILDX_METADATA_PROVENANCE", "disabled")
            // For a label that nobody asked for buildx calls git six times a target, in a checkout whose configuration it does not check.
            .SetItem("BUILDX_GIT_INFO", "false")
            // The sealed cache lies outside of the checkout; newer bakes ask a person about that otherwise.
            .SetItem("BUILDX_BAKE_ENTITLEMENTS_FS", "0"),
    };
}

/// <summary>A file for bake.</summary>
/// <param name="Text">Targets as JSON. Arguments in it may be secrets: never logged or kept.</param>
/// <param name="Entitlements">What the targets need leave for.</param>
/// <param name="Environment">Values of build secrets that come from variables.</param>
internal sealed record BakeFile(string Text, ImmutableArray<string> Entitlements, ImmutableDictionary<string, string> Environment);

/// <param name="Recreate">Makes the containers of the named services anew also when compose finds them as they should be.</param>
/// <param name="Pull">Whether an image that is not on the engine may be pulled.</param>
internal readonly record struct UpOptions(bool Recreate, bool Pull);

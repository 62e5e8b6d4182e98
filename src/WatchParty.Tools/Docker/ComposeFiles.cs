using System.Collections.Immutable;
using WatchParty.Tools.Configuration;
using WatchParty.Tools.Failures;
using WatchParty.Tools.Files;

namespace WatchParty.Tools.Docker;

/// <summary>The compose files of the application: those that compose itself would take (compose-go, cli/options.go), but never from a
/// folder above the checkout, where another application may have its own.</summary>
/// <param name="Paths">Full paths, in the order in which they are merged.</param>
/// <param name="EnvFiles">Env files that compose has to be told of: when <c>COMPOSE_FILE</c> names a first file in another folder, it
/// reads the <c>.env</c> of the checkout and then the one beside that file; with <c>--file</c> only the latter.</param>
internal sealed record ComposeFiles(ImmutableArray<string> Paths, ImmutableArray<string> EnvFiles)
{
    private const string Variable = "COMPOSE_FILE", SeparatorVariable = "COMPOSE_PATH_SEPARATOR", DotEnvFile = ".env";

    private const int LargestFile = 1024 * 1024;

    private static readonly string[] Names = ["compose.yaml", "compose.yml", "docker-compose.yml", "docker-compose.yaml"];
    private static readonly string[] OverrideNames =
        ["compose.override.yml", "compose.override.yaml", "docker-compose.override.yml", "docker-compose.override.yaml"];

    /// <summary>The folder that compose takes for that of the project: relative paths count from it, and the containers bear its
    /// name.</summary>
    public string ProjectFolder => Path.GetDirectoryName(Paths[0])!;

    /// <param name="environment">Gives the variables of the process; they go before those of env files.</param>
    /// <exception cref="WorkerException">There is none, or one leads out of the checkout, or cannot be read at once.</exception>
    public static ComposeFiles Find(string folder, ComposeOptions options, Func<string, string?> environment)
    {
        if (options.Files.Length > 0) { return new([.. options.Files.Select(f => Named(folder, f, "Compose:Files"))], []); }
        if (Variables(folder, options, environment) is { Names: { Length: > 0 } names, Source: var source, Separator: var separator })
        {
            ImmutableArray<string> paths = [.. names.Split(separator).Select(f => Named(folder, f, $"{Variable} of {source}"))];
            return new(paths, BesideDefault(folder, Path.GetDirectoryName(paths[0])!, EnvFilesOf(folder, options, environment)));
        }
        var own = Names.Select(n => Path.Combine(folder, n)).FirstOrDefault(Exists) ?? throw new WorkerException(
            $"There is no compose file in {folder}: looked for {string.Join(", ", Names)}. A file in a folder above it is not used. " +
            "Put one there, or name the one to use in Compose:Files", Remedy.NeedsPerson);
        var further = OverrideNames.Select(n => Path.Combine(folder, n)).FirstOrDefault(Exists);
        string[] chosen = further is null ? [own] : [own, further];
        return new([.. chosen.Select(f => Checked(folder, f, Path.GetFileName(f), "compose's own choice"))], []);
    }

    /// <summary>What the process or the env files say of it.</summary>
    private static (string? Names, string Source, string Separator) Variables(
        string folder, ComposeOptions options, Func<string, string?> environment)
    {
        var variables = new DotEnv(environment);
        foreach (var file in EnvFilesOf(folder, options, environment)) { variables.Add(file, Read(file)); }
        try
        {
            var names = variables.Find(Variable);
            var separator = variables.Find(SeparatorVariable) is { Value.Length: > 0 } set ? set.Value : $"{Path.PathSeparator}";
            return (names?.Value, names?.Source ?? "", separator);
        }
        catch (FormatException e)
        {
            throw new WorkerException($"{e.Message}. Write the names of the files there, or in Compose:Files", Remedy.NeedsPerson, e);
        }
    }

    private static ImmutableArray<string> BesideDefault(string folder, string projectFolder, IReadOnlyList<string> envFiles) =>
        projectFolder != folder && envFiles is [var only] && only == Path.Combine(folder, DotEnvFile) && Exists(only)
            // Later ones go before earlier ones.
            ? [.. new[] { Path.Combine(projectFolder, DotEnvFile), only }.Where(Exists)]
            : [];

    private static IReadOnlyList<string> EnvFilesOf(string folder, ComposeOptions options, Func<string, string?> environment)
    {
        string[] files = options.EnvFiles is { Length: > 0 } configured ? configured
            : environment("COMPOSE_ENV_FILES") is { Length: > 0 } named ? named.Split(',')
            : environment("COMPOSE_DISABLE_ENV_FILE") is "1" or "t" or "T" or "true" or "True" or "TRUE" ? [] : [DotEnvFile];
        return [.. files.Select(f => Path.GetFullPath(f, folder))];
    }

    private static string Read(string file) => FileStamp.OfTarget(file) switch
    {
        // One that is missing is for compose to say; the default one need not be there.
        null or { Kind: FileKind.Folder } => "",
        { Kind: FileKind.Regular, Size: <= LargestFile } => File.ReadAllText(file),
        _ => throw Endless("env file", file),
    };

    /// <summary>A path in full is meant as it is, wherever it leads.</summary>
    private static string Named(string folder, string name, string source)
    {
        var full = Path.GetFullPath(name, folder);
        if (!Exists(full))
        {
            throw new WorkerException(
                $"The compose file {full} does not exist. It is named by {source}: correct that, or add the file", Remedy.NeedsPerson);
        }
        return Path.IsPathFullyQualified(name) ? Readable(full) : Checked(folder, full, name, source);
    }

    private static string Checked(string folder, string full, string name, string source)
    {
        var (leads, root) = (PhysicalPath.Of(full), PhysicalPath.Of(folder));
        return PhysicalPath.IsIn(leads, root) ? Readable(full) : throw new WorkerException(
            $"The compose file {name} ({source}) leads out of the checkout {folder}, to {leads}. "
            + "If that file is meant, write its full path in Compose:Files",
            Remedy.NeedsPerson);
    }

    /// <summary>Compose reads a file as a whole, and a FIFO for ever.</summary>
    private static string Readable(string file) =>
        FileStamp.OfTarget(file) is { Kind: FileKind.Regular, Size: <= LargestFile } ? file : throw Endless("compose file", file);

    private static bool Exists(string file) => FileStamp.OfTarget(file) is not null;

    private static WorkerException Endless(string kind, string file) =>
        new($"The {kind} {file} is not a regular file, or is larger than 1 MiB. Write one that compose can read at once",
            Remedy.NeedsPerson);
}

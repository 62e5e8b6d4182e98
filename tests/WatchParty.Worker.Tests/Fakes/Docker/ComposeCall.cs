using System.Text.Json.Nodes;
using WatchParty.Tools.Processes;

namespace WatchParty.Worker.Tests.Fakes.Docker;

/// <summary>A call of <c>docker compose</c>, taken apart: the order of its options does not matter.</summary>
/// <param name="Flags">Options with their values; those without one have an empty value.</param>
/// <param name="Operands">What is no option, behind the verb.</param>
internal sealed record ComposeCall(string Folder, string? Input, string Verb, ILookup<string, string> Flags, IReadOnlyList<string> Operands,
    IReadOnlyDictionary<string, string> Variables)
{
    private static readonly HashSet<string> WithValue =
    [
        "--ansi", "--project-name", "-p", "--file", "-f", "--env-file", "--profile", "--progress", "--project-directory", "--parallel",
        "--pull", "--timeout", "-t", "--scale", "--format", "--hash", "--wait-timeout", "--exit-code-from",
    ];

    private static readonly string[] DefaultFiles = ["compose.yaml", "compose.yml", "docker-compose.yml", "docker-compose.yaml"];
    private static readonly string[] Overrides = ["compose.override.yaml", "compose.override.yml", "docker-compose.override.yml",
        "docker-compose.override.yaml"];

    /// <param name="command">Its first argument is <c>compose</c>.</param>
    public static ComposeCall Of(ToolCommand command)
    {
        List<(string Name, string Value)> flags = [];
        List<string> operands = [];
        var arguments = command.Arguments.Skip(1).ToList();
        for (var i = 0; i < arguments.Count; i++)
        {
            if (arguments[i] == "--")
            {
                operands.AddRange(arguments.Skip(i + 1));
                break;
            }
            if (!arguments[i].StartsWith('-')) { operands.Add(arguments[i]); }
            else if (arguments[i].Split('=', 2) is [var name, var value]) { flags.Add((name, value)); }
            else { flags.Add(WithValue.Contains(arguments[i]) ? (arguments[i], arguments[++i]) : (arguments[i], "")); }
        }
        var folder = command.WorkingDirectory ?? "/";
        var all = flags.ToLookup(f => f.Name, f => f.Value);
        var files = all["--env-file"].Select(f => Path.GetFullPath(f, folder)).DefaultIfEmpty(Path.Combine(folder, ".env"));
        Dictionary<string, string> variables = [];
        foreach (var (key, value) in files.SelectMany(ComposeFile.Variables)) { variables[key] = value; }
        foreach (var (key, value) in command.Environment) { if (value is null) { variables.Remove(key); } else { variables[key] = value; } }
        return new ComposeCall(folder, command.Input, operands[0], all, [.. operands.Skip(1)], variables);
    }

    public bool Has(params string[] names) => names.Any(Flags.Contains);

    public IReadOnlyList<string> Files
    {
        get
        {
            List<string> given = [.. Flags["--file"].Concat(Flags["-f"])];
            if (given.Count == 0 && Variables.TryGetValue("COMPOSE_FILE", out var named))
            {
                given = [.. named.Split(Variables.GetValueOrDefault("COMPOSE_PATH_SEPARATOR", ":"))];
            }
            if (given.Count > 0) { return [.. given.Select(f => Path.GetFullPath(f, Folder))]; }
            var found = DefaultFiles.FirstOrDefault(f => File.Exists(Path.Combine(Folder, f))) ?? throw new FormatException(
                "no configuration file provided: not found");
            return [.. Overrides.Where(f => File.Exists(Path.Combine(Folder, f))).Take(1).Prepend(found)
                .Select(f => Path.Combine(Folder, f))];
        }
    }

    /// <exception cref="FormatException">The file cannot be used; with the words of compose.</exception>
    public JsonObject Model()
    {
        if (Input is not null && Flags["--file"].Contains("-")) { return ComposeFile.Interpolated(Input, Variables); }
        var name = Flags["--project-name"].Concat(Flags["-p"]).FirstOrDefault() ?? Variables.GetValueOrDefault("COMPOSE_PROJECT_NAME");
        var profiles = Flags["--profile"].Concat(
            (Variables.GetValueOrDefault("COMPOSE_PROFILES") ?? "").Split(',', StringSplitOptions.RemoveEmptyEntries)).ToHashSet();
        return ComposeFile.Resolve(Folder, Files, name, profiles, Variables);
    }
}

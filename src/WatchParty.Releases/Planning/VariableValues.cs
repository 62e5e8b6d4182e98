using System.Collections.Immutable;
using System.Text.Json.Nodes;
using System.Text.RegularExpressions;
using WatchParty.Tools.Docker;
using WatchParty.Tools.Processes;

namespace WatchParty.Releases.Planning;

/// <summary>Values of secrets and configs that come from variables. Compose names the variable alone, and passes the value to bake in its
/// environment or copies it into a container; an env file counts for it as well as the environment.</summary>
internal static partial class VariableValues
{
    private const string Unset = "(unset)";

    /// <summary>Value by variable, as compose fills it into a model.</summary>
    public static async Task<ImmutableDictionary<string, string>> OfAsync(
        ComposeModel model, string commit, ComposeProject project, IToolRunner runner, CancellationToken cancellationToken)
    {
        // Compose can ask for no other names.
        List<string> names =
        [
            .. model.Built.SelectMany(s => s.Build!.SecretVariables)
                .Concat(model.Services.SelectMany(s => s.Copies).Select(c => c.Variable).OfType<string>()).Distinct()
                .Where(n => VariableName().IsMatch(n)),
        ];
        if (names.Count == 0) { return ImmutableDictionary<string, string>.Empty; }
        var asking = new JsonObject
        {
            ["name"] = model.Project,
            ["services"] = new JsonObject
            {
                ["values"] = new JsonObject
                {
                    ["image"] = "none",
                    ["environment"] = new JsonObject(names.Select(n => KeyValuePair.Create(n, (JsonNode?)$"${{{n}-{Unset}}}"))),
                },
            },
        };
        var command = DockerCommands.ComposeConfigOf(project, asking.ToJsonString()).With(project.CommitArgument, commit);
        var answer = JsonNode.Parse(await runner.OutputOfAsync(command, cancellationToken))!;
        var values = answer["services"]!["values"]!["environment"]!;
        return names.Select(n => (Name: n, Value: ComposeService.Plain(values[n]!.ToString()))).Where(v => v.Value != Unset)
            .ToImmutableDictionary(v => v.Name, v => v.Value);
    }

    [GeneratedRegex(@"\A[A-Za-z_][A-Za-z0-9_]*\z")]
    private static partial Regex VariableName();
}

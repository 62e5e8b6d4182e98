using System.Collections.Immutable;
using System.Text.Json.Nodes;
using WatchParty.Releases.Baking;
using WatchParty.Releases.Planning;
using WatchParty.Tools.Configuration;
using WatchParty.Tools.Docker;
using WatchParty.Tools.Processes;

namespace WatchParty.Worker.Tests.Baking;

/// <summary>Build definitions of models, as they come from a compose that prints them or from one that does not.</summary>
internal static class Definitions
{
    private static readonly ComposeProject Project = new(Folder(), new ComposeOptions(), "GIT_COMMIT_HASH", ImmutableDictionary<string, string?>.Empty);

    private static string Folder()
    {
        var folder = Path.Combine(Path.GetTempPath(), "definitions-of-tests");
        Directory.CreateDirectory(folder);
        File.WriteAllText(Path.Combine(folder, "compose.yaml"), "services: {}\n");
        return folder;
    }

    public static IReadOnlyDictionary<string, BuildDefinition> Of(ComposeModel model)
    {
        var targets = BuildDefinitions.Renamed(BuildTranslation.Targets(JsonNode.Parse(model.Text)!.AsObject()), model.Services.Select(s => s.Name));
        return model.Built.ToDictionary(s => s.Name, s => BuildDefinitions.Of(s.Name, targets));
    }

    public static async Task<IReadOnlyDictionary<string, BuildDefinition>> OfAsync(ComposeModel model, IToolRunner runner) =>
        await Asking(runner).OfAsync(model, CancellationToken.None);

    public static BuildDefinitions Asking(IToolRunner runner) => new(Project, runner);

    /// <summary>Compose and bake that print what they are given.</summary>
    /// <param name="known">Whether bake knows a key; all of them when null.</param>
    internal sealed class Tools(string compose, Func<string, bool>? known = null) : IToolRunner
    {
        /// <summary>What compose was asked to build, as models.</summary>
        public List<JsonObject> Printed { get; } = [];

        public Task<ToolResult> RunAsync(ToolCommand command, StreamReading? standardError, CancellationToken cancellationToken)
        {
            var input = command.Input is { } text ? JsonNode.Parse(text)!.AsObject() : [];
            return Task.FromResult(new ToolResult(0, Failpoints.NameOf(command) switch
            {
                "compose version" => compose,
                "compose build" => Print(input),
                "buildx bake" => Known(input),
                _ => throw new NotSupportedException(command.ToString()),
            }, "", TimeSpan.Zero));
        }

        private string Print(JsonObject model)
        {
            Printed.Add(model);
            return new JsonObject { ["target"] = BuildTranslation.Targets(model) }.ToJsonString();
        }

        private string Known(JsonObject file)
        {
            foreach (var (_, target) in file["target"]!.AsObject())
            {
                foreach (var key in target!.AsObject().Select(p => p.Key).Where(k => known?.Invoke(k) == false).ToList()) { target!.AsObject().Remove(key); }
            }
            return file.ToJsonString();
        }
    }
}

using System.Text.Json.Nodes;

namespace WatchParty.Worker.EngineTests.Harness;

/// <summary>One service in the document of a release.</summary>
internal sealed record ServiceLine(string Name, string Action, string Reason, bool Fresh, int Total, int Cached, int Executed, string? Image);

/// <summary>What one run of the program printed and ended with.</summary>
internal sealed class Run(CommandResult result)
{
    public int ExitCode => result.ExitCode;

    public string Output => result.Output;

    public string Errors => result.Errors;

    /// <summary>Everything, for the message of a failed assertion.</summary>
    public string All => $"exit code {ExitCode}\n{Output}\n{Errors}";

    public JsonObject Json => field ??= JsonNode.Parse(result.Output)!.AsObject();

    public string Outcome => (string)Json["outcome"]!;

    public string? Error => (string?)Json["error"];

    public string Release => (string)Json["release"]!;

    public string Commit => (string)Json["commit"]!;

    public IReadOnlyList<ServiceLine> Services => [.. Json["services"]!.AsArray().Select(s => s!.AsObject()).Select(s => new ServiceLine(
        (string)s["name"]!, (string)s["action"]!, (string)s["reason"]!, (bool)s["fresh"]!,
        (int)s["steps"]!["total"]!, (int)s["steps"]!["cached"]!, (int)s["steps"]!["executed"]!, (string?)s["image"]))];

    /// <summary>Each service as <c>name Action cached/total</c>, the counts only where something was built.</summary>
    public IEnumerable<string> Counts => Services.Select(s => s.Total == 0 ? $"{s.Name} {s.Action}" : $"{s.Name} {s.Action} {s.Cached}/{s.Total}").Order(StringComparer.Ordinal);

    public IEnumerable<string> Notes => Json["notes"]?.AsArray().Select(n => (string)n!) ?? [];

    /// <summary>By address; null when nothing was deployed.</summary>
    public IReadOnlyDictionary<string, double>? SecondsWithoutAnswer => Json["secondsWithoutAnswer"]?.AsObject().ToDictionary(a => a.Key, a => (double)a.Value!);

    public ServiceLine Service(string name) => Services.Single(s => s.Name == name);

    public Run Expect(string outcome, int exitCode)
    {
        Assert.True(ExitCode == exitCode && Outcome == outcome, $"expected {outcome} and {exitCode}: {All}");
        return this;
    }

    public Run Succeeded() => Expect("Succeeded", 0);
}

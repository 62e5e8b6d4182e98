using System.Globalization;
using System.Text.Json.Nodes;
using System.Text.RegularExpressions;
using WatchParty.Tools.Docker;
using WatchParty.Tools.Git;
using WatchParty.Tools.Processes;
using WatchParty.Worker.EngineTests.Harness;

namespace WatchParty.Worker.EngineTests.Caching;

/// <summary>What the engine and the worker's record say of the cache.</summary>
internal sealed class CacheView(Application app) : IDisposable
{
    private readonly DockerEngine _engine = new(_ => Task.FromResult(new Uri(Environment.GetEnvironmentVariable("DOCKER_HOST") ?? "unix:///var/run/docker.sock")), TimeProvider.System);

    /// <summary>Rounds of the tests that repeat something; 20 is the long form.</summary>
    public static int Rounds { get; } = int.TryParse(Environment.GetEnvironmentVariable("CACHE_ROUNDS"), CultureInfo.InvariantCulture, out var rounds) ? rounds : 1;

    public async Task<bool> OnGraphDriverAsync() => (await _engine.InfoAsync(default)).Store == ImageStore.GraphDriver;

    /// <summary>Ids of the records that hold results of steps. How many records there are of local files differs by which builds overlapped.</summary>
    public async Task<IReadOnlyList<string>> ResultsAsync() => [.. (await RecordsAsync()).Where(r => r.Type == "regular").Select(r => r.ID).Order(StringComparer.Ordinal)];

    public Task<IReadOnlyList<CacheRecord>> RecordsAsync() => _engine.CacheRecordsAsync(default);

    /// <summary>Whether BuildKit's cache is in the image itself. The engine leaves it out of what it says of an image, so the image is looked into.</summary>
    public static async Task<bool> CarriesCacheAsync(string image) =>
        (await Command.ShellAsync($"docker save {image} | tar -xO --wildcards 'blobs/sha256/*' '*.json' 2>/dev/null | grep -ac moby.buildkit.cache.v0 || true")).Trim() != "0";

    /// <summary>Names of the cache images of a service.</summary>
    public async Task<IReadOnlyList<string>> CacheImagesAsync(string service) =>
    [
        .. (await Command.OutputAsync("docker", ["image", "ls", "--format", "{{.Repository}}:{{.Tag}}", "watchparty-cache"])).Split('\n')
            .Where(n => $"{n}.".StartsWith($"watchparty-cache:{app.Project}.{service}.", StringComparison.Ordinal)).Order(StringComparer.Ordinal),
    ];

    /// <summary>Folders of the sealed cache of a service.</summary>
    public string[] CacheFolders(string service) =>
        Directory.Exists(Path.Combine(app.State, "cache", service)) ? Directory.GetDirectories(Path.Combine(app.State, "cache", service)) : [];

    /// <summary>Whether there is a seal, and the record knows it.</summary>
    public async Task<bool> IsSealedAsync(string service)
    {
        var there = await OnGraphDriverAsync() ? (await CacheImagesAsync(service)).Count > 0 : CacheFolders(service).Length > 0;
        var checks = (await app.RunAsync("doctor", "--json")).Json["checks"]!.AsArray();
        var known = checks.Any(c => (string?)c!["name"] == $"cache of {service}" && ((string)c["message"]!).StartsWith("sealed with release", StringComparison.Ordinal));
        Assert.Equal(there, known);
        return there;
    }

    /// <summary>What a foreign script does: everything in the builder goes.</summary>
    public static Task WipeBuilderAsync() => Command.OutputAsync("docker", ["builder", "prune", "--all", "--force"]);

    /// <summary>Takes the seal of a service away behind the worker's back.</summary>
    public async Task BreakSealAsync(string service)
    {
        foreach (var image in await CacheImagesAsync(service)) { await Command.OutputAsync("docker", ["image", "rm", "--force", image]); }
        foreach (var folder in CacheFolders(service)) { Directory.Delete(folder, recursive: true); }
    }

    public void Dispose() => _engine.Dispose();
}

/// <summary>A step that ran, with the reason. A commit in its text, which BuildKit fills in, is written COMMIT.</summary>
internal sealed record Missed(string Step, string Cause, string Reason, bool Avoidable);

internal static partial class CacheRuns
{
    /// <summary>The steps that a service's build ran, in their order.</summary>
    public static IReadOnlyList<Missed> MissedOf(this Run run, string service) =>
        [.. Document(run, service)["missed"]!.AsArray().Select(m => new Missed(Commit().Replace((string)m!["step"]!, "COMMIT"), (string)m["cause"]!, (string)m["reason"]!, (bool)m["avoidable"]!))];

    /// <summary>Every service that was built with the texts of the steps that ran.</summary>
    public static IReadOnlyList<string> Ran(this Run run) =>
        [.. run.Services.Where(s => s.Action == "Built").SelectMany(s => run.MissedOf(s.Name).Select(m => $"{s.Name}: {m.Step}")).Order(StringComparer.Ordinal)];

    public static JsonObject Document(this Run run, string service) =>
        run.Json["services"]!.AsArray().Select(s => s!.AsObject()).Single(s => (string?)s["name"] == service);

    [GeneratedRegex("[0-9a-f]{40}")]
    private static partial Regex Commit();

    public static int Before(this Run prune) => (int)prune.Json["recordsBefore"]!;

    public static int After(this Run prune) => (int)prune.Json["recordsAfter"]!;

    public static async Task<Run> PruneAsync(this Application app, params string[] arguments)
    {
        var run = await app.RunAsync(["prune", "--json", .. arguments]);
        Assert.True(run.ExitCode == 0, run.All);
        return run;
    }
}

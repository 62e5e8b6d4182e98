using System.Formats.Tar;
using System.Globalization;
using System.Security.Cryptography;
using System.Text;
using System.Text.Json.Nodes;
using WatchParty.Worker.EngineTests.Harness;
using Xunit.Abstractions;

namespace WatchParty.Worker.EngineTests.Building;

/// <summary>"Unchanged" held to the truth, which is what <c>docker compose build --no-cache</c> makes: the files and the configuration of the image.
/// <c>CHANGES=300</c> is the long form; <c>CHANGES_SEED</c> gives another series.</summary>
public sealed class UnchangedTests(ITestOutputHelper output) : IAsyncLifetime
{
    private readonly ChangingApplication _sources = new(new Random(Number("CHANGES_SEED", 1)));
    private Application _app = null!;

    public async Task InitializeAsync()
    {
        _app = await Application.OfAsync(_sources.Files);
        await Command.ShellAsync($"printf 'FROM {ChangingApplication.Base}\nRUN echo truth > /truth\n' | docker build -q -t {TruthBase} -");
    }

    private string TruthBase => $"{_app.Project}-truth-base:1";

    public async Task DisposeAsync() => await _app.DisposeAsync();

    [Fact]
    public async Task A_service_is_left_as_it_is_only_when_a_build_without_cache_gives_its_image()
    {
        (await _app.OnceAsync()).Succeeded();
        var before = await TruthAsync();
        Assert.Equal(before, await TruthAsync());
        var (changes, same, wrong, needless) = (0, 0, new List<string>(), new List<string>());
        while (changes < Number("CHANGES", 16))
        {
            var (what, byHand) = _sources.Change();
            foreach (var (path, text) in byHand)
            {
                var file = Path.Combine(_app.Checkout, path);
                Directory.CreateDirectory(Path.GetDirectoryName(file)!);
                await File.WriteAllTextAsync(file, text);
            }
            await _app.PushAsync(_sources.Files);
            var run = (await _app.OnceAsync()).Succeeded();
            var truth = await TruthAsync();
            foreach (var service in _sources.Services)
            {
                changes++;
                var (isSame, line) = (truth[service] == before[service], run.Service(service));
                same += isSame ? 1 : 0;
                var told = $"{run.Release} {service}: {what[service]}: {line.Action}, {line.Reason}";
                if (!isSame && line.Action != "Built") { wrong.Add(told); }
                if (isSame && line.Action == "Built") { needless.Add(told); }
            }
            before = truth;
        }
        output.WriteLine($"{changes} changes, {same} leave the image as it is; {wrong.Count} left out wrongly, {needless.Count} built without need:\n{string.Join('\n', needless)}");
        Assert.True(wrong.Count == 0, string.Join('\n', wrong));
        Assert.True(same > changes / 4, $"only {same} of {changes} leave the image as it is");
        Assert.True(needless.Count <= Math.Max(1, same / 20), $"{needless.Count} of {same} were built without need:\n{string.Join('\n', needless)}");
    }

    /// <summary>What a build of the checkout makes of each service, as a hash of its files and its configuration.</summary>
    private async Task<IReadOnlyDictionary<string, string>> TruthAsync()
    {
        var project = $"{_app.Project}-truth";
        // On a base image of its own: a build without cache leaves results of its own for the next that comes with the same keys.
        await Command.ShellAsync($"""
            rm -rf truth; mkdir truth; tar -C checkout --exclude .git -cf - . | tar -C truth -xf -
            grep -rl '{ChangingApplication.Base}' truth | xargs sed -i 's/{ChangingApplication.Base}/{TruthBase}/'
            """, _app.Folder);
        // The containerd store loses a layer now and then when compose builds several services at once.
        await Command.ShellAsync(
            $"build() {{ docker compose -p {project} build --no-cache --quiet --build-arg GIT_COMMIT_HASH=truth; }}; build || build", _app.In("truth"));
        var truth = new SortedDictionary<string, string>(StringComparer.Ordinal);
        foreach (var service in _sources.Services) { truth[service] = await FingerprintAsync($"{project}-{service}"); }
        return truth;
    }

    private static async Task<string> FingerprintAsync(string image)
    {
        var config = JsonNode.Parse(await Command.OutputAsync("docker", ["image", "inspect", "-f", "{{json .Config}}", image]))!.AsObject();
        foreach (var label in (config["Labels"] as JsonObject ?? []).Select(l => l.Key).Where(k => k.StartsWith("com.docker.compose.", StringComparison.Ordinal)).ToList())
        {
            config["Labels"]!.AsObject().Remove(label);
        }
        var text = new StringBuilder(config.ToJsonString());
        var container = await Command.OutputAsync("docker", ["create", image]);
        var file = Path.GetTempFileName();
        try
        {
            await Command.OutputAsync("docker", ["export", "--output", file, container]);
            await using var stream = File.OpenRead(file);
            await using var tar = new TarReader(stream);
            while (await tar.GetNextEntryAsync() is { } entry)
            {
                var content = entry.DataStream is { } data ? Convert.ToHexStringLower(await SHA256.HashDataAsync(data)) : "";
                text.Append(CultureInfo.InvariantCulture, $"\n{entry.Name} {entry.EntryType} {entry.Mode} {entry.Uid} {entry.Gid} {entry.LinkName} {content}");
            }
        }
        finally
        {
            File.Delete(file);
            await Command.OutputAsync("docker", ["rm", container]);
        }
        return Convert.ToHexStringLower(SHA256.HashData(Encoding.UTF8.GetBytes(text.ToString())));
    }

    private static int Number(string variable, int otherwise) =>
        Environment.GetEnvironmentVariable(variable) is { Length: > 0 } text ? int.Parse(text, CultureInfo.InvariantCulture) : otherwise;
}

using System.Globalization;
using System.Net;
using System.Net.Sockets;
using System.Text.Json.Nodes;

namespace WatchParty.Worker.EngineTests.Harness;

internal sealed record Container(string Id, string Image, string Status, int Restarts, string Started);

/// <summary>An application with everything around it, in a folder of its own: its remote, the checkout that the worker follows, a
/// developer's clone, the worker's configuration and state. Its compose project, image names and ports clash with nothing.</summary>
internal sealed class Application : IAsyncDisposable
{
    /// <summary>Folder of this source tree.</summary>
    public static readonly string Root = FindRoot();

    /// <summary>The program under test: compiled ahead as it is shipped where test.sh says so, else as it was built.</summary>
    public static readonly string Program = Environment.GetEnvironmentVariable("WATCHPARTY_PROGRAM") ?? Path.Combine(AppContext.BaseDirectory, "watchparty-worker");

    private static readonly HttpClient Http = new() { Timeout = TimeSpan.FromSeconds(10) };
    private static readonly string[] Passed = ["DOCKER_HOST", "DOCKER_CONFIG", "DOTNET_ROOT", "HOME"];
    private const string ImageFormat = "{{.Repository}}:{{.Tag}}";
    private const string InspectFormat = """{{index .Config.Labels "com.docker.compose.service"}} {{.Id}} {{.Image}} {{.State.Status}} {{.RestartCount}} {{.State.StartedAt}}""";
    private static int _number;

    private readonly JsonObject _configuration;
    private readonly Dictionary<string, string?> _environment;
    private readonly List<Service> _services = [];

    private Application()
    {
        Project = string.Create(CultureInfo.InvariantCulture, $"wpt{Environment.ProcessId}-{Interlocked.Increment(ref _number)}");
        Folder = Directory.CreateTempSubdirectory("watchparty-").FullName;
        _configuration = JsonNode.Parse($$"""
            {"Worker": {
              "Repository": {"Path": "{{Checkout}}", "PollInterval": "00:00:01"},
              "Compose": {"ProjectName": "{{Project}}"},
              "Deploy": {"WaitTimeout": "00:01:00", "SettleTime": "00:00:01"},
              "Prune": {"Cron": "0 0 0 1 1 ?"},
              "State": {"Folder": "{{State}}"}
              }
            }
            """)!.AsObject();
        _environment = new Dictionary<string, string?>
        {
            ["PATH"] = $"{In("bin")}:{Environment.GetEnvironmentVariable("PATH")}",
            ["GIT_CONFIG_GLOBAL"] = "/dev/null",
            ["GIT_CONFIG_NOSYSTEM"] = "1",
            ["DOTNET_ENVIRONMENT"] = null,
            ["JOURNAL_STREAM"] = null,
            ["NOTIFY_SOCKET"] = null,
        };
        WriteConfiguration();
        WriteDocker();
    }

    public string Project { get; }

    public string Folder { get; }

    public string Checkout => In("checkout");

    public string Clone => In("clone");

    public string State => In("state");

    public string ConfigurationFile => In("config.json");

    /// <summary>Port of each variable of the application's <c>.env</c>.</summary>
    public Dictionary<string, int> Ports { get; } = [];

    /// <summary>The sample application, with its first commit not yet released.</summary>
    /// <param name="quick">Whether its slow steps take a tenth of their time.</param>
    public static async Task<Application> SampleAsync(bool quick = false)
    {
        var application = new Application();
        await Command.OutputAsync(Path.Combine(Root, "tests/samples/watch-party/new-checkout.sh"), [application.Folder]);
        await application.CloneAsync();
        var compose = await File.ReadAllTextAsync(Path.Combine(application.Clone, "compose.yaml"));
        await application.PushAsync(("compose.yaml", compose.Replace("watch-party-", $"{application.Project}-", StringComparison.Ordinal)));
        if (quick)
        {
            await Command.ShellAsync("sed -i 's/sleep \\([0-9]\\)/sleep 0.\\1/' backend/Dockerfile frontend/Dockerfile", application.Clone);
            await application.PushAsync();
        }
        await application.WriteEnvironmentAsync("BACKEND_PORT", "FRONTEND_PORT");
        return application;
    }

    /// <summary>An application of these files; <c>PROJECT</c> in them stands for the project's name.</summary>
    public static async Task<Application> OfAsync(params (string Path, string? Text)[] files)
    {
        var application = new Application();
        await Command.ShellAsync("git init --quiet --bare --initial-branch=main origin.git", application.Folder);
        await application.CloneAsync();
        await application.PushAsync(files);
        await application.GitAsync(application.Folder, "clone", "--quiet", "origin.git", "checkout");
        await application.WriteEnvironmentAsync("WEB_PORT");
        return application;
    }

    public async ValueTask DisposeAsync()
    {
        foreach (var service in _services) { await service.DisposeAsync(); }
        await Command.ShellAsync($"""
            label=label=com.docker.compose.project={Project}
            containers=$(docker ps -aq --filter $label); [ -z "$containers" ] || docker rm -fv $containers
            networks=$(docker network ls -q --filter $label); [ -z "$networks" ] || docker network rm $networks
            volumes=$(docker volume ls -q --filter $label); [ -z "$volumes" ] || docker volume rm $volumes
            for names in '{Project}-*' 'watchparty-release:{Project}.*' 'watchparty-cache:{Project}.*'; do
              images=$(docker image ls --format '{ImageFormat}' "$names"); [ -z "$images" ] || docker image rm -f $images
            done
            docker image prune -f
            """);
        Directory.Delete(Folder, recursive: true);
    }

    public string In(string path) => Path.Combine(Folder, path);

    /// <summary>Sets a key of section <c>Worker</c>; null takes it away.</summary>
    public void Configure(string key, JsonNode? value)
    {
        var parts = key.Split(':');
        var section = _configuration["Worker"]!.AsObject();
        foreach (var part in parts[..^1])
        {
            if (section[part] is not JsonObject inner) { section[part] = inner = []; }
            section = inner;
        }
        if (value is null) { section.Remove(parts[^1]); } else { section[parts[^1]] = value; }
        WriteConfiguration();
    }

    // The developer's side ---------------------------------------------------------------------------------------------

    /// <summary>Commits files in the developer's clone and pushes them; a text of null deletes the file.</summary>
    /// <returns>The commit.</returns>
    public async Task<string> PushAsync(params (string Path, string? Text)[] files)
    {
        foreach (var (path, text) in files)
        {
            var file = Path.Combine(Clone, path);
            if (text is null)
            {
                File.Delete(file);
                continue;
            }
            Directory.CreateDirectory(Path.GetDirectoryName(file)!);
            await File.WriteAllTextAsync(file, text.Replace("PROJECT", Project, StringComparison.Ordinal));
        }
        await GitAsync(Clone, "add", "--all");
        await GitAsync(Clone, "commit", "--quiet", "--allow-empty", "--message", $"Change {string.Join(", ", files.Select(f => f.Path).Take(3))}");
        await GitAsync(Clone, "push", "--quiet", "origin", "HEAD:main");
        return await GitAsync(Clone, "rev-parse", "HEAD");
    }

    public Task<string> PushAsync(string path, string text) => PushAsync((path, (string?)text));

    /// <summary>Gives the developer's clone the untracked files of the checkout, so that compose works there too.</summary>
    public Task CopyEnvironmentToCloneAsync() =>
        Command.ShellAsync($"for file in .env backend/.env frontend/.env.local; do [ ! -e $file ] || cp $file '{Clone}'/$file; done", Checkout);

    public Task<string> HeadOfCheckoutAsync() => GitAsync(Checkout, "rev-parse", "HEAD");

    public Task<string> GitAsync(string folder, params string[] arguments) => Command.OutputAsync("git", arguments, folder, _environment);

    // The worker's side ------------------------------------------------------------------------------------------------

    public async Task<Run> RunAsync(params string[] arguments) =>
        new(await Command.RunAsync(Program, [.. arguments, "--config", ConfigurationFile], Folder, _environment));

    public Task<Run> OnceAsync(params string[] arguments) => RunAsync(["once", "--json", .. arguments]);

    /// <param name="environment">Variables on top of the usual ones.</param>
    public Task<Service> StartServiceAsync(params (string Name, string Value)[] environment) => Task.FromResult(Start([], ["run"], environment));

    /// <param name="under">A program and its arguments that becomes the worker, or starts it.</param>
    public Task<Service> StartServiceUnderAsync(string[] under, params (string Name, string Value)[] environment) => Task.FromResult(Start(under, ["run"], environment));

    /// <summary>Begins a verb that the test means to kill.</summary>
    public Task<Service> StartAsync(params string[] arguments) => Task.FromResult(Start([], arguments, []));

    /// <summary>What a service needs that another than the test starts.</summary>
    public IEnumerable<KeyValuePair<string, string?>> VariablesForAnotherManager() => _environment
        .Concat(Passed.Select(name => new KeyValuePair<string, string?>(name, Environment.GetEnvironmentVariable(name))));

    private Service Start(string[] under, string[] arguments, (string Name, string Value)[] environment)
    {
        var all = new Dictionary<string, string?>(_environment);
        foreach (var (name, value) in environment) { all[name] = value; }
        string[] line = [.. under, Program, .. arguments, "--config", ConfigurationFile];
        var service = new Service(Command.Start(line[0], line[1..], Folder, all));
        _services.Add(service);
        return service;
    }

    /// <summary>The newest release in the record.</summary>
    public async Task<JsonObject?> LastReleaseAsync()
    {
        var run = await RunAsync("history", "--last", "1", "--json");
        return run.ExitCode == 0 && JsonNode.Parse(run.Output)!.AsArray() is [{ } newest] ? newest.AsObject() : null;
    }

    /// <summary>Waits until <paramref name="commit"/> is recorded with <paramref name="outcome"/>.</summary>
    public async Task<JsonObject> ReleasedAsync(string commit, string outcome = "Succeeded")
    {
        JsonObject? last = null;
        var looked = 0L;
        await Eventually.HoldsAsync(
            async () =>
            {
                // A look costs a second of a processor, which the service needs itself; so as a rule it is its log that says when to look.
                var said = _services.Any(s => !s.HasEnded && s.Log.LastIndexOf($" of commit {commit}", StringComparison.Ordinal) is >= 0 and var at && !s.Log.AsSpan(at + commit.Length + 11).StartsWith(" begins", StringComparison.Ordinal));
                if (looked != 0 && !said && TimeProvider.System.GetElapsedTime(looked) < TimeSpan.FromSeconds(3)) { return false; }
                looked = TimeProvider.System.GetTimestamp();
                return (last = await LastReleaseAsync()) is not null && (string?)last["commit"] == commit && (string?)last["outcome"] == outcome && (string?)last["state"] == "Done";
            },
            $"{outcome} of {commit}", () => $"last release: {last}\n{string.Join('\n', _services.Select(s => s.Log))}");
        return last!;
    }

    public async Task<JsonObject> StatusAsync() => (await RunAsync("status", "--json")).Json;

    /// <summary>Arguments of every docker call that the worker made since the last time this was asked.</summary>
    public IReadOnlyList<string> TakeDockerCalls()
    {
        if (!File.Exists(In("docker.log"))) { return []; }
        var calls = File.ReadAllLines(In("docker.log"));
        File.Delete(In("docker.log"));
        return calls;
    }

    /// <summary>Those of <see cref="TakeDockerCalls"/> that build images of a release, by their targets.</summary>
    public IReadOnlyList<string> TakeBuilds() =>
        [.. TakeDockerCalls().Where(c => c.StartsWith("buildx bake", StringComparison.Ordinal) && !c.Contains("cacheonly", StringComparison.Ordinal))
            .Select(c => c[(c.IndexOf("--file - ", StringComparison.Ordinal) + "--file - ".Length)..])
            // Sealing has a target for each stage, and a question is no build.
            .Where(targets => !targets.Contains("-asked", StringComparison.Ordinal) && !targets.StartsWith("--print", StringComparison.Ordinal) && !targets.EndsWith("-0", StringComparison.Ordinal) && !targets.Contains("-0 ", StringComparison.Ordinal))];

    // The engine's side ------------------------------------------------------------------------------------------------

    /// <summary>The containers by service.</summary>
    public async Task<IReadOnlyDictionary<string, Container>> ContainersAsync()
    {
        // While one is being replaced there can be two of a service, or one that is gone when it is looked at.
        IReadOnlyDictionary<string, Container>? containers = null;
        await Eventually.HoldsAsync(async () => (containers = await LookAsync()) is not null, "one container for each service");
        return containers!;
    }

    private async Task<IReadOnlyDictionary<string, Container>?> LookAsync()
    {
        var result = await Command.RunAsync("sh", ["-euc", $"""
            ids=$(docker ps -aq --no-trunc --filter label=com.docker.compose.project={Project})
            [ -z "$ids" ] || docker inspect -f '{InspectFormat}' $ids
            """]);
        if (result.Errors.Contains("No such object", StringComparison.Ordinal)) { return null; }
        Assert.True(result.ExitCode == 0, result.Errors);
        var lines = result.Output.Split('\n', StringSplitOptions.RemoveEmptyEntries).Select(l => l.Split(' ')).ToList();
        return lines.DistinctBy(p => p[0]).Count() < lines.Count ? null
            : lines.ToDictionary(p => p[0], p => new Container(p[1], p[2], p[3], int.Parse(p[4], CultureInfo.InvariantCulture), p[5]));
    }

    /// <summary>Id of an image of this application, or null.</summary>
    /// <param name="name">Without the project's name, for example <c>web:latest</c>.</param>
    public async Task<string?> ImageAsync(string name)
    {
        var result = await Command.RunAsync("docker", ["image", "inspect", "-f", "{{.Id}}", $"{Project}-{name}"]);
        return result.ExitCode == 0 ? result.Output.Trim() : null;
    }

    /// <summary>Id of the image that the worker keeps of a service for a release, or null.</summary>
    public async Task<string?> KeptImageAsync(string release, string service)
    {
        var result = await Command.RunAsync("docker", ["image", "inspect", "-f", "{{.Id}}", $"watchparty-release:{Project}.{release}.{service}"]);
        return result.ExitCode == 0 ? result.Output.Trim() : null;
    }

    public Task<string> GetAsync(string path, string port = "WEB_PORT") => Http.GetStringAsync(Address(path, port));

    /// <summary>Asks for <paramref name="path"/> again and again until disposed, and remembers every answer that was not good.</summary>
    public Visitor Visit(string path, string port = "WEB_PORT") => new(Http, Address(path, port));

    /// <summary>Makes these addresses the probes of the configuration.</summary>
    public void Probe(params (string Path, string Port)[] probes) => Configure("Deploy:Probes", new JsonArray([.. probes.Select(p => JsonValue.Create(Address(p.Path, p.Port).ToString()))]));

    public Uri Address(string path, string port) => new(string.Create(CultureInfo.InvariantCulture, $"http://127.0.0.1:{Ports[port]}{path}"));

    private async Task CloneAsync()
    {
        await GitAsync(Folder, "clone", "--quiet", "origin.git", "clone");
        await Command.ShellAsync("git checkout --quiet -B main; git config user.name Developer; git config user.email developer@example.org", Clone);
    }

    private async Task WriteEnvironmentAsync(params string[] ports)
    {
        foreach (var name in ports) { Ports[name] = FreePort(); }
        await File.WriteAllTextAsync(Path.Combine(Checkout, ".env"), string.Concat(Ports.Select(p => string.Create(CultureInfo.InvariantCulture, $"{p.Key}={p.Value}\n"))));
    }

    private void WriteConfiguration() => File.WriteAllText(ConfigurationFile, _configuration.ToJsonString());

    /// <summary>A docker that notes its arguments and is the real one from then on.</summary>
    private void WriteDocker()
    {
        var real = (Environment.GetEnvironmentVariable("PATH") ?? "").Split(':').Select(p => Path.Combine(p, "docker")).FirstOrDefault(File.Exists);
        Assert.True(real is not null, "There is no docker command. Run these tests with tests/engine/engine.sh.");
        Directory.CreateDirectory(In("bin"));
        File.WriteAllText(In("bin/docker"), $"""
            #!/bin/sh
            printf '%s\n' "$*" >> '{In("docker.log")}'
            exec '{real}' "$@"

            """);
        File.SetUnixFileMode(In("bin/docker"), UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute);
    }

    private static int FreePort()
    {
        using var listener = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
        listener.Bind(new IPEndPoint(IPAddress.Loopback, 0));
        return ((IPEndPoint)listener.LocalEndPoint!).Port;
    }

    private static string FindRoot()
    {
        var folder = new DirectoryInfo(AppContext.BaseDirectory);
        while (!File.Exists(Path.Combine(folder.FullName, "WatchParty.Worker.sln"))) { folder = folder.Parent!; }
        return folder.FullName;
    }
}

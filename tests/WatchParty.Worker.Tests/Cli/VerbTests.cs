using System.Diagnostics;
using System.Text.Json;
using WatchParty.Releases.Caching;
using WatchParty.Releases.Recording;
using WatchParty.Tools.Processes;
using WatchParty.Worker.Tests.Fakes;

namespace WatchParty.Worker.Tests.Cli;

/// <summary>The built program, on a real repository and without any docker.</summary>
[Collection(ProcessEnvironment.Collection)]
public sealed class VerbTests : IAsyncLifetime
{
    private readonly string _folder = Directory.CreateTempSubdirectory("verbs-").FullName;
    private GitSandbox _git = null!;

    private string State => Path.Combine(_folder, "state");

    private string Config => Path.Combine(_folder, "appsettings.json");

    public async Task InitializeAsync()
    {
        _git = await GitSandbox.CreateAsync(("compose.yaml", "services: {}\n"));
        // Only what the worker needs besides docker.
        var programs = Directory.CreateDirectory(Path.Combine(_folder, "bin")).FullName;
        foreach (var name in new[] { "git", "setsid", "prlimit" })
        {
            File.CreateSymbolicLink(Path.Combine(programs, name), ToolRunner.FindOnPath(name, Environment.GetEnvironmentVariable("PATH"))!);
        }
        await File.WriteAllTextAsync(Config, $$"""
            { "Worker": {
              "Repository": { "Path": "{{_git.Checkout}}" },
              "Docker": { "Endpoint": "unix://{{_folder}}/none.sock" },
              "State": { "Folder": "{{State}}" }
            } }
            """);
    }

    public Task DisposeAsync()
    {
        _git.Dispose();
        Directory.Delete(_folder, recursive: true);
        return Task.CompletedTask;
    }

    private Process Start(params string[] arguments)
    {
        var info = new ProcessStartInfo(Environment.ProcessPath!, [Path.Combine(AppContext.BaseDirectory, "watchparty-worker.dll"), .. arguments])
        {
            WorkingDirectory = _folder,
            RedirectStandardOutput = true,
            RedirectStandardError = true,
        };
        foreach (var (name, value) in _git.Environment) { info.Environment[name] = value; }
        info.Environment["PATH"] = Path.Combine(_folder, "bin");
        return Process.Start(info)!;
    }

    private async Task<(int ExitCode, string Output, string Error)> RunAsync(params string[] arguments)
    {
        using var process = Start(arguments);
        var output = process.StandardOutput.ReadToEndAsync();
        var error = process.StandardError.ReadToEndAsync();
        await process.WaitForExitAsync();
        return (process.ExitCode, await output, await error);
    }

    private Task<(int ExitCode, string Output, string Error)> VerbAsync(params string[] arguments) => RunAsync([.. arguments, "--config", Config]);

    private static JsonElement Json(string text) => JsonDocument.Parse(text).RootElement;

    [Theory]
    [InlineData("fly")]
    [InlineData("--fly")]
    [InlineData("once now")]
    [InlineData("history --last 0")]
    [InlineData("history --last many")]
    [InlineData("show")]
    [InlineData("rollback first")]
    [InlineData("prune --dry-run=perhaps")]
    public async Task Usage_ThatIsWrong_EndsWith2AndSaysWhereToLook(string line)
    {
        var (code, output, error) = await VerbAsync(line.Split(' '));

        Assert.Equal((2, ""), (code, output));
        Assert.Contains("See `watchparty-worker --help`.", error, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("run")]
    [InlineData("once --json")]
    [InlineData("history")]
    [InlineData("doctor")]
    public async Task Configuration_WithFaults_EndsWith2AndListsThemAll(string line)
    {
        var (code, output, error) = await VerbAsync([.. line.Split(' '), "--set", "Prune:Cron=nightly", "--set", "Repository:Barnch=main"]);

        Assert.Equal((2, ""), (code, output));
        Assert.Contains("The configuration has 2 faults:", error, StringComparison.Ordinal);
        Assert.Contains("flag --set: Prune:Cron: 'nightly' is not a Quartz cron expression", error, StringComparison.Ordinal);
        Assert.Contains("flag --set: Repository:Barnch: unknown key. Known here: Path, Remote, Branch", error, StringComparison.Ordinal);
        Assert.False(Directory.Exists(State));
    }

    [Theory]
    [InlineData("run")]
    [InlineData("history")]
    public async Task History_OfANewerVersion_EndsWith2AndIsLeftAsItIs(string verb)
    {
        Directory.CreateDirectory(State);
        var file = Path.Combine(State, "history.db");
        using (var database = Database.Open(file)) { database.Execute("PRAGMA user_version=9999"); }
        var before = await File.ReadAllBytesAsync(file);

        var (code, output, error) = await VerbAsync(verb);

        Assert.Equal((2, ""), (code, output));
        Assert.Contains($"{file}: State:Folder: the history was written by a newer version of the worker (format 9999", error, StringComparison.Ordinal);
        Assert.Contains("Install that version again, or move the file aside", error, StringComparison.Ordinal);
        Assert.Equal(before, await File.ReadAllBytesAsync(file));
    }

    [Theory]
    [InlineData(0, false)]
    [InlineData(1, true)]
    public async Task ComposeFile_LargerThanOneMebibyte_IsRefusedUnread(int more, bool refused)
    {
        await File.WriteAllTextAsync(Path.Combine(_git.Checkout, "compose.yaml"), new string('#', (1024 * 1024) + more));

        var (_, output, _) = await VerbAsync("doctor", "--json");

        var check = Json(output).GetProperty("checks").EnumerateArray().Single(c => c.GetProperty("name").GetString() == "application");
        Assert.Equal("Error", check.GetProperty("status").GetString());
        Assert.Equal(refused, check.GetProperty("message").GetString()!.Contains("is larger than 1 MiB", StringComparison.Ordinal));
    }

    [Theory]
    [InlineData("--config", "none.json", "there is no such file")]
    [InlineData("--set", "Prune:Cron", "has no value")]
    public async Task Configuration_ThatCannotBeRead_EndsWith2(string flag, string value, string words)
    {
        var (code, _, error) = await RunAsync("history", flag, value);

        Assert.Equal(2, code);
        Assert.Contains(words, error, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Help_NamesEveryVerb()
    {
        var (code, output, _) = await RunAsync("--help");

        Assert.Equal(0, code);
        Assert.All(["run", "once", "plan", "history", "show", "status", "clear-cache", "prune", "rollback", "doctor"], verb => Assert.Contains($"  {verb} ", output, StringComparison.Ordinal));
    }

    [Fact]
    public async Task History_OfNothing_IsEmpty()
    {
        Assert.Equal((0, "Nothing was released yet.\n", ""), await VerbAsync("history"));
        Assert.Equal((0, "[]\n", ""), await VerbAsync("history", "--json"));
    }

    [Theory]
    [InlineData("1")]
    [InlineData("abcdef")]
    [InlineData("main")]
    public async Task Show_OfWhatIsNotThere_EndsWith1(string release) =>
        Assert.Equal((1, "", $"There is no release {release}. `history` lists them.\n"), await VerbAsync("show", release));

    [Fact]
    public async Task Status_WithoutAService_SaysSo()
    {
        Assert.Equal((0, "service:  not running\ndeployed: nothing yet\n", ""), await VerbAsync("status"));

        var (code, output, _) = await VerbAsync("status", "--json");
        Assert.Equal((0, false), (code, Json(output).GetProperty("running").GetBoolean()));
        Assert.Equal(JsonValueKind.Null, Json(output).GetProperty("deployed").ValueKind);
    }

    [Fact]
    public async Task Service_ThatCannotBringUpWhatIsDeployed_TellsIt_AndAWatcherReadsEachChangeAsALine()
    {
        using var receiver = new HttpReceiver();
        using var database = Database.Open(StateFolder.Open(State).Database);
        var history = new History(database, TimeProvider.System);
        history.Finish(history.Begin((await _git.InCheckoutAsync("rev-parse", "HEAD")).Trim(), null, "poll", forced: false), ReleaseOutcome.Succeeded, null, PhaseSeconds.Zero);
        using var service = Start("run", "--config", Config, "--set", "Notifications:0:Kind=Webhook", "--set", $"Notifications:0:Url={receiver.Address}");
        Process? watch = null;
        try
        {
            var told = (await receiver.NextAsync()).Json;
            Assert.Equal(("Failure", "Release 1 could not be brought up again"), (told.GetProperty("event").GetString(), told.GetProperty("title").GetString()));
            while (!service.HasExited && !File.Exists(Path.Combine(State, "worker.sock"))) { await Task.Delay(TimeSpan.FromMilliseconds(20), TimeProvider.System); }
            watch = Start("status", "--watch", "--json", "--config", Config);
            List<string> lines = [await NextAsync()];
            new FreshMarks(database, TimeProvider.System).Add(["backend"], "a clear");
            while (Json(lines[^1]).GetProperty("freshBuildPending").GetArrayLength() == 0) { lines.Add(await NextAsync()); }
            Assert.All(lines, l => Assert.Equal(service.Id, Json(l).GetProperty("service").GetProperty("pid").GetInt32()));
            Assert.Equal(lines.Distinct(StringComparer.Ordinal), lines);

            // As `| head` does.
            watch.StandardOutput.Close();
            using var limit = new CancellationTokenSource(TimeSpan.FromSeconds(20), TimeProvider.System);
            await watch.WaitForExitAsync(limit.Token);
            Assert.Equal(0, watch.ExitCode);
        }
        finally
        {
            watch?.Kill();
            watch?.Dispose();
            service.Kill();
            await service.WaitForExitAsync();
        }

        async Task<string> NextAsync()
        {
            using var limit = new CancellationTokenSource(TimeSpan.FromSeconds(20), TimeProvider.System);
            return await watch.StandardOutput.ReadLineAsync(limit.Token) ?? throw new InvalidOperationException(await watch.StandardError.ReadToEndAsync());
        }
    }

    [Fact]
    public async Task Doctor_WithoutDocker_EndsWith1AndSaysWhatToDoAboutEach()
    {
        var (code, output, _) = await VerbAsync("doctor", "--json");

        Assert.Equal(1, code);
        var checks = Json(output).GetProperty("checks").EnumerateArray().ToDictionary(c => c.GetProperty("name").GetString()!);
        Assert.All(["git", "repository", "remote", "drop files", "state folder"], name => Assert.Equal("Ok", checks[name].GetProperty("status").GetString()));
        Assert.All(["engine", "buildx", "compose", "application"], name =>
        {
            Assert.Equal("Error", checks[name].GetProperty("status").GetString());
            Assert.NotEmpty(checks[name].GetProperty("message").GetString()!);
            Assert.NotEmpty(checks[name].GetProperty("fix").GetString()!);
        });
        Assert.Contains("docker is not on PATH", checks["compose"].GetProperty("message").GetString(), StringComparison.Ordinal);
    }

    [Fact]
    public async Task Doctor_InWords_HasAFixForEveryError()
    {
        foreach (var (name, mode) in new[] { ("token", "644"), ("secret", "640") })
        {
            await File.WriteAllTextAsync(Path.Combine(_folder, name), "a-token-of-more-than-twenty-characters");
            File.SetUnixFileMode(Path.Combine(_folder, name), (UnixFileMode)Convert.ToInt32(mode, 8));
        }

        // What the file of a link allows counts, not the link, which everybody may read.
        File.CreateSymbolicLink(Path.Combine(_folder, "link"), Path.Combine(_folder, "secret"));
        var (code, output, _) = await VerbAsync("doctor", "--set", $"DropFiles:Folder={_folder}/none", "--set", $"Status:TokenFile={_folder}/token",
            "--set", $"Status:WebhookSecretFile={_folder}/link", "--set", $"CommitStatus:TokenFile={_folder}/nowhere");

        Assert.Equal(1, code);
        var lines = output.Split('\n');
        Assert.Contains($"Warning  Status:TokenFile: everybody on this machine may read or change {_folder}/token, and so has what it protects", lines);
        Assert.Contains($"         fix: chmod o-rwx {_folder}/token, and write a new secret into it if others use this machine", lines);
        Assert.Contains($"Ok       Status:WebhookSecretFile: {_folder}/link", lines);
        Assert.Contains(lines, l => l.StartsWith("Error    CommitStatus:TokenFile: ", StringComparison.Ordinal));
        Assert.Contains($"Error    drop files: {_folder}/none does not exist", lines);
        Assert.All(lines.Index().Where(l => l.Item.StartsWith("Error", StringComparison.Ordinal)), l => Assert.StartsWith("         fix: ", lines[l.Index + 1], StringComparison.Ordinal));
    }

    [Fact]
    public async Task Once_WithoutAnEngine_EndsWith1AndOneDocumentThatSaysWhy()
    {
        var (code, output, _) = await VerbAsync("once", "--json");

        Assert.Equal((1, "Failed"), (code, Json(output).GetProperty("outcome").GetString()));
        Assert.NotEmpty(Json(output).GetProperty("error").GetString()!);
    }

    [Theory]
    [InlineData("prune --dry-run")]
    [InlineData("prune")]
    [InlineData("clear-cache backend")]
    [InlineData("rollback")]
    public async Task Verb_WithoutAnEngine_EndsWith1(string line)
    {
        var (code, output, error) = await VerbAsync(line.Split(' '));
        Assert.Equal(1, code);
        Assert.NotEmpty(error + output);

        (code, output, _) = await VerbAsync([.. line.Split(' '), "--json"]);
        Assert.Equal(1, code);
        Assert.NotEmpty(Json(output).GetProperty("error").GetString()!);
    }

    [Fact]
    public async Task Verb_WhileAnotherHoldsTheLock_EndsWith4AndSaysWho()
    {
        Directory.CreateDirectory(State);
        using var holder = Process.Start(new ProcessStartInfo("flock", [Path.Combine(State, "worker.lock"), "-c", "echo held; read x"]) { RedirectStandardInput = true, RedirectStandardOutput = true })!;
        Assert.Equal("held", await holder.StandardOutput.ReadLineAsync());

        var (code, output, error) = await VerbAsync("once", "--json");
        Assert.Equal((4, "Busy"), (code, Json(output).GetProperty("outcome").GetString()));
        Assert.Contains($"Busy: process {holder.Id} (flock) holds the lock {State}/worker.lock", error, StringComparison.Ordinal);

        (code, output, error) = await VerbAsync("run");
        Assert.Equal((4, ""), (code, output));
        Assert.Contains($"Busy: process {holder.Id} (flock)", error, StringComparison.Ordinal);

        // What changes nothing needs no lock.
        Assert.Equal(0, (await VerbAsync("history")).ExitCode);
        Assert.Contains($"\nlock:     held by process {holder.Id} (flock)\n", (await VerbAsync("status")).Output, StringComparison.Ordinal);
        Assert.Equal($"process {holder.Id} (flock)", Json((await VerbAsync("status", "--json")).Output).GetProperty("lock").GetString());
        holder.StandardInput.Close();
        await holder.WaitForExitAsync();
    }

    [Fact]
    public async Task Once_ThatFails_IsToldOverEveryChannelBeforeTheProgramEnds()
    {
        using var receiver = new HttpReceiver();
        using var forge = new HttpReceiver();

        var (code, _, _) = await VerbAsync("once",
            "--set", "Notifications:0:Kind=Webhook", "--set", $"Notifications:0:Url={receiver.Address}",
            "--set", "CommitStatus:Provider=Gitea", "--set", $"CommitStatus:Address={forge.Address}", "--set", "CommitStatus:Project=o/n", "--set", "CommitStatus:Token=t");

        Assert.Equal(1, code);
        var told = Assert.Single(receiver.All).Json;
        Assert.Equal(("Failure", "Release 1 could not be made"), (told.GetProperty("event").GetString(), told.GetProperty("title").GetString()));
        Assert.Contains("docker is not on PATH", told.GetProperty("reason").GetString(), StringComparison.Ordinal);
        Assert.Equal(["pending", "error"], forge.All.Select(r => r.Json.GetProperty("state").GetString()));
    }

    [Fact]
    public async Task Notify_TriesEveryChannelOnceAndSaysWhichGotThrough()
    {
        using var receiver = new HttpReceiver();
        using var refusing = new HttpReceiver((context, _) => context.Response.StatusCode = 503);
        string[] set = ["--set", "Notifications:0:Kind=Webhook", "--set", $"Notifications:0:Url={receiver.Address}", "--set", "Notifications:1:Kind=Slack", "--set", $"Notifications:1:Url={refusing.Address}/secret"];

        var (code, output, _) = await VerbAsync(["notify", "--test", .. set]);
        Assert.Equal((1, "webhook: sent\nslack: not sent, because the answer was 503 Service Unavailable\n"), (code, output));
        Assert.Equal("Test", (await receiver.NextAsync()).Json.GetProperty("event").GetString());
        Assert.Single(refusing.All);

        (code, output, _) = await VerbAsync(["notify", "--test", "webhook", "--json", .. set]);
        Assert.Equal((0, true), (code, Json(output).GetProperty("channels")[0].GetProperty("sent").GetBoolean()));

        Assert.Equal(2, (await VerbAsync(["notify", "--test", "pigeon", .. set])).ExitCode);
        Assert.Equal(2, (await VerbAsync("notify", "--test")).ExitCode);
    }

    [Fact]
    public async Task Logs_PrintsTheBuildLog_AndFollowsItToTheEndOfTheRelease()
    {
        Assert.Equal((1, "Nothing was released yet.\n"), await VerbAsync("logs") is var (none, _, words) ? (none, words) : default);
        var log = Path.Combine(State, "logs", "release-1.log");
        using var database = Database.Open(Path.Combine(State, "history.db"));
        var history = new History(database, TimeProvider.System);
        var id = history.Begin(new string('a', 40), null, "poll", forced: false);
        history.SaveLog(id, log);
        await File.WriteAllTextAsync(log, "first\n");

        Assert.Equal((0, "first\n"), await VerbAsync("logs", "aaaa") is var (code, output, _) ? (code, output) : default);

        var following = VerbAsync("logs", "--follow");
        await File.AppendAllTextAsync(log, "second\n");
        await Task.Delay(TimeSpan.FromSeconds(1), TimeProvider.System, CancellationToken.None);
        Assert.False(following.IsCompleted);
        await File.AppendAllTextAsync(log, "third\n");
        history.Finish(id, ReleaseOutcome.Succeeded, null, PhaseSeconds.Zero);
        Assert.Equal((0, "first\nsecond\nthird\n"), await following is var (end, all, _) ? (end, all) : default);

        Assert.Equal(1, (await VerbAsync("logs", "99")).ExitCode);
        File.Delete(log);
        Assert.Contains("has no build log any more", (await VerbAsync("logs")).Error, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Watch_OfAService_PrintsALineForEachThingThatHappens_UntilItIsStopped_AndTheCollectorHearsOfIt()
    {
        using var collector = new HttpReceiver();
        using var service = Start("run", "--config", Config, "--set", $"Telemetry:OtlpEndpoint={collector.Address}");
        // Nobody reads it, and it must not fill its pipe.
        var log = Task.WhenAll(service.StandardOutput.ReadToEndAsync(), service.StandardError.ReadToEndAsync());
        for (var tries = 0; tries < 400 && !File.Exists(Path.Combine(State, "worker.sock")); tries++) { await Task.Delay(TimeSpan.FromMilliseconds(50), TimeProvider.System, CancellationToken.None); }

        using var watch = Start("status", "--watch", "--config", Config);
        var line = await watch.StandardOutput.ReadLineAsync().WaitAsync(TimeSpan.FromSeconds(30));
        Assert.Matches("^[0-9:]{8} .+", line);
        await StopAsync(watch);
        Assert.Equal(0, watch.ExitCode);

        await StopAsync(service);
        await log;
        Assert.Equal(0, service.ExitCode);
        var sent = string.Concat(collector.All.Where(r => r.Path == "/v1/metrics").Select(r => System.Text.Encoding.UTF8.GetString(r.Body)));
        Assert.Contains("watchparty.info", sent, StringComparison.Ordinal);

        static async Task StopAsync(Process process)
        {
            using (var kill = Process.Start("kill", ["-TERM", $"{process.Id}"])) { await kill.WaitForExitAsync(); }
            await process.WaitForExitAsync(new CancellationTokenSource(TimeSpan.FromSeconds(60)).Token);
        }
    }

    [Fact]
    public async Task Watch_WithoutAService_EndsWith1AndSaysWhatToDo()
    {
        var (code, _, error) = await VerbAsync("status", "--watch");

        Assert.Equal(1, code);
        Assert.Contains("The service is not running", error, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Help_OfAVerb_EndsWithExamples_AlsoWhereAnArgumentIsMissing()
    {
        var (code, output, error) = await RunAsync("show", "--help");

        Assert.Equal((0, ""), (code, error));
        Assert.Contains("Examples:\n  watchparty-worker show 12\n      release 12, every step of it and why it ran\n", output, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Completion_OfBash_OffersWhatTheProgramKnows()
    {
        var program = Path.Combine(_folder, "watchparty-worker");
        await File.WriteAllTextAsync(program, $"#!/bin/sh\nexec '{Environment.ProcessPath}' '{Path.Combine(AppContext.BaseDirectory, "watchparty-worker.dll")}' \"$@\"\n");
        File.SetUnixFileMode(program, UnixFileMode.UserRead | UnixFileMode.UserExecute);
        var (code, script, _) = await RunAsync("completions", "bash");
        Assert.Equal(0, code);

        async Task<string> AfterAsync(string line, params string[] words)
        {
            using var bash = Process.Start(new ProcessStartInfo("bash", ["-c", $"{script}\nCOMP_WORDS=('{program}' {string.Join(' ', words.Select(w => $"'{w}'"))}) COMP_CWORD={words.Length} COMP_LINE='{line}' COMP_POINT={line.Length}\n_watchparty_worker\necho \"${{COMPREPLY[*]}}\""]) { RedirectStandardOutput = true })!;
            var answers = await bash.StandardOutput.ReadToEndAsync();
            await bash.WaitForExitAsync();
            return answers.Trim();
        }

        Assert.Equal("clear-cache", await AfterAsync("watchparty-worker cle", "cle"));
        Assert.Equal("--force-rebuild", await AfterAsync("watchparty-worker once --f", "once", "--f"));
        foreach (var shell in (string[])["zsh", "fish"]) { Assert.Contains("[suggest:", (await RunAsync("completions", shell)).Output, StringComparison.Ordinal); }
    }

    [Fact]
    public async Task StateFolder_ThatCannotBeMade_EndsWith1AndSaysWhatToDo()
    {
        await File.WriteAllTextAsync(State, "a file in its place");

        var (code, _, error) = await VerbAsync("history");

        Assert.Equal(1, code);
        Assert.Contains($"State:Folder {State} cannot be used", error, StringComparison.Ordinal);
    }
}

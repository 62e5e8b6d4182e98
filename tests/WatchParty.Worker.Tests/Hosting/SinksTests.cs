using System.Collections.Immutable;
using System.Text;
using System.Text.Json;
using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.Logging.Abstractions;
using WatchParty.Releases.Building;
using WatchParty.Releases.Planning;
using WatchParty.Releases.Recording;
using WatchParty.Releases.Signals;
using WatchParty.Tools.Configuration;
using WatchParty.Tools.Docker;
using WatchParty.Tools.Redacting;
using WatchParty.Worker.Cli;
using WatchParty.Worker.Control;
using WatchParty.Worker.Hosting;
using WatchParty.Worker.Tests.Fakes;
using WatchParty.Worker.Tests.Recording;
using WatchParty.Worker.Tests.Triggering;
using WatchParty.Worker.Triggering;

namespace WatchParty.Worker.Tests.Hosting;

/// <summary>A hundred secrets of every kind, and what else text from outside can bring along, sent through every sink. Alone, because the console is the process's.</summary>
[Collection(Alone.Name)]
public sealed class SinksTests : IDisposable
{
    private readonly string _root = Directory.CreateTempSubdirectory("sinks-").FullName;
    private readonly (TextWriter Output, TextWriter Error) _console = (Console.Out, Console.Error);
    private readonly StringWriter _output = new();
    private readonly StringWriter _error = new();

    public SinksTests()
    {
        Console.SetOut(_output);
        Console.SetError(_error);
    }

    public void Dispose()
    {
        Console.SetOut(_console.Output);
        Console.SetError(_console.Error);
        Directory.Delete(_root, recursive: true);
    }

    [Fact]
    public async Task A_hundred_secrets_are_in_no_sink()
    {
        var canaries = Plant();
        Assert.Equal(100, canaries.Distinct().Count());
        // In the midst of a line, alone, at its end, beside others, and as programs quote it.
        string[] texts = [.. canaries.Select(c => $"it failed: {c}"), .. canaries, $"all: {string.Join(' ', canaries)}\n{canaries[0]}", .. canaries.Select(c => $"said {JsonSerializer.Serialize(c)}; {Uri.EscapeDataString(c)}")];

        var sinks = await EverySinkAsync(texts);

        foreach (var (name, content) in sinks)
        {
            Assert.True(content.Contains("***", StringComparison.Ordinal), $"Nothing came to {name}");
            Assert.All(canaries, c => Assert.False(content.Contains(c, StringComparison.Ordinal) || content.Contains(Json(c), StringComparison.Ordinal), $"{name} shows {c}"));
        }
    }

    [Fact]
    public async Task What_could_move_a_cursor_or_forge_a_line_is_in_no_sink()
    {
        string[] texts = ["subject\u001b[2J\u001b]0;title\u0007", "branch\u202eevil\u2066x", "path/with\nRelease 9: Succeeded", "health\r\noutput\rpainted", "error\u2028line\u0085next"];

        var sinks = await EverySinkAsync(texts);

        // The record keeps words as they are, and the log of a build what the steps printed.
        foreach (var (name, content) in sinks.Where(s => s.Name is not ("record" or "build log")))
        {
            Assert.True(content.Length > 0, $"Nothing came to {name}");
            Assert.False(content.Any(c => (char.IsControl(c) && c is not ('\n' or '\t')) || c is '\u202e' or '\u2066' or '\u2028'), $"{name}: {string.Join(' ', content.Where(char.IsControl).Select(c => (int)c).Distinct())}");
            Assert.False(content.Split('\n').Any(l => l.StartsWith("Release 9: Succeeded", StringComparison.Ordinal)), $"{name} lets a line be forged");
        }
    }

    /// <summary>Secrets where people keep them; the worker is told of each in the way in which it would come to know it.</summary>
    private string[] Plant()
    {
        static string[] Some(int count, string kind) => [.. Enumerable.Range(0, count).Select(i => $"canary{kind}{i}X{Guid.NewGuid():N}"[..28])];
        var (envFile, environment, arguments, file, configuration, passwords, remotes) = (Some(20, "Env"), Some(20, "Mod"), Some(12, "Arg"), Some(12, "Fil"), Some(12, "Con"), Some(8, "Url"), Some(6, "Rem"));
        string[] odd = ["can\"ary'1", "can$ary`2", "can\\ary3x", "can ary4 &<>", "cänary5ü", "can%ary6!", "can=ary7;", "can{ary}8", "can/ary+9", "can#ary10"];

        File.WriteAllText(Path.Combine(_root, ".env"), string.Concat(envFile.Select((c, i) => $"SERVICE_{i}_TOKEN={c}\n")));
        var secret = Path.Combine(_root, "secret");
        File.WriteAllText(secret, string.Join('\n', file));
        var project = new ComposeProject(_root, new ComposeOptions(), "GIT_COMMIT_HASH", ImmutableDictionary<string, string?>.Empty);
        Redaction.Learn(Secrets.InEnvFiles(project.EnvFiles));
        Redaction.Learn(Secrets.In(JsonSerializer.Serialize(new
        {
            name = "app",
            services = new
            {
                web = new
                {
                    environment = environment.Concat(odd).Select((c, i) => KeyValuePair.Create($"SECRET_{i}", c.Replace("$", "$$", StringComparison.Ordinal)))
                        .Concat(passwords.Select((c, i) => KeyValuePair.Create($"ADDRESS_{i}", $"postgres://app:{c}@db/app"))).ToDictionary(),
                    build = new { context = "/srv", args = arguments.Select((c, i) => KeyValuePair.Create($"NPM_{i}_KEY", c)).ToDictionary() },
                },
            },
            secrets = new { s = new { file = secret } },
        }), project.EnvFiles));
        Redaction.Learn(Secrets.In(configuration.Select((c, i) => KeyValuePair.Create($"Worker:Build:Arguments:PASSWORD_{i}", (string?)c))));
        foreach (var remote in remotes) { Redaction.Learn(Secrets.PasswordsIn($"https://deploy:{remote}@example.org/app.git")); }
        return [.. envFile, .. environment, .. arguments, .. file, .. configuration, .. passwords, .. remotes, .. odd];
    }

    private async Task<List<(string Name, string Content)>> EverySinkAsync(string[] texts)
    {
        List<(string, string)> sinks = [];
        using var record = new RecordBench();
        sinks.Add(("log", LogOf(texts)));
        sinks.Add(("log of a verb", Take(_error)));
        sinks.Add(("build log", BuildLogOf(texts)));
        sinks.Add(("record", RecordOf(record, texts)));
        var report = record.History.Last(1)[0];

        foreach (var text in texts) { await Output.ErrorAsync(text); }
        sinks.Add(("standard error of a verb", Take(_error)));
        await Output.LineAsync(ReleaseText.Of(report));
        Output.Print(ReleaseTable.Of([report with { Trigger = string.Join(' ', texts) }]));
        sinks.Add(("words of a verb", Take(_output)));
        await Output.DocumentAsync(JsonSerializer.Serialize(texts));
        await Output.DocumentAsync(JsonSerializer.Serialize(report with { Error = texts[0], Notes = texts }, RecordJson.Readable.ReleaseReport));
        sinks.Add(("document of a verb", Take(_output)));

        sinks.Add(("control socket", await SocketAsync(texts)));
        sinks.Add(("progress", string.Join('\n', texts.Select(ProgressOf))));
        sinks.Add(("systemd", string.Join('\n', texts.Select(StatusOf))));
        sinks.Add(("result of a drop file", string.Join('\n', texts.Select(ResultOf))));
        return sinks;
    }

    private string LogOf(string[] texts)
    {
        var own = Path.Combine(_root, "own.log");
        var configuration = new ConfigurationBuilder().AddInMemoryCollection(new Dictionary<string, string?> { ["Serilog:WriteTo:0:Name"] = "File", ["Serilog:WriteTo:0:Args:path"] = own }).Build();
        var logs = Path.Combine(_root, "logs");
        foreach (var log in new[] { ServiceLogging.Create(configuration, null), ServiceLogging.Create(new ConfigurationBuilder().Build(), logs) })
        {
            foreach (var text in texts) { log.Error(new InvalidOperationException(text), "It failed: {Reason}", text); }
            log.Dispose();
        }
        // The exception's own lines are indented in ours; a sink of the configuration writes them as it likes.
        return File.ReadAllText(own).Replace("\nRelease 9", "\n  Release 9", StringComparison.Ordinal) + string.Concat(Directory.GetFiles(logs).Select(File.ReadAllText));
    }

    private string BuildLogOf(string[] texts)
    {
        var file = Path.Combine(_root, "build.log");
        using (var log = new BuildLog(file))
        {
            foreach (var text in texts)
            {
                var bytes = Encoding.UTF8.GetBytes(text + "\n");
                log.Write(text);
                log.Write("sha256:1", 1, bytes.AsSpan(0, bytes.Length / 2));
                log.Write("sha256:1", 1, bytes.AsSpan(bytes.Length / 2));
            }
        }
        return File.ReadAllText(file);
    }

    private static string RecordOf(RecordBench bench, string[] texts)
    {
        var id = bench.History.Begin(RecordBench.Commit, null, "poll", forced: false);
        bench.History.SavePlan(id, RecordBench.Plan(RecordBench.Commit, "backend"), null);
        foreach (var text in texts) { bench.History.Note(id, text); }
        BuildStep[] steps = [.. texts.Select(t => RecordBench.Step($"RUN {t}", StepState.Failed, error: t) with { Digest = "sha256:1" })];
        bench.History.SaveBuild(id, "backend", "sha256:2", null, TimeSpan.FromSeconds(1), steps, [.. texts.Select(t => new MissedStep(t, 1, t))], texts);
        bench.History.SaveAction(id, "redis", "redis:7", ServiceAction.Restarted, string.Join(' ', texts));
        bench.History.Quarantine(RecordBench.Commit, id, string.Join('\n', texts));
        bench.History.Save(new HousekeepingReport("prune", "cron", "Pruned", [], 1, 1, 0, 0, 0, texts[0], bench.Time.GetUtcNow(), bench.Time.GetUtcNow()) { Notes = texts });
        bench.History.Finish(id, ReleaseOutcome.Failed, string.Join('\n', texts), RecordBench.Seconds);
        return string.Concat(Directory.GetFiles(Path.GetDirectoryName(bench.Path)!).Select(f =>
        {
            using var stream = new FileStream(f, FileMode.Open, FileAccess.Read, FileShare.ReadWrite);
            using var reader = new StreamReader(stream, Encoding.UTF8);
            return reader.ReadToEnd();
        }));
    }

    private async Task<string> SocketAsync(string[] texts)
    {
        var state = StateFolder.Open(Path.Combine(_root, "state"));
        var progress = new ProgressFeed();
        using var server = new ControlServer(state, (request, _) =>
        {
            foreach (var text in texts) { progress.Report(text); }
            return Task.FromResult(new VerbResult(ExitCode.Failed, JsonSerializer.Serialize(texts), string.Join(' ', texts)));
        }, progress, new RecordingLogger<ControlServer>());
        await server.StartAsync(CancellationToken.None);
        StringBuilder said = new();
        VerbResult? result;
        while ((result = await ControlClient.AskAsync(state, new ControlRequest("once", "test"), p => said.Append(p).Append('\n'), CancellationToken.None)) is null) { await Task.Yield(); }
        await server.StopAsync(CancellationToken.None);
        Assert.Equal(texts.Length, JsonDocument.Parse(result.Document!).RootElement.GetArrayLength());
        // The document and the error are as they are; the verb that asked makes them fit for its terminal.
        return said + EventText.OneLine(result.Error!) + result.Document;
    }

    private static string ProgressOf(string text)
    {
        var feed = new ProgressFeed();
        feed.Report(text);
        return feed.Current!;
    }

    private static string StatusOf(string text)
    {
        using var systemd = new NotifySocket();
        var feed = new ProgressFeed();
        feed.Reported += new SystemdNotifier(systemd.Address, NullLogger<SystemdNotifier>.Instance).Status;
        feed.Report(text);
        return string.Concat(systemd.Drain());
    }

    private string ResultOf(string text)
    {
        var file = new DropFile(_root, DropFileKind.ClearCache);
        file.WriteResult(new DropFileResultDocument("Failed", ["all"], 0, text, default, default));
        return File.ReadAllText(file.ResultPath);
    }

    private static string Take(StringWriter writer)
    {
        var text = writer.ToString();
        writer.GetStringBuilder().Clear();
        return text;
    }

    private static string Json(string text) => JsonSerializer.Serialize(text)[1..^1];
}

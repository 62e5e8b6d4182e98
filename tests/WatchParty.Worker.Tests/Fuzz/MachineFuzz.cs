using System.Text;
using System.Text.Json;
using Microsoft.Extensions.Configuration;
using WatchParty.Releases.Baking;
using WatchParty.Tools.Configuration;
using WatchParty.Tools.Docker;
using WatchParty.Tools.Processes;
using WatchParty.Tools.Redacting;
using WatchParty.Worker.Control;

namespace WatchParty.Worker.Tests.Fuzz;

/// <summary>What comes from the machine: its configuration, the engine, callers of the control socket, output of programs.</summary>
public sealed class MachineFuzz
{
    [Fact]
    public Task Configuration_files() => Fuzz.RunAsync(m =>
    {
        var text = m.Json("""
            { "Worker": { "Repository": { "Path": "/srv/x", "PollInterval": "00:00:30", "LocalChanges": "Stash" }, "Compose": { "Files": [ "a", "b" ], "ProjectName": "p" },
              "Build": { "Arguments": { "A": "b" }, "Timeout": "01:00:00" }, "Deploy": { "Rollback": true, "Probes": [ "http://127.0.0.1:8000/" ] },
              "Prune": { "Cron": "0 30 3 * * ?", "KeepReleases": 3, "MaxCacheSize": "20GB" }, "State": { "Folder": "/var/lib/x" } }, "Serilog": { "MinimumLevel": "Debug" } }
            """, """{ "Worker": { "Deploy": { "WaitTimeout": "00:03:00" }, "Docker": { "Endpoint": "unix:///x" }, "Repository": { "Branch": "main" } } }""");
        using var stream = new MemoryStream(Encoding.UTF8.GetBytes(text));
        IConfigurationRoot configuration;
        try
        {
            configuration = new ConfigurationBuilder().AddJsonStream(stream).Build();
        }
        // The framework's own reader; of a file it wraps every exception into one that ConfigurationFiles makes a fault of.
        catch (Exception)
        {
            return;
        }
        try
        {
            WorkerOptionsReader.Read(configuration);
        }
        catch (ConfigurationFaultsException)
        {
        }
    });

    [Fact]
    public Task Answers_of_the_engine() => Fuzz.RunAsync(m =>
    {
        try
        {
            var containers = JsonSerializer.Deserialize(m.Json(
                """[{"Id":"a","Names":["/app-web-1"],"ImageID":"sha256:1","State":"running","Labels":{"com.docker.compose.service":"web","com.docker.compose.oneoff":"False"}}]"""), DockerJson.Default.ContainerSummaryArray);
            foreach (var container in containers ?? []) { _ = (container?.Service, container?.OneOff, container?.Names.Length); }
            var details = JsonSerializer.Deserialize(m.Json(
                """{"Id":"a","Name":"/x","Image":"sha256:1","RestartCount":0,"State":{"Status":"running","Running":true,"Restarting":false,"ExitCode":0,"Error":"","StartedAt":"x","Health":{"Status":"healthy","FailingStreak":0,"Log":[{"ExitCode":0,"Output":"ok"}]}},"HostConfig":{"RestartPolicy":{"Name":"always"}}}"""), DockerJson.Default.ContainerDetails);
            _ = (details?.State.Status.Length, details?.State.Health?.Log?.Length, details?.HostConfig.RestartPolicy?.Name);
            var usage = JsonSerializer.Deserialize(m.Json(
                """{"BuildCache":[{"ID":"a","Type":"regular","Description":"d","InUse":false,"Shared":false,"Size":10,"LastUsedAt":"2026-01-01T00:00:00Z"," Parents":["b"]}]}"""), DockerJson.Default.DiskUsage);
            foreach (var record in usage?.BuildCache ?? []) { _ = (record?.ID.Length, record?.Type.Length); }
            var image = JsonSerializer.Deserialize(m.Json("""{"Id":"sha256:1","RepoTags":["a:1"],"RepoDigests":null,"Size":5,"Config":{"Labels":{"a":"b"}}}"""), DockerJson.Default.ImageDetails);
            _ = image?.Id.Length;
        }
        catch (JsonException)
        {
        }
    });

    [Fact]
    public Task Lines_of_the_control_socket() => Fuzz.RunAsync(m =>
    {
        try
        {
            var request = JsonSerializer.Deserialize(Encoding.UTF8.GetString(m.Bytes(m.Json(
                """{"verb":"clear-cache","askedBy":"ann","targets":["web"],"release":null}""", """{"verb":"rollback","askedBy":"ann","release":7,"forceRebuild":true}"""))), ControlJson.Default.ControlRequest);
            _ = request?.Verb.Length;
        }
        catch (JsonException)
        {
        }
    });

    [Fact]
    public Task Output_of_programs() => Fuzz.RunAsync(m =>
    {
        var tail = new TailBuffer();
        var log = new StepLog();
        var size = 0;
        for (var chunks = m.Next(4); chunks >= 0; chunks--)
        {
            var bytes = m.Bytes("line one\nline two\r\n", "50 %\r100 %\r", "no end", string.Concat(Enumerable.Repeat("0123456789\n", m.Next(40) == 0 ? 5000 : 3)));
            tail.Add(bytes);
            log.Add(new LogEvent("sha256:1", m.Next(3), bytes));
            size += bytes.Length;
        }
        Assert.InRange(Encoding.UTF8.GetByteCount(tail.ToString()), 0, 3 * Math.Min(size, 32 * 1024));
        Assert.InRange(log.Tail().Count, 0, StepLog.LineLimit);
    });

    [Fact]
    public Task Text_on_its_way_to_a_sink() => Fuzz.RunAsync(m =>
    {
        var text = m.Text("fetch https://u:p4ssw0rd@h/x failed", """{"error":"TOKEN=abc123","n":[1,null]}""", "unexpected character \"%\" in variable name \"x\"", "Authorization: Bearer abc.def.ghi", "a\nb\u001b[0m");
        Redaction.ApplyToDocument(text);
        Assert.DoesNotContain(EventText.OneLine(text), c => char.IsControl(c) && c != '\t');
        Assert.InRange(Redaction.Shorten(text, 20).Length, 0, 21);
    });
}

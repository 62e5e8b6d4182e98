using System.Net;
using System.Text;
using System.Text.Json;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging.Abstractions;
using WatchParty.Releases.Caching;
using WatchParty.Releases.Planning;
using WatchParty.Releases.Recording;
using WatchParty.Releases.Signals;
using WatchParty.Tools.Configuration;
using WatchParty.Tools.Docker;
using WatchParty.Worker.Control;
using WatchParty.Worker.Hosting;
using WatchParty.Worker.Operating;
using WatchParty.Worker.Status;
using WatchParty.Worker.Tests.Recording;

namespace WatchParty.Worker.Tests.Status;

/// <summary>The real server on a port of its own, with a real history in a temporary folder and no engine.</summary>
internal sealed class StatusBench : IAsyncDisposable
{
    public const string Token = "a-token-of-more-than-twenty-characters";
    public const string Secret = "a-secret-that-only-the-forge-knows";

    private static readonly string ReleaseDocument = JsonSerializer.Serialize(
        new ReleaseReport("1", RecordBench.Commit, null, "test", ReleaseOutcome.Succeeded, [], RecordBench.Seconds, null), RecordJson.Readable.ReleaseReport);

    private readonly string _folder = Directory.CreateTempSubdirectory("status-").FullName;
    private readonly ServiceProvider _services;
    private readonly RequestedWork _work;
    private readonly SocketsHttpHandler _handler = new() { AllowAutoRedirect = false, UseCookies = false, MaxConnectionsPerServer = 8 };
    private int _polls;

    private StatusBench(Action<WorkerOptions> configure, IDockerEngine? engine, TimeProvider time)
    {
        Options = new WorkerOptions
        {
            Repository = { Path = Path.Combine(_folder, "checkout") },
            Docker = { Endpoint = $"unix://{_folder}/none.sock" },
            State = { Folder = Path.Combine(_folder, "state") },
            Status = { Address = "http://127.0.0.1:0", Token = Token, WebhookSecret = Secret },
        };
        Directory.CreateDirectory(Options.Repository.Path);
        configure(Options);
        State = StateFolder.Open(Options.State.Folder);
        _services = new ServiceCollection().AddLogging().AddWorker(Options, State).AddSingleton<Heartbeat>().AddSingleton<ProgressTrail>().AddSingleton<ServiceHealthReader>().AddSingleton<StatusSources>().BuildServiceProvider();
        _work = new RequestedWork((request, token) => Work(request, token), time, NullLogger<RequestedWork>.Instance);
        Server = new StatusServer(Options.Status, StatusSecrets.Read(Options.Status), _services.GetRequiredService<StatusSources>(), _work, Progress, () => "watchparty_info 1\n", () => Interlocked.Increment(ref _polls),
            engine ?? _services.GetRequiredService<IDockerEngine>(), _services.GetRequiredService<Heartbeat>(), time, NullLoggerFactory.Instance);
        Http = new HttpClient(_handler);
    }

    public WorkerOptions Options { get; }

    public StateFolder State { get; }

    public StatusServer Server { get; }

    public HttpClient Http { get; }

    public History History => _services.GetRequiredService<History>();

    public FreshMarks FreshMarks => _services.GetRequiredService<FreshMarks>();

    public WorkGate Gate => _services.GetRequiredService<WorkGate>();

    public ProgressFeed Progress => _services.GetRequiredService<ProgressFeed>();

    public Heartbeat Heartbeat => _services.GetRequiredService<Heartbeat>();

    public int Polls => Volatile.Read(ref _polls);

    /// <summary>What was asked for.</summary>
    public List<ControlRequest> Requests { get; } = [];

    public Func<ControlRequest, CancellationToken, Task<VerbResult>> Work { get; set; } = (_, _) => Task.FromResult(new VerbResult(ExitCode.Done, "{}"));

    public static async Task<StatusBench> StartAsync(Action<WorkerOptions>? configure = null, IDockerEngine? engine = null, TimeProvider? time = null)
    {
        var bench = new StatusBench(configure ?? (_ => { }), engine, time ?? TimeProvider.System);
        bench.Work = (request, _) =>
        {
            lock (bench.Requests) { bench.Requests.Add(request); }
            return Task.FromResult(new VerbResult(ExitCode.Done, request.Verb is "once" or "rollback" ? ReleaseDocument : """{"kind":"prune","trigger":"x","outcome":"Pruned","targets":[],"recordsBefore":3,"recordsAfter":1,"freedBytes":5,"markSeconds":0,"sweepSeconds":0,"error":null,"startedAt":"2026-01-01T00:00:00Z","endedAt":"2026-01-01T00:00:00Z","notes":[]}"""));
        };
        await bench.Server.StartAsync(CancellationToken.None);
        if (bench.Server.Address is { } address) { bench.Http.BaseAddress = address; }
        return bench;
    }

    public async ValueTask DisposeAsync()
    {
        Http.Dispose();
        _handler.Dispose();
        await Server.StopAsync(CancellationToken.None);
        await Server.DisposeAsync();
        _work.Dispose();
        await _services.DisposeAsync();
        Directory.Delete(_folder, recursive: true);
    }

    public async Task<HttpResponseMessage> SendAsync(HttpMethod method, string path, HttpContent? content = null, params (string Name, string? Value)[] headers)
    {
        using var request = new HttpRequestMessage(method, path) { Content = content };
        // An answer that comes before the end of a large body is then no broken connection.
        request.Headers.ExpectContinue = content is not null;
        foreach (var (name, value) in headers)
        {
            if (value is not null) { request.Headers.TryAddWithoutValidation(name, value); }
        }
        return await Http.SendAsync(request);
    }

    public Task<HttpResponseMessage> GetAsync(string path, params (string Name, string? Value)[] headers) => SendAsync(HttpMethod.Get, path, null, headers);

    /// <summary>As somebody who knows the token.</summary>
    public async Task<string> ReadAsync(string path)
    {
        using var answer = await GetAsync(path, ("Authorization", $"Bearer {Token}"));
        var text = await answer.Content.ReadAsStringAsync();
        Assert.True(answer.StatusCode == HttpStatusCode.OK, $"{path}: {answer.StatusCode} {text}");
        return text;
    }

    public static StringContent Json(string text) => new(text, Encoding.UTF8, "application/json");

    public static FormUrlEncodedContent Form(params (string Name, string Value)[] fields) => new(fields.Select(f => KeyValuePair.Create(f.Name, f.Value)));

    /// <summary>The cookie of a session.</summary>
    public async Task<string> SignInAsync()
    {
        using var answer = await SendAsync(HttpMethod.Post, "/sign-in", Form(("token", Token)));
        Assert.Equal(HttpStatusCode.SeeOther, answer.StatusCode);
        return Assert.Single(answer.Headers.GetValues("Set-Cookie")).Split(';')[0];
    }

    /// <summary>A release from begin to end, with every text in it.</summary>
    public long Release(string commit, ReleaseOutcome outcome, string text = "make", string trigger = "poll", string? error = null)
    {
        var id = History.Begin(commit, RecordBench.Other, trigger, forced: false);
        History.SavePlan(id, RecordBench.Plan(commit, "backend"), null);
        History.SaveBuild(id, "backend", $"sha256:{id}", null, TimeSpan.FromSeconds(7.9),
            [
                RecordBench.Step("COPY . .", StepState.Cached) with { StartedAt = DateTimeOffset.UnixEpoch },
                RecordBench.Step($"RUN {text}", error is null ? StepState.Executed : StepState.Failed, 3.2, error) with { StartedAt = DateTimeOffset.UnixEpoch.AddSeconds(1) },
            ],
            [new MissedStep($"RUN {text}", 3.2, $"because of {text}")], [$"write {text} elsewhere"]);
        History.Note(id, $"a note on {text}");
        History.SaveAction(id, "redis", "redis:7", ServiceAction.Restarted, $"{text} changed");
        History.SaveLog(id, Path.Combine(State.Logs, $"release-{id}.log"));
        File.WriteAllText(Path.Combine(State.Logs, $"release-{id}.log"), $"#1 {text}\n");
        History.Finish(id, outcome, error, RecordBench.Seconds);
        return id;
    }

    /// <summary>A release under way, with a log that has no line yet.</summary>
    public long Begin(string commit, ReleaseState state)
    {
        var id = History.Begin(commit, RecordBench.Other, "poll", forced: false);
        History.Enter(id, state);
        History.SaveLog(id, Path.Combine(State.Logs, $"release-{id}.log"));
        return id;
    }

    public Task LogAsync(long release, string text) => File.AppendAllTextAsync(Path.Combine(State.Logs, $"release-{release}.log"), text);
}

using WatchParty.Releases.Planning;
using WatchParty.Releases.Recording;
using WatchParty.Worker.Tests.Fakes;
using WatchParty.Worker.Tests.Planning;

namespace WatchParty.Worker.Tests.Recording;

/// <summary>A history in a temporary folder, and releases to put into it.</summary>
internal sealed class RecordBench : IDisposable
{
    public const string Commit = "1111111111111111111111111111111111111111";
    public const string Other = "2222222222222222222222222222222222222222";

    private readonly string _folder = Directory.CreateTempSubdirectory("history-").FullName;

    public RecordBench()
    {
        Database = Database.Open(Path);
        History = new History(Database, Time);
    }

    public string Path => System.IO.Path.Combine(_folder, "history.db");

    public ManualTimeProvider Time { get; } = new();

    public Database Database { get; }

    public History History { get; }

    public static PhaseSeconds Seconds { get; } = new(0.1, 0.2, 8, 1.1, 2, 11.4);

    /// <summary>The same file as another process sees it.</summary>
    public T Elsewhere<T>(Func<History, T> look)
    {
        using var other = Database.Open(Path);
        return look(new History(other, Time));
    }

    /// <summary>A plan of two built services and one that is not built here; what <paramref name="built"/> does not name is unchanged.</summary>
    public static ReleasePlan Plan(string commit, params string[] built)
    {
        var model = ComposeModels.Of(
            ("backend", """{ "image": "app-backend", "build": { "context": "/srv/app/backend" } }"""),
            ("frontend", """{ "image": "app-frontend", "build": { "context": "/srv/app/frontend" } }"""),
            ("redis", """{ "image": "redis:7" }"""));
        return new ReleasePlan(commit, model,
            [.. model.Services.Select(s => built.Contains(s.Name)
                ? new ServicePlan(s, ServiceAction.Built, $"{s.Name}/app changed", Fresh: false, Inputs(s.Name, commit))
                : new ServicePlan(s, ServiceAction.Unchanged, "no input changed", Fresh: false, s.Build is null ? null : Inputs(s.Name, commit)))],
            ConfigurationChanged: false);
    }

    public static BuildInputs Inputs(string service, string commit) =>
        new($"section of {service}", $"files of {commit}", System.Collections.Immutable.ImmutableSortedDictionary<string, string>.Empty.Add($"{service}/.env", "1"));

    public static BuildStep Step(string text, StepState state, double seconds = 1.5, string? error = null) =>
        new("backend", "production", 2, 4, text.Split(' ')[0], text, state, TimeSpan.FromSeconds(seconds), $"sha256:{text}", error, []);

    /// <summary>A release from begin to end.</summary>
    public long Release(string commit, ReleaseOutcome outcome, params string[] built)
    {
        var before = History.Deployed();
        var id = History.Begin(commit, before?.Commit, "poll", forced: false);
        History.SavePlan(id, Plan(commit, built), before);
        foreach (var service in built)
        {
            History.SaveBuild(id, service, $"sha256:{service}-{id}", null, TimeSpan.FromSeconds(7.9), [Step("COPY . .", StepState.Cached), Step("RUN make", StepState.Executed)], [], []);
        }
        History.Finish(id, outcome, outcome == ReleaseOutcome.Succeeded ? null : "an error", Seconds);
        return id;
    }

    public void Dispose()
    {
        Database.Dispose();
        Directory.Delete(_folder, recursive: true);
    }
}

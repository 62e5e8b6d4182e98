using WatchParty.Worker.Building;
using WatchParty.Worker.Tests.Fakes;
using WatchParty.Worker.Tools;
using WatchParty.Worker.Verifying;

namespace WatchParty.Worker.Tests.Simulation;

/// <summary>What is outside of the worker and outlives it: the remote, the site, the flags, and what happens to each step of a release.
/// What it remembers is the oracle's, and not the worker's.</summary>
internal sealed class World(int seed)
{
    private static readonly TimeSpan HangLimit = TimeSpan.FromMinutes(10);
    private readonly HashSet<string> _bad = [];
    private int _pushes;

    public Random Random { get; } = new(seed);

    /// <summary>Ended: from here on no tool fails, unless the commit itself is bad.</summary>
    public bool Calm { get; set; }

    public List<string> Trail { get; } = [];

    public List<string> Violations { get; } = [];

    public List<string> Pushed { get; } = [];

    public string Head => Pushed[^1];

    /// <summary>The commit that all containers are of; null before the first.</summary>
    public string? Serving { get; private set; }

    /// <summary>Whether no deployment is half done.</summary>
    public bool Whole { get; private set; } = true;

    /// <summary>How often a commit's containers were made, and how often it may be: once, and once more for each time it was broken off or asked for.</summary>
    public Dictionary<string, (int Made, int Allowed)> Creates { get; } = [];

    /// <summary>Commits at which a tool said that they are at fault.</summary>
    public HashSet<string> AtFault { get; } = [];

    public void Say(string words) => Trail.Add(words);

    public void Violated(string words)
    {
        Say($"VIOLATED: {words}");
        Violations.Add(words);
    }

    public void Push()
    {
        // Now and then the branch goes back to what it was.
        var commit = _pushes > 1 && Random.Next(8) == 0 ? Pushed[Random.Next(Pushed.Count)] : $"{++_pushes:x40}";
        if (_pushes == Pushed.Distinct().Count() + 1 && Random.Next(6) == 0) { _bad.Add(commit); }
        // A branch that goes back to a commit asks for it once more.
        if (Pushed.Contains(commit)) { Allow(commit); }
        Pushed.Add(commit);
        Say($"push {Short(commit)}{(_bad.Contains(commit) ? " (bad)" : "")}");
    }

    public void Allow(string commit) => Creates[commit] = Creates.GetValueOrDefault(commit) is var (made, allowed) ? (made, allowed + 1) : default;

    public void BeginsDeploying(string commit)
    {
        var (made, allowed) = Creates.GetValueOrDefault(commit);
        Creates[commit] = (made + 1, allowed);
        if (made + 1 > allowed + 1) { Violated($"I2: the containers of {Short(commit)} are made for the {made + 1}. time, {allowed + 1} are allowed"); }
        Whole = false;
    }

    public void Serves(string commit) => (Serving, Whole) = (commit, true);

    /// <summary>One step of a release or of housekeeping: takes its time and ends as the seed says.</summary>
    public async Task StepAsync(string step, string? commit, ManualTimeProvider clock, Func<bool> cancelled, CancellationToken stop)
    {
        var end = Random.Next(Calm ? 1 : 14);
        Say($"  {clock.GetUtcNow():HH:mm:ss} {step} {(commit is null ? "" : Short(commit))}");
        await Task.Delay(end == 1 ? HangLimit : TimeSpan.FromSeconds(Random.Next(1, 100)), clock, CancellationToken.None);
        if (cancelled()) { throw new OperationCanceledException("cancelled", stop); }
        var bad = commit is not null && _bad.Contains(commit);
        Exception? failure = (step, end) switch
        {
            ("build", _) when bad => new BuildFailedException("the step failed", Remedy.NeedsNewCommit),
            (_, 1) => new ToolFailedException(new ToolCommand("docker"), null, "did not end in time"),
            (_, 2) => new WorkerException("the engine is away", Remedy.RetriedByItself),
            ("plan", 3) => new WorkerException("compose cannot read it", Remedy.NeedsNewCommit),
            ("build", 3) => new BuildFailedException("no space left on device", Remedy.RetriedByItself),
            ("verify", 3 or 4 or 5) => new UnhealthyException("it is not healthy"),
            ("detect", 3) => new InvalidOperationException("a bug"),
            _ => null,
        };
        if (failure is null) { return; }
        Say($"    {failure.GetType().Name}");
        if (commit is not null && (bad || failure is UnhealthyException or WorkerException { Remedy: Remedy.NeedsNewCommit } || (!Whole && failure is ToolFailedException))) { AtFault.Add(commit); }
        throw failure;
    }

    public static string Short(string commit) => commit.TrimStart('0');
}

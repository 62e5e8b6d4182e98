using System.Globalization;
using System.Text.RegularExpressions;
using WatchParty.Releases.Recording;
using WatchParty.Tools.Redacting;
using WatchParty.Worker.Control;

namespace WatchParty.Worker.Cli;

/// <summary>What <c>status --watch</c> shows: made of the service's status and of its lines of progress.</summary>
internal sealed partial class LiveStatus
{
    private readonly Dictionary<string, (int Done, int Of, string Text)> _stages = [];
    private readonly List<string> _order = [];
    private string? _last;

    /// <summary>The newest state of the service; null before the first.</summary>
    public ServiceStatus? Status { get; private set; }

    public void Update(ServiceStatus status)
    {
        Status = status;
        if (status.Work is null)
        {
            _stages.Clear();
            _order.Clear();
        }
        else if (status.Progress is { } line)
        {
            See(line);
        }
    }

    /// <returns>Whether it says something new.</returns>
    public bool See(string line)
    {
        if (line == _last) { return false; }
        _last = line;
        if (Status is { Work: not null } status) { Status = status with { Progress = line }; }
        if (StepLine().Match(line) is { Success: true } step)
        {
            var stage = step.Groups["stage"].Value;
            if (!_stages.ContainsKey(stage)) { _order.Add(stage); }
            int Number(string name) => int.Parse(step.Groups[name].Value, CultureInfo.InvariantCulture);
            // Steps of a stage end in any order.
            _stages[stage] = (Math.Max(Number("number"), _stages.GetValueOrDefault(stage).Done), Number("of"), step.Groups["text"].Value);
        }
        else if (line.EndsWith(": Planning", StringComparison.Ordinal))
        {
            _stages.Clear();
            _order.Clear();
        }
        return true;
    }

    /// <summary>The lines to show.</summary>
    /// <param name="width">Of the terminal; longer lines are cut.</param>
    public IEnumerable<string> Lines(DateTimeOffset now, int width)
    {
        string Cut(string text) => EventText.OneLine(text) is var line && line.Length <= width ? line : $"{line[..(width - 1)]}…";
        if (Status is not { } status) { yield break; }
        yield return Cut(status.Work is { } work
            ? $"now   {work}, {ReleaseText.Seconds((now - (status.WorkSince ?? now)).TotalSeconds)}{(status.Waiting > 0 ? $"; {status.Waiting} waiting" : "")}"
            : $"idle  {(status.LastPoll is { } poll ? $"the remote was looked at {poll.ToLocalTime():HH:mm:ss}" : "the remote was not looked at yet")}");
        if (status.NextCommit is { } next) { yield return Cut($"next  commit {ReleaseText.Short(next)}"); }
        if (status.PollError is { } error) { yield return Cut($"remote  {error.ReplaceLineEndings(" ")}"); }
        if (status.Work is not null && _last is { } last && !StepLine().IsMatch(last)) { yield return Cut($"      {last}"); }
        var names = _order.Select(s => s.Length).DefaultIfEmpty(0).Max();
        foreach (var stage in _order)
        {
            var (done, of, text) = _stages[stage];
            yield return Cut($"  {stage.PadRight(names)}  {Bar.Of(done, of)} {done,2}/{of,-2}  {text}");
        }
    }

    // BuildKit's names of steps: "[backend builder 4/7] RUN make", "[2/5] COPY . ."
    [GeneratedRegex(@"^\[(?<stage>.*?)\s*(?<number>\d+)/(?<of>\d+)\]\s*(?<text>.*)$", RegexOptions.Singleline)]
    private static partial Regex StepLine();
}

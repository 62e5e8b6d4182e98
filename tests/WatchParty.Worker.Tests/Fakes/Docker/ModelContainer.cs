using System.Collections.Immutable;
using System.Globalization;
using System.Text.RegularExpressions;
using WatchParty.Tools.Docker;

namespace WatchParty.Worker.Tests.Fakes.Docker;

/// <summary>A container of an <see cref="EngineModel"/>. What becomes of it follows from its command, its health check and the
/// clock.</summary>
internal sealed partial class ModelContainer(string id, string name, ModelImage image, string imageName, ImmutableDictionary<string,
    string> labels)
{
    /// <summary>The engine waits longer before each restart of a container that ends at once; here it is always this long.</summary>
    private static readonly TimeSpan RestartPause = TimeSpan.FromMilliseconds(200);

    private DateTimeOffset? _started;
    private DateTimeOffset? _stopped;

    public string Id { get; } = id;

    public string Name { get; set; } = name;

    public ModelImage Image { get; } = image;

    public string ImageName { get; } = imageName;

    public ImmutableDictionary<string, string> Labels { get; } = labels;

    public string Project => Labels.GetValueOrDefault("com.docker.compose.project", "");

    public string Service => Labels.GetValueOrDefault("com.docker.compose.service", "");

    public ImmutableArray<string> Command { get; init; } = image.Command;

    public HealthCheck? HealthCheck { get; init; } = image.HealthCheck;

    public string RestartPolicy { get; init; } = "no";

    /// <summary>Id by name.</summary>
    public ImmutableDictionary<string, string> Networks { get; set; } = ImmutableDictionary<string, string>.Empty;

    public ImmutableDictionary<string, PublishedPort[]?> Ports { get; init; } = ImmutableDictionary<string, PublishedPort[]?>.Empty;

    public ImmutableArray<ContainerMount> Mounts { get; init; } = [];

    /// <summary>For how long a run lasts, and how it ends; null when it goes on until somebody stops it.</summary>
    private (TimeSpan Lasts, int ExitCode)? Run
    {
        get
        {
            var text = string.Join(' ', Command);
            if (text is "true") { return (TimeSpan.Zero, 0); }
            if (text is "false") { return (TimeSpan.Zero, 1); }
            var match = Ends().Match(text);
            if (!match.Success) { return null; }
            var seconds = match.Groups["seconds"] is { Success: true, Value: var s } ? double.Parse(s, CultureInfo.InvariantCulture) : 0;
            return (TimeSpan.FromSeconds(seconds), int.Parse(match.Groups["code"].Value, CultureInfo.InvariantCulture));
        }
    }

    public bool Runs(DateTimeOffset now) => State(now).Status is "running" or "restarting";

    public void Start(DateTimeOffset now) => (_started, _stopped) = (now, null);

    public void Stop(DateTimeOffset now)
    {
        if (Runs(now)) { _stopped = now; }
    }

    /// <summary>How often its policy has started it again since somebody started it.</summary>
    public int Restarts(DateTimeOffset now)
    {
        if (_started is not { } started || Run is not { } run || !IsStartedAgain(run.ExitCode)) { return 0; }
        return (int)(((_stopped ?? now) - started) / (run.Lasts + RestartPause));
    }

    public ContainerState State(DateTimeOffset now)
    {
        if (_started is not { } started) { return new ContainerState("created", false, false, 0, null, null); }
        if (_stopped is not null) { return new ContainerState("exited", false, false, 137, null, null) { StartedAt = Text(started) }; }
        if (Run is not { } run) { return Running(started, now); }
        if (!IsStartedAgain(run.ExitCode))
        {
            return now < started + run.Lasts ? Running(started, now)
                : new ContainerState("exited", false, false, run.ExitCode, null, null) { StartedAt = Text(started) };
        }
        var last = started + (Restarts(now) * (run.Lasts + RestartPause));
        return now < last + run.Lasts ? Running(last, now)
            : new ContainerState("restarting", true, true, run.ExitCode, null, null) { StartedAt = Text(last) };
    }

    private ContainerState Running(DateTimeOffset since, DateTimeOffset now) =>
        new("running", true, false, 0, null, HealthCheck is { IsNone: false } check ? Health(check, now - since)
            : null)
        { StartedAt = Text(since) };

    private ContainerHealth Health(HealthCheck check, TimeSpan age)
    {
        var probes = (int)(age / check.Interval);
        if (probes == 0) { return new ContainerHealth("starting", 0, []); }
        if (check.Passes(Image.Files)) { return new ContainerHealth("healthy", 0, [new ContainerHealthProbe(0, "")]); }
        var counted = age < check.StartPeriod ? 0 : (int)((age - check.StartPeriod) / check.Interval);
        ContainerHealthProbe[] log = [new(1, "the health check says no")];
        return new ContainerHealth(counted >= check.Retries ? "unhealthy" : "starting", counted, log);
    }

    private bool IsStartedAgain(int exitCode) =>
        RestartPolicy is "always" or "unless-stopped"
            || (RestartPolicy.StartsWith("on-failure", StringComparison.Ordinal) && exitCode != 0);

    private static string Text(DateTimeOffset time) => time.UtcDateTime.ToString("O", CultureInfo.InvariantCulture);

    [GeneratedRegex(@"(sleep (?<seconds>[0-9.]+) *(;|&&) *)?exit (?<code>[0-9]+)", RegexOptions.ExplicitCapture)]
    private static partial Regex Ends();
}

using System.Diagnostics;
using System.Globalization;
using System.Text.Json.Nodes;
using WatchParty.Worker.EngineTests.Harness;

namespace WatchParty.Worker.EngineTests.Reliability;

internal enum Harm
{
    /// <summary>A commit or a request was not done in time.</summary>
    Lost,

    /// <summary>A container was made, or an image built, more often than the case allows.</summary>
    Double,

    /// <summary>The site does not answer, or not with a release that was good.</summary>
    Down,

    /// <summary>A process, a lock, a temporary file or a mount was left behind.</summary>
    Leak,
}

internal sealed record Finding(Harm Harm, string What);

/// <summary>What has to be so in the end.</summary>
/// <param name="Commit">The commit that is released.</param>
/// <param name="Content">What the site answers with.</param>
internal sealed record Expected(string Commit, string Content);

/// <summary>Containers that the engine was asked to make: the worker's own record is not asked.</summary>
internal sealed record Creation(string Service, string Image, string Configuration);

/// <summary>Judges what a worker left. It reads only the engine, git and the file system, never the worker's own database.</summary>
internal sealed class Oracle : IAsyncDisposable
{
    private static readonly TimeSpan LeakLimit = TimeSpan.FromSeconds(10);

    private readonly Application _app;
    private readonly Process _events;
    private readonly List<Creation> _creations = [];

    public Oracle(Application app)
    {
        _app = app;
        // Not asked for afterwards: the engine remembers only the last 256 events, and every health check makes three.
        _events = Command.Start("docker",
            ["events", "--filter", "type=container", "--filter", "event=create", "--filter", $"label=com.docker.compose.project={app.Project}", "--format", "{{json .}}"], null, null);
        _events.OutputDataReceived += (_, e) => Keep(e.Data);
        _events.BeginOutputReadLine();
    }

    public async ValueTask DisposeAsync()
    {
        _events.Kill();
        await _events.WaitForExitAsync();
        _events.Dispose();
    }

    /// <summary>The containers made since the last time this was asked.</summary>
    public IReadOnlyList<Creation> TakeCreations()
    {
        lock (_creations)
        {
            List<Creation> taken = [.. _creations];
            _creations.Clear();
            return taken;
        }
    }

    /// <summary>Waits until all is as expected.</summary>
    /// <returns>What is not so when the time is over; null when all is well.</returns>
    public async Task<Finding?> SettlesAsync(Expected expected, Expected before, TimeSpan limit)
    {
        var started = TimeProvider.System.GetTimestamp();
        string? difference;
        while ((difference = await DifferenceAsync(expected)) is not null)
        {
            if (TimeProvider.System.GetElapsedTime(started) > limit)
            {
                return await AnswerAsync() is { } answer && (answer.Contains(expected.Content, StringComparison.Ordinal) || answer.Contains(before.Content, StringComparison.Ordinal))
                    ? new Finding(Harm.Lost, difference) : new Finding(Harm.Down, difference);
            }
            await Task.Delay(TimeSpan.FromMilliseconds(100), TimeProvider.System);
        }
        return null;
    }

    /// <summary>What differs from <paramref name="expected"/> now, or null.</summary>
    public async Task<string?> DifferenceAsync(Expected expected)
    {
        var answer = await AnswerAsync();
        if (answer?.Contains(expected.Content, StringComparison.Ordinal) != true) { return $"the site answers '{answer}' instead of '{expected.Content}'"; }
        var containers = await ContainersAsync();
        // A killed `compose up` leaves the new container beside the old one, under a name that begins with its id.
        if (containers is not [{ } web] || web != $"{_app.Project}-web-1 running healthy") { return $"the containers are {string.Join(", ", containers)}"; }
        if (await _app.HeadOfCheckoutAsync() is var head && head != expected.Commit) { return $"{head} is checked out instead of {expected.Commit}"; }
        return (await _app.GitAsync(_app.Checkout, "for-each-ref", "--points-at", expected.Commit, "refs/watchparty/release/")).Length > 0 ? null : $"no release of {expected.Commit} is kept";
    }

    /// <summary>What a worker that was killed just now, while it did nothing, has left behind.</summary>
    public async Task<Finding?> LeakAsync()
    {
        var started = TimeProvider.System.GetTimestamp();
        string? leak;
        while ((leak = Leak()) is not null && TimeProvider.System.GetElapsedTime(started) < LeakLimit) { await Task.Delay(TimeSpan.FromMilliseconds(100), TimeProvider.System); }
        return leak is null ? null : new Finding(Harm.Leak, leak);
    }

    private string? Leak()
    {
        var process = Directory.EnumerateDirectories("/proc").Select(p => (Id: Path.GetFileName(p), Words: Read(Path.Combine(p, "environ")) + Read(Path.Combine(p, "cmdline"))))
            .FirstOrDefault(p => int.TryParse(p.Id, CultureInfo.InvariantCulture, out var id) && id != Environment.ProcessId && p.Words.Contains(_app.State, StringComparison.Ordinal));
        if (process.Id is not null) { return $"process {process.Id}: {Read($"/proc/{process.Id}/cmdline").Replace('\0', ' ')}"; }
        if (Read("/proc/self/mounts").Contains(_app.Folder, StringComparison.Ordinal)) { return "a mount"; }
        return Directory.EnumerateFiles(Path.Combine(_app.Checkout, ".git"), "*.lock", SearchOption.AllDirectories)
            .Concat(Directory.EnumerateFiles(_app.Checkout, ".*.claimed")).Concat(Directory.EnumerateFiles(_app.Checkout, ".*.tmp"))
            .Concat(Directory.EnumerateFileSystemEntries(Path.Combine(_app.State, "work"))).Concat(Directory.EnumerateFiles(_app.State, ".probe-*")).FirstOrDefault();
    }

    private async Task<string?> AnswerAsync()
    {
        try
        {
            return await _app.GetAsync("/version");
        }
        catch (Exception e) when (e is HttpRequestException or OperationCanceledException)
        {
            return null;
        }
    }

    private async Task<string[]> ContainersAsync()
    {
        var result = await Command.RunAsync("sh", ["-euc", $$$"""
            ids=$(docker ps -aq --no-trunc --filter label=com.docker.compose.project={{{_app.Project}}})
            [ -z "$ids" ] || docker inspect -f '{{.Name}} {{.State.Status}} {{.State.Health.Status}}' $ids
            """]);
        return result.ExitCode == 0 ? [.. result.Output.Split('\n', StringSplitOptions.RemoveEmptyEntries).Select(l => l.TrimStart('/'))] : ["in change"];
    }

    private void Keep(string? line)
    {
        if (line is null) { return; }
        var labels = JsonNode.Parse(line)!["Actor"]!["Attributes"]!;
        lock (_creations) { _creations.Add(new Creation((string)labels["com.docker.compose.service"]!, (string?)labels["com.docker.compose.image"] ?? "", (string?)labels["com.docker.compose.config-hash"] ?? "")); }
    }

    private static string Read(string file)
    {
        try
        {
            return File.ReadAllText(file);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            return "";
        }
    }
}

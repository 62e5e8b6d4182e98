using System.Globalization;
using WatchParty.Worker.EngineTests.Harness;

namespace WatchParty.Worker.EngineTests.Behaviour;

/// <summary>Random bad releases. <c>BAD_RELEASES=60</c> is the long form; <c>BAD_RELEASES_SEED</c> gives another series.</summary>
public sealed class GoingBackTests : IAsyncLifetime
{
    private static readonly string[] Sides = ["1", "2", "ends", "fails"];

    private Application _app = null!;

    public async Task InitializeAsync()
    {
        var sketch = new Sketch();
        _app = await Application.OfAsync([
            .. sketch.Files,
            ("web/Dockerfile", SmallApplication.Dockerfile), ("web/serve.sh", Sketch.Server), ("web/.dockerignore", "Dockerfile\n"),
            ("api/Dockerfile", "FROM watchparty-sample-base:1\nRUN echo api > /api\nCMD [sh, -c, \"while true; do sleep 1; done\"]\n".Replace("[sh, -c, ", "[\"sh\", \"-c\", ", StringComparison.Ordinal)),
            (".gitignore", ".env\n"),
        ]);
        // On a busy machine what ends at once may run for a second.
        _app.Configure("Deploy:SettleTime", "00:00:03");
        foreach (var side in Sides)
        {
            var command = side switch { "ends" => "exit 0", "fails" => "exit 1", _ => "while true; do sleep 1; done" };
            await Command.ShellAsync($"printf 'FROM watchparty-sample-base:1\\nRUN echo {side} > /side\\nCMD [\"sh\", \"-c\", \"{command}\"]\\n' | docker build -q -t {_app.Project}-side:{side} -");
        }
    }

    public async Task DisposeAsync() => await _app.DisposeAsync();

    [Fact]
    public async Task Whatever_a_commit_spoils_exactly_what_served_before_serves_again()
    {
        var count = Number("BAD_RELEASES", 4);
        var random = new Random(Number("BAD_RELEASES_SEED", 1));
        List<BadRelease> kinds = [.. Enumerable.Range(0, count).Select(i => (BadRelease)(i % Enum.GetValues<BadRelease>().Length))];
        random.Shuffle(System.Runtime.InteropServices.CollectionsMarshal.AsSpan(kinds));
        (await _app.OnceAsync()).Succeeded();
        await Command.ShellAsync($"docker exec {await IdAsync("web")} sh -c 'echo mine > /data/mine'; docker exec {await IdAsync("side")} sh -c 'echo mine > /data/mine'");
        var before = await SnapshotAsync();
        List<string> wrong = [];
        for (var number = 1; number <= count; number++)
        {
            var kind = kinds[number - 1];
            await _app.PushAsync(new Sketch().Spoilt(kind, random, number).Files);
            _app.TakeDockerCalls();
            var run = await _app.OnceAsync();
            var reached = _app.TakeDockerCalls().Any(c => c.Contains(" up --detach", StringComparison.Ordinal));
            var after = await SnapshotAsync();
            if (run.Outcome != "RolledBack" || !reached || after != before)
            {
                wrong.Add($"{number} {kind}: {run.Outcome}{(reached ? "" : ", did not reach up")}: {run.Error}\nbefore:\n{before}\nafter:\n{after}");
            }
        }
        Assert.True(wrong.Count == 0, $"{wrong.Count} of {count}:\n{string.Join("\n\n", wrong)}");
    }

    [Fact]
    public async Task A_person_goes_back_over_each_kind_of_change_to_exactly_what_served_before()
    {
        var random = new Random(Number("BAD_RELEASES_SEED", 1));
        (await _app.OnceAsync()).Succeeded();
        await Command.ShellAsync($"docker exec {await IdAsync("web")} sh -c 'echo mine > /data/mine'; docker exec {await IdAsync("side")} sh -c 'echo mine > /data/mine'");
        var before = await SnapshotAsync();
        for (var number = 1; number <= Math.Max(1, Number("BAD_RELEASES", 4) / 5); number++)
        {
            await _app.PushAsync(new Sketch().Changed(random, number).Files);
            (await _app.OnceAsync()).Succeeded();
            Assert.NotEqual(before, await SnapshotAsync());
            (await _app.RunAsync("rollback", "--json")).Succeeded();
            Assert.Equal(before, await SnapshotAsync());
        }
    }

    /// <summary>By service the image, state and networks of its containers; what the site answers; the files in the volumes.</summary>
    private async Task<string> SnapshotAsync()
    {
        const string Format = """{{index .Config.Labels "com.docker.compose.service"}} {{.Image}} {{.Config.Image}} {{.State.Status}}{{range $n, $v := .NetworkSettings.Networks}} {{$n}}{{end}}""";
        var containers = await Command.ShellAsync($"docker ps -aq --filter label=com.docker.compose.project={_app.Project} | xargs -r docker inspect -f '{Format}' | sort");
        var volumes = await Command.ShellAsync($"docker run --rm -v {_app.Project}_data:/a:ro -v {_app.Project}_side:/b:ro watchparty-sample-base:1 cat /a/mine /b/mine");
        string answer;
        try
        {
            answer = await _app.GetAsync("/version");
        }
        catch (HttpRequestException e)
        {
            answer = e.Message;
        }
        return $"{containers}\n{volumes}\n{answer}";
    }

    private async Task<string> IdAsync(string service) => (await _app.ContainersAsync())[service].Id;

    private static int Number(string variable, int otherwise) =>
        Environment.GetEnvironmentVariable(variable) is { Length: > 0 } text ? int.Parse(text, CultureInfo.InvariantCulture) : otherwise;
}

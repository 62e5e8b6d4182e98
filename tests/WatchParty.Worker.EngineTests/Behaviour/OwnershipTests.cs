using System.Text.Json.Nodes;
using WatchParty.Worker.EngineTests.Harness;

namespace WatchParty.Worker.EngineTests.Behaviour;

[Trait("Store", "Overlay2")]
public sealed class OwnershipTests
{
    private const string Idle = "    image: watchparty-sample-base:1\n    init: true\n    command: [sleep, \"600\"]\n    restart: always\n";

    private static readonly string[] Labels = ["project.working_dir", "project.config_files", "config-hash"];

    private static (string Path, string? Text) Compose(params string[] services) =>
        ("compose.yaml", SmallApplication.Compose([.. services.Select(s => $"  {s}:\n{Idle}")]));

    // Which files --------------------------------------------------------------------------------------------------------

    [Theory]
    [InlineData("compose.yaml", "")]
    [InlineData("docker-compose.yml", "")]
    [InlineData("deploy/base.yaml", "COMPOSE_FILE=deploy/base.yaml:more.yaml\n")]
    [InlineData("base.yaml", "COMPOSE_PATH_SEPARATOR=;\nCOMPOSE_FILE=base.yaml;more.yaml\n")]
    public async Task What_a_person_started_with_plain_compose_is_not_made_anew_and_the_other_way_round(string file, string variables)
    {
        // In the folder of the first file compose looks for a .env of its own as well.
        const string Words = "    environment: {STAGE: \"${STAGE:?is not set}\"}\n    volumes: [\"./data:/data\", \"kept:/kept\"]\n"
            + "    profiles: [on]\n";
        await using var app = await Application.OfAsync(
            (file, SmallApplication.Compose($"  one:\n{Idle}{Words}", $"  two:\n{Idle}", $"  off:\n{Idle}    profiles: [off]\n")
                + "volumes: {kept: {}}\n"),
            (variables.Length > 0 ? "more.yaml" : file.Replace(".y", ".override.y", StringComparison.Ordinal),
                $"services:\n  two:\n    environment: {{MORE: \"1\"}}\n"),
            ("deploy/.env", "OTHER=1\n"), (".gitignore", ".env\n"));
        app.Configure("Compose:ProjectName", null);
        await File.AppendAllTextAsync(Path.Combine(app.Checkout, ".env"),
            $"{variables}STAGE=live\nCOMPOSE_PROFILES=on\nCOMPOSE_PROJECT_NAME={app.Project}\n");
        await ByHandAsync(app.Checkout, "up --detach");
        var before = await app.ContainersAsync();
        Assert.Equal(["one", "two"], before.Keys.Order(StringComparer.Ordinal));

        var first = (await app.OnceAsync()).Succeeded();
        Assert.Equal(before, await app.ContainersAsync());
        Assert.Empty(first.Notes);

        // What the worker makes, a person's own command leaves alone, and it has the same labels.
        var byHand = await LabelsAsync(app);
        await ByHandAsync(app.Checkout, "rm --force --stop one two");
        await app.PushAsync("docs.md", "Words.\n");
        (await app.OnceAsync()).Succeeded();
        Assert.Equal(byHand, await LabelsAsync(app));
        before = await app.ContainersAsync();
        await ByHandAsync(app.Checkout, "up --detach");
        Assert.Equal(before, await app.ContainersAsync());
    }

    [Fact]
    public async Task A_file_outside_of_the_checkout_is_taken_only_when_it_is_named_in_full()
    {
        await using var app = await Application.OfAsync(Compose("one"), (".gitignore", ".env\n"));
        await File.WriteAllTextAsync(app.In("compose.yaml"), Compose("neighbour").Text);
        (await app.OnceAsync()).Succeeded();

        await app.PushAsync(("compose.yaml", null), ("app/compose.yaml", Compose("one").Text));
        var run = (await app.OnceAsync()).Expect("Failed", 1);
        Assert.StartsWith($"There is no compose file in {app.Checkout}: looked for compose.yaml, ", run.Error, StringComparison.Ordinal);
        Assert.Contains("Compose:Files", run.Error, StringComparison.Ordinal);

        // A link that a commit brings leads nowhere else either.
        File.CreateSymbolicLink(Path.Combine(app.Clone, "compose.yaml"), "../compose.yaml");
        await app.PushAsync("docs.md", "Words.\n");
        run = (await app.OnceAsync()).Expect("Failed", 1);
        Assert.StartsWith("The compose file compose.yaml (compose's own choice) leads out of the checkout",
            run.Error, StringComparison.Ordinal);

        await File.AppendAllTextAsync(Path.Combine(app.Checkout, ".env"), "COMPOSE_FILE=../compose.yaml\n");
        run = (await app.OnceAsync("--force-rebuild")).Expect("Failed", 1);
        Assert.Contains($"(COMPOSE_FILE of {app.Checkout}/.env) leads out of the checkout", run.Error, StringComparison.Ordinal);
        Assert.Equal(["one"], (await app.ContainersAsync()).Keys);

        app.Configure("Compose:Files", new JsonArray(app.In("compose.yaml")));
        (await app.OnceAsync("--force-rebuild")).Succeeded();
        Assert.Equal(["neighbour"], (await app.ContainersAsync()).Keys);
    }

    // Whose folder -------------------------------------------------------------------------------------------------------

    [Fact]
    public async Task Containers_of_another_folder_are_refused_until_they_are_to_be_taken_over()
    {
        await using var app = await Application.OfAsync(Compose("one", "two"), (".gitignore", ".env\n"));
        var old = app.In("old");
        await app.GitAsync(app.Folder, "clone", "--quiet", "origin.git", "old");
        await ByHandAsync(old, $"--project-name {app.Project} up --detach");
        var before = await app.ContainersAsync();

        var plan = await app.RunAsync("plan");
        Assert.Equal(1, plan.ExitCode);
        Assert.Contains(
            $"The compose project {app.Project} runs already, from another folder: {old} "
            + $"(containers {app.Project}-one-1, {app.Project}-two-1)", plan.Errors, StringComparison.Ordinal);
        var run = (await app.OnceAsync()).Expect("Failed", 1);
        Assert.Contains($"set Compose:AdoptFrom to {old}", run.Error, StringComparison.Ordinal);
        Assert.Contains("Compose:ProjectName", run.Error, StringComparison.Ordinal);
        var checks = (await app.RunAsync("doctor", "--json")).Json["checks"]!.AsArray();
        Assert.Contains(checks, c => (string?)c!["name"] == "containers" && (string?)c["status"] == "Warning");
        Assert.Equal(before, await app.ContainersAsync());

        app.Configure("Compose:AdoptFrom", old);
        var adopted = (await app.OnceAsync()).Succeeded();
        Assert.Contains(adopted.Notes, n => n.Contains("taken over (Compose:AdoptFrom)", StringComparison.Ordinal));
        // Nothing of them differs, so they stay; a service that goes now goes from them too.
        Assert.Equal(before, await app.ContainersAsync());
        await app.PushAsync([Compose("one")]);
        Assert.Equal(["one Unchanged", "two Removed"], (await app.OnceAsync()).Succeeded().Counts);
        Assert.Equal(["one"], (await app.ContainersAsync()).Keys);
    }

    [Fact]
    public async Task A_checkout_that_was_moved_is_another_folder_and_a_start_does_not_fight_over_its_containers()
    {
        await using var app = await Application.OfAsync(Compose("one"), (".gitignore", ".env\n"));
        (await app.OnceAsync()).Succeeded();
        var before = await app.ContainersAsync();
        Directory.Move(app.Checkout, app.In("moved"));
        app.Configure("Repository:Path", app.In("moved"));

        var service = await app.StartServiceAsync();
        await service.SaysAsync("could not be brought up again");
        Assert.Contains($"runs already, from another folder: {app.Checkout}", service.Log, StringComparison.Ordinal);
        await service.StopAsync();
        await app.PushAsync([Compose("one", "two")]);
        (await app.OnceAsync()).Expect("Failed", 1);
        Assert.Equal(before, await app.ContainersAsync());

        app.Configure("Compose:AdoptFrom", app.Checkout);
        (await app.OnceAsync()).Succeeded();
        Assert.Equal(["one", "two"], (await app.ContainersAsync()).Keys.Order(StringComparer.Ordinal));
    }

    // What is left over --------------------------------------------------------------------------------------------------

    [Fact]
    public async Task A_renamed_service_goes_before_the_new_one_comes_and_comes_back_with_the_release_before()
    {
        const string Published =
            "    ports: [\"127.0.0.1:${WEB_PORT}:8000\"]\n    volumes: [\"data:/data\"]\n" + SmallApplication.HealthCheck;
        var web = SmallApplication.Service("web", Published);
        string Named(string name) =>
            SmallApplication.Compose(web.Replace("  web:", $"  {name}:", StringComparison.Ordinal)) + "volumes: {data: {}}\n";
        await using var app = await Application.OfAsync(
            [("compose.yaml", Named("web")), .. SmallApplication.Folder("web"), (".gitignore", ".env\n")]);
        (await app.OnceAsync()).Succeeded();
        var container = (await app.ContainersAsync())["web"];
        await Command.ShellAsync($"docker exec {container.Id} sh -c 'echo kept > /data/file'");

        // Both publish the same port.
        await app.PushAsync("compose.yaml", Named("site"));
        var renamed = (await app.OnceAsync()).Succeeded();
        Assert.Equal(["site Built", "web Removed"], renamed.Services.Select(s => $"{s.Name} {s.Action}").Order(StringComparer.Ordinal));
        var site = Assert.Single(await app.ContainersAsync());
        Assert.Equal("site", site.Key);
        Assert.Equal("kept", await Command.ShellAsync($"docker exec {site.Value.Id} cat /data/file"));

        await app.PushAsync(("compose.yaml", Named("front")), ("web/status", "bad\n"));
        (await app.OnceAsync()).Expect("RolledBack", 1);
        Assert.Equal(["site"], (await app.ContainersAsync()).Keys);
        Assert.Equal("ok\n", await app.GetAsync("/health"));
    }

    [Fact]
    public async Task What_a_person_started_under_the_projects_name_stays_and_is_told()
    {
        await using var app = await Application.OfAsync(Compose("one", "two", "three"), (".gitignore", ".env\nmonitoring.yml\n"));
        (await app.OnceAsync()).Succeeded();
        // One that a release of ours had once, and that a person runs by a file of their own now; one that never was ours; one-off
        // containers.
        var monitoring = SmallApplication.Compose($"  two:\n{Idle}", $"  metrics:\n{Idle}");
        await File.WriteAllTextAsync(Path.Combine(app.Checkout, "monitoring.yml"), monitoring);
        await ByHandAsync(app.Checkout, $"--project-name {app.Project} --file monitoring.yml up --detach --force-recreate two metrics");
        await ByHandAsync(app.Checkout, $"--project-name {app.Project} run three true");
        await ByHandAsync(app.Checkout, $"--project-name {app.Project} run --detach three sleep 600");
        await app.PushAsync([Compose("one")]);

        var run = (await app.OnceAsync()).Succeeded();

        Assert.Equal(["metrics", "one", "three", "three", "two"], await ServicesAsync(app));
        var note = Assert.Single(run.Notes, n => n.StartsWith("metrics bears the name of the project", StringComparison.Ordinal));
        Assert.Contains($"{app.Project}-metrics-1", note, StringComparison.Ordinal);
        Assert.Contains(run.Notes, n => n.StartsWith("two bears the name of the project", StringComparison.Ordinal));
        Assert.Equal(["one Unchanged", "three Removed"], run.Counts);
        await app.PushAsync("docs.md", "Words.\n");
        Assert.Contains("note: metrics bears the name of the project", (await app.RunAsync("plan")).Errors, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_service_whose_profile_is_taken_away_stays_as_compose_leaves_it()
    {
        await using var app = await Application.OfAsync(
            ("compose.yaml", SmallApplication.Compose($"  one:\n{Idle}", $"  tool:\n{Idle}    profiles: [tools]\n")),
            (".gitignore", ".env\n"));
        app.Configure("Compose:Profiles", new JsonArray("tools"));
        (await app.OnceAsync()).Succeeded();
        var before = await app.ContainersAsync();
        app.Configure("Compose:Profiles", null);
        await app.PushAsync("docs.md", "Words.\n");

        var run = (await app.OnceAsync()).Succeeded();
        Assert.Contains(run.Notes, n => n.StartsWith("tool is behind a profile that is not active now", StringComparison.Ordinal));
        Assert.Equal(before, await app.ContainersAsync());
    }

    // Whose image --------------------------------------------------------------------------------------------------------

    [Fact]
    public async Task A_built_name_that_another_project_runs_is_refused_also_when_the_name_has_moved_on()
    {
        await using var app = await Application.OfAsync([("compose.yaml", SmallApplication.Compose(SmallApplication.Service("web"))),
            .. SmallApplication.Folder("web"), (".gitignore", ".env\n")]);
        var site = Idle.Replace("watchparty-sample-base:1", $"docker.io/library/{app.Project}-web:latest", StringComparison.Ordinal);
        await using var other = await Application.OfAsync(("compose.yaml", SmallApplication.Compose($"  site:\n{site}")));
        await Command.ShellAsync($"docker tag watchparty-sample-base:1 {app.Project}-web:latest");
        await ByHandAsync(other.Checkout, $"--project-name {other.Project} up --detach");
        var before = await other.ContainersAsync();

        async Task IsRefusedAsync()
        {
            var run = (await app.OnceAsync()).Expect("Failed", 1);
            Assert.Contains(
                $"The image {app.Project}-web:latest that is built for web of {app.Project} is the one of site "
                + $"of the compose project {other.Project} as well", run.Error, StringComparison.Ordinal);
        }
        await IsRefusedAsync();
        // The engine then says the container's image as an id.
        await Command.ShellAsync(
            $"printf 'FROM watchparty-sample-base:1\\nRUN echo moved > /moved\\n' | docker build -q -t {app.Project}-web:latest -");
        await IsRefusedAsync();
        Assert.Equal(before, await other.ContainersAsync());
        Assert.Empty(await app.ContainersAsync());

        await ByHandAsync(other.Checkout, $"--project-name {other.Project} stop --timeout 0");
        (await app.OnceAsync()).Succeeded();
    }

    private static Task<string> ByHandAsync(string folder, string arguments) =>
        Command.ShellAsync($"docker compose {arguments} </dev/null", folder);

    private static async Task<IReadOnlyList<string>> LabelsAsync(Application app)
    {
        var format = string.Join(' ', Labels.Select(l => $$$"""{{index .Config.Labels "com.docker.compose.{{{l}}}"}}"""));
        var containers = (await app.ContainersAsync()).OrderBy(c => c.Key, StringComparer.Ordinal).Select(c => c.Value.Id);
        return (await Command.OutputAsync("docker", ["inspect", "-f", format, .. containers])).Split('\n');
    }

    private static async Task<IReadOnlyList<string>> ServicesAsync(Application app) =>
        [.. (await Command.OutputAsync("docker", ["ps", "-a", "--filter", $"label=com.docker.compose.project={app.Project}", "--format",
            "{{.Label \"com.docker.compose.service\"}}"]))
            .Split('\n').Order(StringComparer.Ordinal)];
}

using WatchParty.Worker.EngineTests.Harness;

namespace WatchParty.Worker.EngineTests.Behaviour;

[Trait("Store", "Any")]
public sealed class SecretsTests
{
    /// <summary>Each is printed by something that fails: a step of a build, a health check, compose, git.</summary>
    [Fact]
    public async Task Secrets_that_builds_checks_compose_and_git_print_are_in_nothing_that_the_worker_leaves()
    {
        string[] kinds = ["file", "variable", "argument", "configured", "line", "remote", "address"];
        var canaries = kinds.ToDictionary(k => k, k => $"canary-{k}-{Guid.NewGuid():N}");
        var compose = SmallApplication.Compose(SmallApplication.Service("web", """
                environment: {API_KEY: "${API_KEY}", DATABASE_URL: "${DATABASE_URL}"}
                healthcheck: {test: [CMD-SHELL, "echo $$API_KEY $$DATABASE_URL; exit 1"], interval: 500ms, timeout: 2s, retries: 2}

            """)
            .Replace("args: {", "secrets: [npm]\n      args: {NPM_TOKEN: \"${NPM_TOKEN}\", ", StringComparison.Ordinal)) + "secrets: {npm: {file: ./npm.secret}}\n";
        const string failing = "FROM watchparty-sample-base:1\nARG NPM_TOKEN\nARG DEPLOY_TOKEN\nRUN --mount=type=secret,id=npm echo \"$(cat /run/secrets/npm) and $NPM_TOKEN and $DEPLOY_TOKEN\"; false\n";
        await using var app = await Application.OfAsync([.. SmallApplication.Folder("web"), ("compose.yaml", compose), ("web/Dockerfile", failing), (".gitignore", ".env\nnpm.secret\n")]);
        await File.AppendAllTextAsync(Path.Combine(app.Checkout, ".env"),
            $"API_KEY={canaries["variable"]}\nNPM_TOKEN={canaries["argument"]}\nDATABASE_URL=postgres://app:{canaries["address"]}@db/app\n");
        await File.WriteAllTextAsync(Path.Combine(app.Checkout, "npm.secret"), canaries["file"] + "\n");
        app.Configure("Build:Arguments", new System.Text.Json.Nodes.JsonObject { ["DEPLOY_TOKEN"] = canaries["configured"] });

        List<string> said = [];
        var service = await app.StartServiceAsync();
        await app.ReleasedAsync(await app.HeadOfCheckoutAsync(), "BuildFailed");
        await app.ReleasedAsync(await app.PushAsync("web/Dockerfile", SmallApplication.Dockerfile), "DeployFailed");
        await service.StopAsync();
        said.Add(service.Log);

        await File.AppendAllTextAsync(Path.Combine(app.Checkout, ".env"), $"BAD_TOKEN='{canaries["line"]}\n");
        await app.PushAsync("docs.md", "a commit\n");
        said.Add((await app.OnceAsync()).Expect("Failed", 1).All);
        await app.GitAsync(app.Checkout, "remote", "set-url", "origin", $"https://deploy:{canaries["remote"]}@127.0.0.1:1/app.git");
        foreach (var verb in (string[][])[["once"], ["doctor"], ["status", "--json"], ["history", "--json"], ["show", "1"], ["show", "2", "--json"], ["plan"]]) { said.Add((await app.RunAsync(verb)).All); }

        // That they were printed at all, and are missed for the right reason.
        Assert.Contains("*** and *** and ***", string.Join('\n', said), StringComparison.Ordinal);
        Assert.Contains("web is unhealthy: *** postgres://***@db/app", string.Join('\n', said), StringComparison.Ordinal);
        foreach (var file in Directory.EnumerateFiles(app.State, "*", SearchOption.AllDirectories).Where(f => File.Exists(f) && new FileInfo(f).Length > 0))
        {
            said.Add($"{file}: {System.Text.Encoding.Latin1.GetString(await File.ReadAllBytesAsync(file))}");
        }
        Assert.All(canaries, c => Assert.DoesNotContain(said, s => s.Contains(c.Value, StringComparison.Ordinal)));
    }
}

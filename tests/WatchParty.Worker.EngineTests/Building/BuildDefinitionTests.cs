using System.Collections.Immutable;
using System.Text.Json.Nodes;
using Microsoft.Extensions.Logging.Abstractions;
using WatchParty.Releases.Baking;
using WatchParty.Releases.Planning;
using WatchParty.Tools.Configuration;
using WatchParty.Tools.Docker;
using WatchParty.Tools.Failures;
using WatchParty.Tools.Processes;
using WatchParty.Worker.EngineTests.Harness;

namespace WatchParty.Worker.EngineTests.Building;

/// <summary>Every key of the build specification (compose-spec, build.md): what the worker builds by is what compose prints; where compose prints
/// nothing it is the same from our own translation, or it is refused with the key.</summary>
[Trait("Store", "Containerd")]
[Trait("Engine", "Older")]
public sealed class BuildDefinitionTests : IDisposable
{
    private readonly string _folder = Directory.CreateTempSubdirectory("definition-").FullName;
    private readonly ToolRunner _runner = new(TimeProvider.System, NullLogger<ToolRunner>.Instance);

    public void Dispose() => Directory.Delete(_folder, recursive: true);

    /// <summary>Keys that compose 2.26 does not have itself.</summary>
    private static readonly string[] Newer = ["entitlements", "provenance", "sbom"];

    [Theory]
    [InlineData("additional_contexts", "{f: ./web, i: docker-image://busybox, s: service:basis, g: https://example.org/a.git#main}")]
    [InlineData("args", "{A: 1, B: null, C: $C_OF_ENV, D: \"$${x}\", E: a$$b, F: \"%{x}\"}")]
    [InlineData("args", "[A=1, B, NOT_SET]")]
    [InlineData("cache_from", "[app:latest, \"type=local,src=./cache\"]")]
    [InlineData("cache_to", "[type=inline, \"type=local,dest=./cache\"]")]
    [InlineData("context", "https://example.org/app.git#main:sub")]
    [InlineData("dockerfile", "other/Dockerfile")]
    [InlineData("dockerfile", "../web/Dockerfile")]
    [InlineData("dockerfile_inline", "\"FROM scratch\\nENV A=$${B} C=$$D\"")]
    [InlineData("entitlements", "[network.host]")]
    [InlineData("extra_hosts", "[\"a=1.2.3.4\", \"b:5.6.7.8\"]")]
    [InlineData("isolation", "default")]
    [InlineData("labels", "{l: 1, m: a$$b}")]
    [InlineData("labels", "[l=1]")]
    [InlineData("network", "none")]
    [InlineData("network", "host")]
    [InlineData("no_cache", "true")]
    [InlineData("platforms", "[linux/arm64]")]
    [InlineData("platforms", "[linux/amd64, linux/arm64]")]
    [InlineData("privileged", "true")]
    [InlineData("provenance", "mode=max")]
    [InlineData("pull", "true")]
    [InlineData("sbom", "true")]
    [InlineData("secrets", "[v, {source: f, target: other, mode: 0400}]")]
    [InlineData("shm_size", "128m")]
    [InlineData("ssh", "[default]")]
    [InlineData("tags", "[\"app:1\", \"app:2\"]")]
    [InlineData("target", "last")]
    [InlineData("ulimits", "{nofile: 4321}")]
    [InlineData("ulimits", "{nofile: {soft: 10, hard: 20}}")]
    public async Task A_key_means_what_it_means_to_compose(string key, string value)
    {
        Directory.CreateDirectory(Path.Combine(_folder, "web"));
        await File.WriteAllTextAsync(Path.Combine(_folder, ".env"), "B=of-env\nC_OF_ENV=of-env\nTOKEN=t\n");
        await File.WriteAllTextAsync(Path.Combine(_folder, "secret"), "s");
        await File.WriteAllTextAsync(Path.Combine(_folder, "compose.yaml"), $$"""
            name: table
            services:
              web:
                build:
                  {{(key == "context" ? "" : "context: ./web")}}
                  {{key}}: {{value}}
              basis: {build: ./web}
            secrets: {v: {environment: TOKEN}, f: {file: ./secret} }
            """);
        var project = new ComposeProject(_folder, new ComposeOptions(), "GIT_COMMIT_HASH", ImmutableDictionary<string, string?>.Empty);
        var version = Version.Parse((await _runner.OutputOfAsync(DockerCommands.ComposeVersion(), CancellationToken.None)).Trim().TrimStart('v').Split('-', '+')[0]);
        var prints = version >= new Version(2, 35);
        var resolved = await _runner.RunAsync(DockerCommands.ComposeConfig(project, "c"), CancellationToken.None);
        if (resolved.ExitCode != 0)
        {
            Assert.True(!prints && Newer.Contains(key), $"{key}: {resolved.ErrorTail}");
            return;
        }
        var model = ComposeModel.Parse(resolved.Output);
        BuildDefinition definition;
        try
        {
            definition = (await new BuildDefinitions(project, _runner).OfAsync(model, CancellationToken.None))["web"];
        }
        catch (WorkerException e) when (!prints)
        {
            // An older bake leaves these out in silence.
            Assert.Contains(key is "privileged" ? "entitlements" : key, e.Message, StringComparison.Ordinal);
            return;
        }

        var translated = BuildTranslation.Targets(JsonNode.Parse(resolved.Output)!.AsObject())["web"]!.AsObject();
        // What compose itself prints.
        var expected = prints ? JsonNode.Parse(await Command.OutputAsync("docker", ["compose", "build", "--print", "web"], _folder))!["target"]!["web"]!.AsObject() : translated;
        Assert.Equal(Comparable(expected), Comparable(definition.Target));
        // What an older compose is given in its place.
        if (!Newer.Contains(key) || key == "entitlements") { Assert.Equal(Comparable(expected), Comparable(translated)); }
    }

    private static string Comparable(JsonObject target)
    {
        var copy = target.DeepClone().AsObject();
        copy["labels"]!.AsObject().Remove("com.docker.compose.version");
        if (copy["network"]?.ToString() == "host") { copy.Remove("entitlements"); }
        return new JsonObject(copy.OrderBy(p => p.Key, StringComparer.Ordinal).Select(p => KeyValuePair.Create(p.Key, p.Value is JsonObject map
            ? new JsonObject(map.OrderBy(m => m.Key, StringComparer.Ordinal).Select(m => KeyValuePair.Create(m.Key, m.Value?.DeepClone()))) : p.Value?.DeepClone()))).ToJsonString();
    }
}

using System.Collections.Immutable;

namespace WatchParty.Worker.EngineTests.Behaviour;

/// <summary>What a commit changes so that its release cannot stay.</summary>
internal enum BadRelease
{
    Tag,
    ImageName,
    Setting,
    Command,
    HealthCheck,
    Network,
    Volume,
    PullPolicy,
    EnvFile,
    ServiceAdded,
    ServiceRemoved,
    ServiceRenamed,
}

/// <summary>An application as a commit has it: two built services, one of an image made elsewhere, two volumes.</summary>
internal sealed record Sketch
{
    public const string Server = """
        [ "$MODE" = ok ] && [ "$SETTING" = ok ] || { echo "cannot start"; exit 5; }
        mkdir -p /tmp/www
        { echo "commit: $GIT_COMMIT_HASH"; cat content.txt; } > /tmp/www/version
        echo ok > /tmp/www/health
        exec httpd -f -p 8000 -h /tmp/www

        """;

    public string Web { get; init; } = "web";

    public string WebImage { get; init; } = "PROJECT-web:latest";

    public string Mode { get; init; } = "ok";

    public string Setting { get; init; } = "ok";

    public string Health { get; init; } = "/health";

    public string Data { get; init; } = "/data";

    public string SideTag { get; init; } = "1";

    public bool HasApi { get; init; } = true;

    /// <summary>Further lines of a service's section, by service; of <c>networks</c> and <c>volumes</c>, too.</summary>
    public ImmutableSortedDictionary<string, string> More { get; init; } = ImmutableSortedDictionary<string, string>.Empty;

    /// <summary>A whole further service.</summary>
    public string Added { get; init; } = "";

    public string Content { get; init; } = "content";

    public (string Path, string? Text)[] Files =>
    [
        ("compose.yaml", $$$"""
            services:
              {{{Web}}}:
                build: {context: ./web, args: {GIT_COMMIT_HASH: "${GIT_COMMIT_HASH:-unknown}"}}
                image: {{{WebImage}}}
                init: true
                restart: unless-stopped
                stop_signal: SIGKILL
                ports: ["127.0.0.1:${WEB_PORT}:8000"]
                environment: {MODE: {{{Mode}}}}
                env_file: [web.env]
                volumes: ["data:{{{Data}}}"]
                healthcheck: {test: [CMD, wget, -q, -O, /dev/null, "http://127.0.0.1:8000{{{Health}}}"], interval: 500ms, timeout: 2s, retries: 3}
            {{{Of(Web)}}}{{{(HasApi ? Api : "")}}}  side:
                image: PROJECT-side:{{{SideTag}}}
                init: true
                restart: unless-stopped
                stop_signal: SIGKILL
                volumes: ["side:/data"]
            {{{Of("side")}}}{{{Added}}}volumes:
              data: {}
              side: {}
            {{{Of("volumes")}}}networks:
              default: {}
            {{{Of("networks")}}}
            """),
        ("web.env", $"SETTING={Setting}\n"),
        ("web/content.txt", $"{Content}\n"),
    ];

    private string Api => $"""
          api:
            build: ./api
            image: PROJECT-api:latest
            init: true
            restart: unless-stopped
            stop_signal: SIGKILL
        {Of("api")}
        """;

    public Sketch With(string section, string lines) => this with { More = More.SetItem(section, More.GetValueOrDefault(section, "") + lines) };

    private string Of(string section) => More.GetValueOrDefault(section, "");

    /// <summary>The same application with a fault of this kind, and as a rule with a harmless change beside it.</summary>
    public Sketch Spoilt(BadRelease kind, Random random, int number)
    {
        const string Ends = "    command: [sh, -c, \"echo cannot; exit 3\"]\n";
        var sketch = random.Next(2) == 0 ? this with { Content = $"content {number}" } : this;
        return kind switch
        {
            BadRelease.Tag => sketch with { SideTag = random.Next(2) == 0 ? "fails" : "ends" },
            BadRelease.ImageName => sketch with { WebImage = $"PROJECT-web:v{number}", Mode = "bad" },
            BadRelease.Setting => sketch with { Mode = "bad" },
            BadRelease.Command => sketch.With(random.Next(3) switch { 0 => "web", 1 => "api", _ => "side" }, Ends),
            BadRelease.HealthCheck => sketch with { Health = "/nowhere" },
            BadRelease.Network when random.Next(2) == 0 => sketch.With("networks", "  further: {}\n").With("web", "    networks: [further]\n").With("api", Ends),
            BadRelease.Network => (sketch with { Mode = "bad" }).With("networks", "  further: {internal: true}\n").With("side", "    networks: [default, further]\n"),
            BadRelease.Volume when random.Next(2) == 0 => sketch.With("volumes", $"  more{number}: {{}}\n").With("api", $"    volumes: [\"more{number}:/more\"]\n{Ends}"),
            BadRelease.Volume => sketch with { Data = $"/data{number}", Health = "/nowhere" },
            BadRelease.PullPolicy => sketch.With("side", $"    pull_policy: {(random.Next(2) == 0 ? "never" : "missing")}\n{Ends}"),
            BadRelease.EnvFile => sketch with { Setting = "bad" },
            BadRelease.ServiceAdded => sketch with { Added = $"  added{number}:\n    image: PROJECT-side:{(random.Next(2) == 0 ? "fails" : "ends")}\n    restart: unless-stopped\n" },
            BadRelease.ServiceRemoved => sketch with { HasApi = false, Mode = "bad" },
            _ => sketch with { Web = "site", WebImage = random.Next(2) == 0 ? "PROJECT-site:latest" : WebImage, Health = "/nowhere" },
        };
    }

    /// <summary>The same application after a change that works.</summary>
    public Sketch Changed(Random random, int number) => random.Next(5) switch
    {
        0 => this with { SideTag = "2" },
        1 => this with { WebImage = $"PROJECT-web:w{number}", Content = $"further {number}" },
        2 => this with { HasApi = false, Content = $"further {number}" },
        3 => With("networks", "  further: {}\n").With("side", "    networks: [default, further]\n"),
        _ => this with { Web = "site", WebImage = "PROJECT-site:latest" },
    };
}

namespace WatchParty.Worker.EngineTests.Harness;

/// <summary>Files of an application that builds and starts in a moment; its services answer /health and /version as those of the sample do.</summary>
internal static class SmallApplication
{
    /// <summary>Two counted steps. The commit changes neither.</summary>
    public const string Dockerfile = """
        FROM watchparty-sample-base:1
        WORKDIR /app
        COPY . .
        RUN sh -n serve.sh
        ARG GIT_COMMIT_HASH=unknown
        ENV GIT_COMMIT_HASH=$GIT_COMMIT_HASH
        CMD ["sh", "serve.sh"]

        """;

    public const string Server = """
        mkdir -p /tmp/www
        { echo "commit: $GIT_COMMIT_HASH"; cat content.txt; } > /tmp/www/version
        [ "$(cat status)" != ok ] || echo ok > /tmp/www/health
        exec httpd -f -p 8000 -h /tmp/www

        """;

    /// <summary>A health check for the end of a service's section.</summary>
    public const string HealthCheck = """
            healthcheck: {test: [CMD, wget, -q, -O, /dev/null, "http://127.0.0.1:8000/health"], interval: 500ms, timeout: 2s, retries: 3, start_period: 1s}

        """;

    /// <summary>A service that is built in the folder of its name.</summary>
    public static string Service(string name, string more = "") => $$"""
          {{name}}:
            image: PROJECT-{{name}}:latest
            build:
              context: ./{{name}}
              cache_from: [PROJECT-{{name}}:latest]
              args: {GIT_COMMIT_HASH: "${GIT_COMMIT_HASH:-unknown}"}
            init: true
            restart: unless-stopped

        """ + more;

    public static string Compose(params string[] services) => "services:\n" + string.Concat(services);

    /// <summary>Service "web" with a port and a health check, and "side" that shares nothing with it and has neither.</summary>
    public static (string Path, string? Text)[] WebAndSide =>
    [
        ("compose.yaml", Compose(Service("web", "    ports: [\"127.0.0.1:${WEB_PORT}:8000\"]\n" + HealthCheck), Service("side"))),
        .. Folder("web"), .. Folder("side"),
        ("docs/README.md", "A small application.\n"),
        (".gitignore", ".env\n"),
    ];

    public static (string Path, string? Text)[] Web =>
    [
        ("compose.yaml", Compose(Service("web", "    ports: [\"127.0.0.1:${WEB_PORT}:8000\"]\n" + HealthCheck))),
        .. Folder("web"),
        (".gitignore", ".env\n"),
    ];

    public static (string Path, string? Text)[] Folder(string name) =>
    [
        ($"{name}/Dockerfile", Dockerfile),
        ($"{name}/serve.sh", Server),
        ($"{name}/content.txt", $"{name} {Guid.NewGuid():N}\n"),
        ($"{name}/status", "ok\n"),
    ];
}

namespace WatchParty.Worker.Tests.Fakes;

/// <summary>Files of a small application for a <see cref="Flow"/>. Its compose file is JSON, which is YAML as well.</summary>
internal static class FlowApplication
{
    public const string Dockerfile = """
        FROM base:1
        WORKDIR /app
        COPY . .
        RUN sh -n serve.sh
        ARG GIT_COMMIT_HASH=unknown
        ENV GIT_COMMIT_HASH=$GIT_COMMIT_HASH
        CMD ["sh", "serve.sh"]

        """;

    public const string HealthCheck = """
        "healthcheck": {"test": ["CMD", "wget", "http://127.0.0.1:8000/health"], "interval": "200ms", "retries": 5}
        """;

    /// <summary>A service that is built in the folder of its name. Its health check asks what the file <c>status</c> says.</summary>
    /// <param name="more">Further keys of its section.</param>
    public static string Built(string name, string more = HealthCheck) => $$$"""
        "{{{name}}}": {
          "image": "app-{{{name}}}:latest",
          "build": {"context": "./{{{name}}}", "args": {"GIT_COMMIT_HASH": "${GIT_COMMIT_HASH:-unknown}"}},
          "restart": "unless-stopped"{{{Comma(more)}}}
        }
        """;

    /// <summary>A service of a ready image.</summary>
    public static string Ready(string name, string image, string more = "") => $$$"""
        "{{{name}}}": {"image": "{{{image}}}", "restart": "unless-stopped"{{{Comma(more)}}}}
        """;

    public static string Compose(params string[] services) => ComposeWith("", services);

    /// <param name="more">Further sections of the file.</param>
    public static string ComposeWith(string more, params string[] services) =>
        $$"""{"name": "app", "services": { {{string.Join(",\n", services)}} }{{Comma(more)}}}""";

    public static (string Path, string? Content)[] Folder(string name) =>
    [
        ($"{name}/Dockerfile", Dockerfile), ($"{name}/.dockerignore", "Dockerfile\n.dockerignore\n"), ($"{name}/serve.sh", "exec httpd\n"),
        ($"{name}/content.txt", $"{name} 1\n"), ($"{name}/status", "ok\n"),
    ];

    /// <summary>Services <c>web</c>, which is built, and <c>db</c> of a ready image.</summary>
    public static (string Path, string? Content)[] WebAndDatabase =>
        [("compose.yaml", Compose(Built("web"), Ready("db", "postgres:16"))), .. Folder("web"), ("docs/README.md", "words\n")];

    private static string Comma(string more) => more.Length == 0 ? "" : $", {more}";
}

using WatchParty.Worker.EngineTests.Harness;

namespace WatchParty.Worker.EngineTests.Caching;

/// <summary>A small application with two stages and one service, none of whose steps another application shares.</summary>
internal static class CachedApplication
{
    /// <summary>Counted steps: 2 of "deps", 5 of the last stage.</summary>
    public const string Dockerfile = """
        FROM watchparty-sample-base:1 AS deps
        WORKDIR /deps
        COPY packages.txt .
        RUN echo PROJECT > salt && cp packages.txt installed

        FROM watchparty-sample-base:1
        ARG GIT_COMMIT_HASH=unknown
        RUN echo PROJECT > /system
        WORKDIR /app
        COPY --from=deps /deps/installed .
        COPY serve.sh status content.txt ./
        RUN sh -n serve.sh
        RUN echo "$GIT_COMMIT_HASH" > commit
        ENV GIT_COMMIT_HASH=$GIT_COMMIT_HASH
        CMD ["sh", "serve.sh"]

        """;

    /// <param name="dockerfile">Instead of the usual one.</param>
    /// <param name="build">More lines of the build section.</param>
    public static (string Path, string? Text)[] Files(string dockerfile = Dockerfile, string build = "") =>
    [
        ("compose.yaml", $$"""
            services:
              web:
                image: PROJECT-web:latest
                build:
                  context: ./web
                  args: {GIT_COMMIT_HASH: "${GIT_COMMIT_HASH:-unknown}", FLAVOUR: plain}
            {{build}}
                init: true
                restart: unless-stopped
                ports: ["127.0.0.1:${WEB_PORT}:8000"]

            """ + SmallApplication.HealthCheck),
        ("web/Dockerfile", dockerfile),
        ("web/serve.sh", SmallApplication.Server),
        ("web/packages.txt", "one\n"),
        ("web/content.txt", "first\n"),
        ("web/status", "ok\n"),
        ("docs/README.md", "Words.\n"),
        (".gitignore", ".env\n"),
    ];

    public static async Task<Application> StartAsync(string dockerfile = Dockerfile, string build = "")
    {
        var app = await Application.OfAsync(Files(dockerfile, build));
        app.Configure("Deploy:SettleTime", "00:00:00");
        return app;
    }

    /// <summary>Commits another content of the web service.</summary>
    public static Task<string> PushContentAsync(this Application app) => app.PushAsync("web/content.txt", $"{Guid.NewGuid():N}\n");
}

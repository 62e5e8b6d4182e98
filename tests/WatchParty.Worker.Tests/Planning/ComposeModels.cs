using WatchParty.Releases.Planning;

namespace WatchParty.Worker.Tests.Planning;

/// <summary>What <c>docker compose config --format json</c> 2.26.1 prints.</summary>
internal static class ComposeModels
{
    /// <summary>Of a file that uses what compose knows: replicas, scale, disabled health checks, build secrets, services without an image, <c>$$</c>.</summary>
    public const string Shapes = """
        {
          "name": "shapes",
          "networks": { "default": { "name": "shapes_default", "ipam": {} } },
          "secrets": {
            "npm": { "name": "shapes_npm", "file": "/srv/app/npm$$1.token" },
            "token": { "name": "shapes_token", "environment": "TOKEN" }
          },
          "services": {
            "backend": {
              "build": { "context": "/srv/app/backend", "dockerfile": "Dockerfile" },
              "command": null,
              "entrypoint": null,
              "healthcheck": { "disable": true },
              "image": "shapes/backend:1.0",
              "networks": { "default": null },
              "restart": "always",
              "scale": 3
            },
            "inline": {
              "build": { "context": "/srv/app", "dockerfile_inline": "FROM busybox\nRUN echo $$HOME\n" },
              "command": null,
              "entrypoint": null,
              "networks": { "default": null }
            },
            "job": { "command": null, "entrypoint": null, "image": "shapes/backend:1.0", "networks": { "default": null }, "restart": "on-failure:3" },
            "migrate": { "command": [ "python", "manage.py", "migrate" ], "entrypoint": null, "image": "shapes/backend:1.0", "networks": { "default": null }, "restart": "no" },
            "redis": { "command": null, "entrypoint": null, "healthcheck": { "test": [ "NONE" ] }, "image": "redis:7", "networks": { "default": null } },
            "web": {
              "build": {
                "context": "/srv/app/frontend",
                "dockerfile": "Dockerfile",
                "args": { "GIT_COMMIT_HASH": "abc", "PRICE": "5$$" },
                "cache_from": [ "web:latest", "type=registry,ref=registry.example.org/web:cache" ],
                "additional_contexts": { "base": "service:backend", "shared": "/srv/app/extra" },
                "target": "production",
                "secrets": [ { "source": "npm" }, { "source": "token", "target": "tok" } ],
                "tags": [ "web:extra" ]
              },
              "command": null,
              "deploy": { "replicas": 2, "resources": {}, "placement": {} },
              "entrypoint": null,
              "environment": { "PASSWORD": "a$$b" },
              "healthcheck": { "test": [ "CMD", "true" ], "interval": "5s" },
              "networks": { "default": null },
              "restart": "unless-stopped"
            }
          }
        }
        """;

    /// <summary>The same file with the profile <c>debug</c>, shortened to the service it adds.</summary>
    public const string WithProfile = """
        {
          "name": "shapes",
          "networks": { "default": { "name": "shapes_default", "ipam": {} } },
          "services": {
            "debug": { "profiles": [ "debug" ], "command": null, "entrypoint": null, "image": "busybox", "networks": { "default": null } }
          }
        }
        """;

    public const string WithoutServices = """
        {
          "name": "none",
          "services": {}
        }
        """;

    public static ComposeService Service(this ComposeModel model, string name) => model.Services.Single(s => s.Name == name);

    /// <summary>A model with a build section for each name, as JSON.</summary>
    public static ComposeModel Of(params (string Name, string Section)[] services) => ComposeModel.Parse(
        $$"""{ "name": "app", "services": { {{string.Join(", ", services.Select(s => $"\"{s.Name}\": {s.Section}"))}} } }""");
}

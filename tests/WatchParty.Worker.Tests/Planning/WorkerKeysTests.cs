using WatchParty.Worker.Planning;

namespace WatchParty.Worker.Tests.Planning;

public sealed class WorkerKeysTests
{
    /// <summary>As <c>docker compose config</c> 2.26 and 2.40 print it.</summary>
    private const string Yaml = """
        name: app
        services:
          tasks:
            command:
              - sh
              - -c
              - |
                x-watchparty:
                  health: ignore
            image: app
            x-watchparty:
              health: ignore
          web:
            environment:
              TEXT: |
                x-watchparty:
                  health: ignore
            image: app
            x-watchparty:
              health: trust
          worker:
            image: app
            x-watchparty:
              other: 1
              health: "ignore"
        volumes:
          tasks2:
            x-watchparty:
              health: ignore
        x-watchparty:
          health: ignore
        """;

    [Fact]
    public void HealthThatIsIgnored_IsReadOfServicesAlone() => Assert.Equal(["tasks", "worker"], WorkerKeys.IgnoringHealth(Yaml).Order(StringComparer.Ordinal));

    [Fact]
    public void Model_KnowsWhoseHealthIsIgnored() =>
        Assert.True(ComposeModels.Of(("a", "{}")).WithHealthIgnored(new HashSet<string> { "a", "b" }).Service("a").IgnoresHealth);
}

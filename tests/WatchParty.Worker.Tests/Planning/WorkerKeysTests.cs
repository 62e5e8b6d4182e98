using WatchParty.Releases.Planning;
using WatchParty.Tools.Failures;

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
    public void HealthThatIsIgnored_IsReadOfServicesAlone() =>
        Assert.Equal(["tasks", "worker"], WorkerKeys.Of(Yaml).Where(k => k.Value.IgnoresHealth).Select(k => k.Key).Order(StringComparer.Ordinal));

    private static OnMountChange? OnMountChange(string value) => WorkerKeys.Of(Yaml.Replace("other: 1", $"on_mount_change: {value}", StringComparison.Ordinal))["worker"].OnMountChange;

    [Theory]
    [InlineData("restart", "Restart")]
    [InlineData("recreate", "Recreate")]
    [InlineData("\"ignore\"", "Ignore")]
    [InlineData("signal:SIGHUP", "Signal SIGHUP")]
    [InlineData("signal:SIGUSR2", "Signal SIGUSR2")]
    public void WhatAServiceGets_IsWhatItsFileSays(string value, string expected) =>
        Assert.Equal(expected, OnMountChange(value) is { } on ? $"{on.Handling} {on.Signal}".Trim() : null);

    [Theory]
    [InlineData("reload")]
    [InlineData("signal:HUP")]
    [InlineData("signal:SIGKILL")]
    [InlineData("signal: SIGHUP")]
    [InlineData("signal:SIGHUP; rm")]
    [InlineData("Restart")]
    [InlineData("true")]
    [InlineData("")]
    public void AValueThatIsNotKnown_IsRefusedWithKeyAndFix(string value)
    {
        var refused = Assert.Throws<WorkerException>(() => OnMountChange(value));

        Assert.StartsWith("services.worker.x-watchparty.on_mount_change is ", refused.Message, StringComparison.Ordinal);
        Assert.EndsWith("Write restart, recreate, ignore, or signal: and a signal, for example signal:SIGHUP", refused.Message, StringComparison.Ordinal);
        Assert.Equal(Remedy.NeedsPerson, refused.Remedy);
    }

    [Fact]
    public void Model_KnowsWhoseHealthIsIgnored() =>
        Assert.True(ComposeModels.Of(("a", "{}")).With(new Dictionary<string, ServiceKeys> { ["a"] = new(IgnoresHealth: true), ["b"] = new() }).Service("a").IgnoresHealth);
}

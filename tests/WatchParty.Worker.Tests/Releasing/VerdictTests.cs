using System.Collections.Immutable;
using WatchParty.Releases.Recording;
using WatchParty.Tools.Docker;
using WatchParty.Worker.Tests.Fakes;
using WatchParty.Worker.Tests.Fakes.Docker;

namespace WatchParty.Worker.Tests.Releasing;

/// <summary>What a release comes to when compose refuses, when it fails on its way, and when a service ends.</summary>
public sealed class VerdictTests
{
    /// <summary>The application with a change to its service <c>db</c>, and further sections.</summary>
    private static (string Path, string? Content)[] Changed(string keys, string image = "postgres:16", string sections = "") =>
        [("compose.yaml", FlowApplication.ComposeWith(sections, FlowApplication.Built("web"), FlowApplication.Ready("db", image, keys))),
            ("web/content.txt", "web 2\n")];

    public static TheoryData<string, string, string, string, string> WhatIsMissing => new()
    {
        { "network", "\"networks\": [\"proxy\"]", "postgres:16", "\"networks\": {\"proxy\": {\"external\": true, \"name\": \"proxy\"}}",
            "network proxy declared as external, but could not be found" },
        { "volume", "\"volumes\": [\"shared:/shared\"]", "postgres:16",
            "\"volumes\": {\"shared\": {\"external\": true, \"name\": \"shared\"}}", "external volume \"shared\" not found" },
        { "image", "\"init\": true", "registry.invalid/db:1", "", "pull access denied for registry.invalid/db" },
    };

    [Theory]
    [MemberData(nameof(WhatIsMissing))]
    public async Task What_is_missing_on_the_machine_touches_nothing_and_is_released_once_it_is_there(string kind, string keys,
        string image, string sections, string words)
    {
        using var flow = Flow.OfWebAndDatabase();
        await flow.ReleaseAsync();
        var before = flow.Serving;

        var report = await flow.ReleaseAsync(Changed(keys, image, sections));

        Assert.Equal(ReleaseOutcome.Failed, report.Outcome);
        Assert.StartsWith("Docker compose refused, and no container was touched", report.Error, StringComparison.Ordinal);
        Assert.Contains(words, report.Error, StringComparison.Ordinal);
        Assert.Equal(before, flow.Serving);

        switch (kind)
        {
            case "network": flow.Engine.AddNetwork("proxy"); break;
            case "volume": flow.Engine.AddVolume("shared"); break;
            default: flow.Engine.Registry[image] = flow.Engine.Registry["postgres:16"] with { Id = "sha256:other" }; break;
        }
        Assert.Equal((ReleaseOutcome.Succeeded, null), await flow.ReleaseAsync() is var after ? (after.Outcome, after.Error) : default);
    }

    [Theory]
    [InlineData("\"command\": [\"sh\", \"-c\", \"exit 0\"], \"restart\": null",
        "db ended with exit code 0, and the file does not say that it is to end")]
    [InlineData("\"command\": [\"sh\", \"-c\", \"sleep 20; exit 3\"], \"restart\": \"no\"", "db ended with exit code 3")]
    [InlineData("\"command\": [\"sh\", \"-c\", \"sleep 20; exit 0\"], \"restart\": \"no\"", null, ReleaseOutcome.Succeeded)]
    public async Task What_ends_is_a_job_or_a_failure(string keys, string? words, object? outcome = null)
    {
        using var flow = Flow.OfWebAndDatabase();
        await flow.ReleaseAsync();
        var before = flow.Serving;
        var service = $"\"db\": {{\"image\": \"postgres:16\", {keys.Replace(", \"restart\": null", "", StringComparison.Ordinal)}}}";

        var report = await flow.ReleaseAsync(("compose.yaml", FlowApplication.Compose(FlowApplication.Built("web"), service)));

        Assert.Equal(outcome ?? ReleaseOutcome.RolledBack, report.Outcome);
        if (outcome is not null) { return; }
        Assert.StartsWith(words!, report.Error, StringComparison.Ordinal);
        Assert.Equal(before, flow.Serving);
    }

    [Fact]
    public async Task What_compose_says_is_a_failure_though_every_container_runs()
    {
        using var flow = Flow.OfWebAndDatabase();
        await flow.ReleaseAsync();
        var before = flow.Serving;
        // Another program has the port: the container is there and cannot start.
        flow.Engine.Create(new ModelContainer("other", "other", flow.Engine.Find("postgres:16")!, "postgres:16",
            ImmutableDictionary<string, string>.Empty)
        {
            Ports = ImmutableDictionary<string, PublishedPort[]?>.Empty.Add("80/tcp", [new("0.0.0.0", "8080")]),
        }).Start(flow.Clock.GetUtcNow());

        var report = await flow.ReleaseAsync(Changed("\"ports\": [\"8080:80\"]"));

        Assert.Equal(ReleaseOutcome.RolledBack, report.Outcome);
        Assert.Contains("port is already allocated", report.Error, StringComparison.Ordinal);
        Assert.Equal(before, flow.Serving.Where(s => s.Service.Length > 0));
    }

    [Fact]
    public async Task A_container_that_lost_its_network_is_made_anew_with_the_next_release()
    {
        using var flow = Flow.OfWebAndDatabase();
        await flow.ReleaseAsync();
        var db = flow.Engine.Containers.Single(c => c.Service == "db");
        db.Networks = db.Networks.Clear();

        Assert.Equal(ReleaseOutcome.Succeeded, (await flow.ReleaseAsync(("web/content.txt", "web 2\n"))).Outcome);
        Assert.NotEqual(db.Id, flow.Engine.Containers.Single(c => c.Service == "db").Id);
        Assert.NotEmpty(flow.Engine.Containers.Single(c => c.Service == "db").Networks);
    }
}

using System.Text.Json;
using WatchParty.Releases.Deploying;
using WatchParty.Releases.Planning;
using WatchParty.Tools.Docker;

namespace WatchParty.Worker.Tests.Deploying;

public sealed class DifferencesTests
{
    private static readonly ComposeModel Model = ComposeModel.Parse("""
        {
          "name": "app",
          "networks": { "default": { "name": "app_default" }, "proxy": { "name": "proxy", "external": true } },
          "volumes": { "data": { "name": "app_data" } },
          "services": {
            "web": {
              "image": "app-web", "restart": "always", "networks": { "default": null, "proxy": null },
              "ports": [{ "target": 8000, "published": "80", "protocol": "tcp" }],
              "volumes": [{ "type": "volume", "source": "data", "target": "/data/" }]
            }
          }
        }
        """);

    private const string Right = """
        {
          "Id": "1", "Name": "/app-web-1", "Image": "i1", "RestartCount": 0, "HostConfig": {},
          "State": { "Status": "running", "Running": true },
          "Mounts": [{ "Type": "volume", "Name": "app_data", "Destination": "/data" }],
          "NetworkSettings": {
            "Networks": {
              "app_default": { "NetworkID": "n1", "Aliases": ["app-web-1", "web"], "DNSNames": ["app-web-1", "web", "1"] },
              "proxy": { "NetworkID": "n2", "Aliases": ["web"] }
            },
            "Ports": { "8000/tcp": [{ "HostIp": "0.0.0.0", "HostPort": "80" }], "9000/tcp": null }
          }
        }
        """;

    private static NetworkDetails Network(string id, string name, bool isInternal = false) => new(id, name, "bridge", isInternal, null,
        null);

    private static SeenContainer Container(string json)
    {
        var details = JsonSerializer.Deserialize(json, DockerJson.Default.ContainerDetails)!;
        return SeenContainer.Of(new ContainerSummary(details.Id, [details.Name], details.Image, details.State.Status, new()
        {
            ["com.docker.compose.service"] = "web",
            ["com.docker.compose.config-hash"] = "x",
            ["com.docker.compose.image"] = "label",
        }), details);
    }

    private static string Words(ContainerSet containers, Expected? expected = null) =>
        string.Join("; ", Differences.Of(Model, containers, expected ?? Expecting()).Select(d => d.Words));

    private static Expected Expecting(string? image = "i1", string hash = "x", params NetworkDetails[] networks) => new(
        new Dictionary<string, string> { ["web"] = hash }, new Dictionary<string, string?> { ["web"] = image },
        (networks.Length > 0 ? networks : [Network("n1", "app_default"), Network("n2", "proxy")]).ToDictionary(n => n.Name));

    [Fact]
    public void Container_AsTheModelSays_DiffersInNothing() => Assert.Empty(Words(new([Container(Right)])));

    [Theory]
    [InlineData("\"NetworkID\": \"n1\"", "\"NetworkID\": \"n0\"", "web is in a network app_default that was made anew since")]
    [InlineData("\"app_default\":", "\"other\":", "web is not in the network app_default")]
    [InlineData("\"app-web-1\", \"web\"", "\"app-web-1\"", "web is not found by its name in the network app_default")]
    [InlineData("\"HostPort\": \"80\"", "\"HostPort\": \"8080\"", "web is not bound to port 80 of this machine")]
    [InlineData("[{ \"HostIp\": \"0.0.0.0\", \"HostPort\": \"80\" }]", "null", "web is not bound to port 80 of this machine")]
    [InlineData("app_data", "0123", "web does not have the volume app_data at /data/")]
    [InlineData("\"/data\"", "\"/other\"", "web does not have the volume app_data at /data/")]
    public void Container_ThatIsOtherwise_DiffersInThat(string was, string now, string words) =>
        Assert.Equal(words, Words(new([Container(Right.Replace(was, now, StringComparison.Ordinal))])));

    [Fact]
    public void Network_ThatIsGone_IsADifference() =>
        Assert.Equal("web is in a network proxy that no longer exists", Words(new([Container(Right)]),
            Expecting(networks: Network("n1", "app_default"))));

    [Fact]
    public void Container_ThatDoesNotRun_HasNoNetworksToCompare() => Assert.Empty(Words(new([Container(Right
        .Replace("\"running\"", "\"exited\"", StringComparison.Ordinal).Replace("\"n1\"", "\"\"", StringComparison.Ordinal)
            .Replace("\"HostPort\": \"80\"", "\"HostPort\": \"\"", StringComparison.Ordinal))])));

    [Fact]
    public void Port_OfANetworkThatLeadsNowhere_IsNotBoundByTheEngine() => Assert.Empty(Words(
        new([Container(Right.Replace("\"HostPort\": \"80\"", "\"HostPort\": \"\"", StringComparison.Ordinal))]),
        Expecting(networks: [Network("n1", "app_default", isInternal: true), Network("n2", "proxy", isInternal: true)])));

    [Theory]
    [InlineData("i2", "x", "web runs another image than app-web")]
    [InlineData(null, "x", "web runs an image that is no longer named app-web")]
    [InlineData("i1", "y", "web has another configuration")]
    [InlineData("label", "x", "")]
    public void Image_IsTheOneThatIsExpected(string? image, string hash, string words) =>
        Assert.Equal(words, Words(new([Container(Right)]), Expecting(image, hash)));

    [Fact]
    public void Service_WhoseImageIsNotKnown_IsNotComparedInIt() =>
        Assert.Empty(Words(new([Container(Right)]), Expecting() with { Images = new Dictionary<string, string?>() }));

    [Fact]
    public void Containers_AreCounted() => Assert.Equal("web has 0 of 1 containers", Words(new([])));

    [Fact]
    public void Containers_ThatNobodyTouched_AreTheSame()
    {
        var before = new ContainerSet([Container(Right)]);

        Assert.True(new ContainerSet([Container(Right)]).IsUntouchedSince(before));
        Assert.False(new ContainerSet([]).IsUntouchedSince(before));
        Assert.False(new ContainerSet([Container(Right.Replace("\"running\"", "\"exited\"", StringComparison.Ordinal))]).IsUntouchedSince(
            before));
        Assert.False(new ContainerSet([Container(Right.Replace("\"n1\"", "\"n3\"", StringComparison.Ordinal))]).IsUntouchedSince(before));
        Assert.False(new ContainerSet(
            [Container(Right.Replace("\"Id\": \"1\"", "\"Id\": \"2\"", StringComparison.Ordinal))]).IsUntouchedSince(before));
        Assert.True(new ContainerSet([Container(Right.Replace("\"RestartCount\": 0", "\"RestartCount\": 1", StringComparison.Ordinal)
            .Replace("\"running\"", "\"restarting\"", StringComparison.Ordinal))]).IsUntouchedSince(before));
    }
}

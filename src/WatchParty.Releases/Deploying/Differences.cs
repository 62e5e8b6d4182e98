using System.Text.RegularExpressions;
using WatchParty.Releases.Planning;
using WatchParty.Tools.Docker;

namespace WatchParty.Releases.Deploying;

/// <summary>Something in which the containers of a service are not what the model says.</summary>
/// <param name="Words">A whole sentence without its full stop, in which the service is named.</param>
internal sealed record Difference(string Service, string Words);

/// <summary>What the containers of a model should be.</summary>
/// <param name="Hashes">What compose makes of the configuration of each service; null when that is not compared.</param>
/// <param name="Images">Id of the image that each service should run, null where there is none; a service that is missing here is not
/// compared.</param>
/// <param name="Networks">By name, of the model's networks that exist.</param>
internal sealed record Expected(
    IReadOnlyDictionary<string, string>? Hashes,
    IReadOnlyDictionary<string, string?> Images,
    IReadOnlyDictionary<string, NetworkDetails> Networks);

/// <summary>In what containers differ from their model: the rule by which they are touched, and by which a release is judged
/// afterwards.</summary>
/// <remarks>It is compose's own rule (<c>mustRecreate</c> in pkg/compose/convergence.go) with what compose leaves out: the names under
/// which a container is found on its networks, which it loses when compose makes a network anew and only starts it (2.40), and the ports
/// that are really bound. As in compose, networks are asked of running containers only. Whether a container should run is not said
/// here.</remarks>
internal static partial class Differences
{
    // Docker knows no names on these.
    private static readonly string[] WithoutNames = ["bridge", "host", "none"];

    public static IReadOnlyList<Difference> Of(ComposeModel model, ContainerSet containers, Expected expected) =>
        [.. model.Services.SelectMany(s => OfService(model, s, containers.Of(s.Name), expected)
            .Select(words => new Difference(s.Name, $"{s.Name} {words}")))];

    private static IEnumerable<string> OfService(
        ComposeModel model, ComposeService service, IReadOnlyList<SeenContainer> own, Expected expected)
    {
        if (own.Count != service.Replicas) { yield return $"has {own.Count} of {service.Replicas} containers"; }
        foreach (var container in own)
        {
            if (expected.Hashes is { } hashes && container.Configuration != hashes.GetValueOrDefault(service.Name))
            {
                yield return "has another configuration";
            }
            if (expected.Images.TryGetValue(service.Name, out var image) && container.Image != image
                && (image is null || container.ImageByCompose != image))
            {
                yield return image is null
                    ? $"runs an image that is no longer named {service.Image}"
                    : $"runs another image than {service.Image}";
            }
            if (container.Details is not { } details) { continue; }
            foreach (var words in OfVolumes(model, service, details)) { yield return words; }
            if (!container.Runs) { continue; }
            foreach (var words in OfNetworks(model, service, details, expected)) { yield return words; }
            foreach (var words in OfPorts(service, details, expected)) { yield return words; }
        }
    }

    private static IEnumerable<string> OfVolumes(ComposeModel model, ComposeService service, ContainerDetails details) => service.Volumes
        .Where(v => details.Mounts is not null && model.Volumes.ContainsKey(v.Volume))
        .Select(v => (model.Volumes[v.Volume].Name, v.Target))
        .Where(v => !details.Mounts!.Any(m => m.Type == "volume" && m.Name == v.Name && SameFolder(m.Destination, v.Target)))
        .Select(v => $"does not have the volume {v.Name} at {v.Target}");

    private static IEnumerable<string> OfNetworks(ComposeModel model, ComposeService service, ContainerDetails details, Expected expected)
    {
        if (details.NetworkSettings is not { } settings) { yield break; }
        foreach (var name in service.Networks.Where(model.Networks.ContainsKey).Select(key => model.Networks[key].Name))
        {
            if (settings.Networks?.GetValueOrDefault(name) is not { } attached) { yield return $"is not in the network {name}"; }
            else if (expected.Networks.GetValueOrDefault(name) is not { } network)
            {
                yield return $"is in a network {name} that no longer exists";
            }
            else if (attached.NetworkID != network.Id) { yield return $"is in a network {name} that was made anew since"; }
            else if (!WithoutNames.Contains(name) && !IsFound(service.Name, attached))
            {
                yield return $"is not found by its name in the network {name}";
            }
        }
    }

    private static bool IsFound(string name, ContainerNetwork attached) =>
        (attached.DNSNames ?? attached.Aliases) is not { } names || names.Contains(name) || attached.Aliases?.Contains(name) == true;

    /// <summary>The engine binds a port in a bridge network that leads outside; others (internal, macvlan, routed) have none, whatever a
    /// file says.</summary>
    private static IEnumerable<string> OfPorts(ComposeService service, ContainerDetails details, Expected expected)
    {
        if (details.NetworkSettings is not { Ports: { } bound, Networks: { } networks }) { return []; }
        var binds = networks.Keys.Any(name => expected.Networks.GetValueOrDefault(name) is { Driver: "bridge", Internal: false } network
            && network.Options?.Keys.Any(o => o.Contains("gateway_mode", StringComparison.Ordinal)) != true);
        return !binds ? [] : service.Ports
            .Where(p => bound.GetValueOrDefault(p.Target) is not { } hosts || !hosts.Any(h => p.Allows(h.HostPort)))
            .Select(p => p.Published is null
                ? $"has no port of this machine for {p.Target}"
                : $"is not bound to port {p.Published} of this machine");
    }

    private static bool SameFolder(string one, string other) => Trailing().Replace(one, "") == Trailing().Replace(other, "");

    [GeneratedRegex("/+$")]
    private static partial Regex Trailing();
}

using System.Collections.Immutable;
using System.Globalization;
using System.Text.RegularExpressions;
using WatchParty.Releases.Baking;
using WatchParty.Releases.Deploying;
using WatchParty.Releases.Planning;
using WatchParty.Tools.Configuration;
using WatchParty.Tools.Docker;

namespace WatchParty.Releases.Releasing;

/// <summary>Something that a person should know before a release, or after one that went well all the same.</summary>
/// <param name="Fix">What to do about it; null when it speaks for itself.</param>
/// <param name="Always">Whether it is still worth saying when the service is seen to be healthy.</param>
internal sealed record Forewarning(string Text, string? Fix = null, bool Always = true)
{
    public override string ToString() => Fix is null ? Text : $"{Text}. {Fix}";
}

/// <summary>What compose passes over in silence, and what will surprise who does not know it. It keeps no release from anything.</summary>
internal sealed partial class Forewarnings(DeployOptions options, BuildOptions build, IDockerEngine engine)
{
    /// <param name="built">Names of the services that are about to be built.</param>
    public async Task<IReadOnlyList<Forewarning>> OfAsync(
        ComposeModel model, string commit, IReadOnlyCollection<string> built, CancellationToken cancellationToken)
    {
        var containers = await ContainerSet.LookAsync(engine, model.Project, cancellationToken);
        return
        [
            .. model.Warnings.Select(w => new Forewarning(w)),
            .. SharedNames(model),
            .. await VolumesAsync(model, cancellationToken),
            .. await NetworksAsync(model, cancellationToken),
            .. await HiddenAsync(model, containers, built, cancellationToken),
            .. await HealthAsync(model, commit, containers, cancellationToken),
        ];
    }

    private static IEnumerable<Forewarning> SharedNames(ComposeModel model) => model.Built.GroupBy(s => s.Image)
        .Where(g => g.Select(s => s.Build!.Content.ToJsonString()).Distinct().Count() > 1)
        .Select(g => new Forewarning(
            $"{Listed(g.Select(s => s.Name))} are built in different ways under the one image name {g.Key}, "
            + "so all of them run what is built last", "Give each an image: of its own"));

    private async Task<IEnumerable<Forewarning>> VolumesAsync(ComposeModel model, CancellationToken cancellationToken)
    {
        List<Forewarning> found = [];
        foreach (var section in model.Volumes.Values.Where(v => !v.External && v.Name.Length > 0))
        {
            if (await engine.FindVolumeAsync(section.Name, cancellationToken) is not { } volume) { continue; }
            List<string> other =
            [
                .. Differing(section.Options, volume.Options, both: true),
                .. volume.Driver == (section.Driver ?? "local") ? Array.Empty<string>() : ["driver"],
            ];
            if (other.Count == 0) { continue; }
            found.Add(new($"the volume {section.Name} exists with other options than the compose file has ({Listed(other)}); "
                + "compose keeps it as it is, and what is in it",
                $"When its content may go: docker compose down, docker volume rm {section.Name}, and a forced rebuild"));
        }
        return found;
    }

    private async Task<IEnumerable<Forewarning>> NetworksAsync(ComposeModel model, CancellationToken cancellationToken)
    {
        List<Forewarning> found = [];
        foreach (var section in model.Networks.Values.Where(n => !n.External && n.Name.Length > 0))
        {
            if (await engine.FindNetworkAsync(section.Name, cancellationToken) is not { } network) { continue; }
            var subnets = network.IPAM?.Config?.Select(p => p.Subnet ?? "").ToHashSet() ?? [];
            List<string> other =
            [
                .. network.Driver == (section.Driver ?? "bridge") ? Array.Empty<string>() : ["driver"],
                .. network.Internal == section.Internal ? Array.Empty<string>() : ["internal"],
                .. section.Subnets.All(subnets.Contains) ? Array.Empty<string>() : ["subnet"],
                // The engine may have options of its own for every network.
                .. Differing(section.Options, network.Options, both: false),
            ];
            if (other.Count == 0) { continue; }
            found.Add(new($"the network {section.Name} exists with other settings than the compose file has ({Listed(other)}); "
                + "compose up to 2.30 keeps it as it is, later ones stop its containers and make it anew"));
        }
        return found;
    }

    /// <summary>Names of the options with other values; the values may be passwords.</summary>
    private static IEnumerable<string> Differing(
        ImmutableDictionary<string, string> wanted, Dictionary<string, string>? actual, bool both) =>
        wanted.Keys.Concat(both ? actual?.Keys ?? Enumerable.Empty<string>() : []).Distinct().Order(StringComparer.Ordinal)
            .Where(key => wanted.GetValueOrDefault(key) != actual?.GetValueOrDefault(key));

    private async Task<IEnumerable<Forewarning>> HiddenAsync(
        ComposeModel model, ContainerSet containers, IReadOnlyCollection<string> built, CancellationToken cancellationToken)
    {
        List<Forewarning> found = [];
        foreach (var service in model.Services)
        {
            var mounts = containers.Of(service.Name).SelectMany(c => c.Details?.Mounts ?? []);
            var nameless = mounts.Where(m => m.Type == "volume" && Anonymous().IsMatch(m.Name ?? ""));
            var folders = nameless.Select(m => m.Destination).Distinct().ToList();
            if (folders.Count == 0) { continue; }
            var changes = built.Contains(service.Name) || model.Built.Any(b => b.Image == service.Image && built.Contains(b.Name))
                || (await engine.FindImageAsync(service.Image, cancellationToken))?.Id is { } id
                    && containers.Of(service.Name).Any(c => c.Image != id && c.ImageByCompose != id);
            if (!changes) { continue; }
            found.Add(new($"{service.Name} gets another image and keeps the volume without a name at {Listed(folders)}, "
                + "so it does not see what that image has there",
                $"Where that matters: docker compose up -d --renew-anon-volumes {service.Name}, or take the volume out of the file"));
        }
        return found;
    }

    private async Task<IEnumerable<Forewarning>> HealthAsync(
        ComposeModel model, string commit, ContainerSet containers, CancellationToken cancellationToken)
    {
        List<Forewarning> found = [];
        foreach (var service in model.Services.Where(s => s.Replicas > 0 && !s.IgnoresHealth && s.Health is not { Disabled: true }))
        {
            var isHealthy = containers.IsUp(service, c => c.Runs && c.Health == "healthy");
            var check = service.Health is null ? await OfImageAsync(model, service, commit, cancellationToken) : null;
            if (check is not null && IsForeign(model, service))
            {
                found.Add(new($"{service.Name} runs the image {service.Image} with another command, and the health check that comes with "
                    + "this image counts for it, too: where it asks for something that only the image's own command serves, "
                    + "the release fails",
                    $"If it does not fit, {HealthChecks.Mend}; for the first:\n  {service.Name}:\n    healthcheck: {{disable: true}}",
                    !isHealthy));
            }
            var allows = service.Health?.Allows ?? (check is null ? TimeSpan.Zero : HealthChecks.Allows(check));
            if (allows > options.WaitTimeout)
            {
                found.Add(new($"the health check of {service.Name} may take {Seconds(allows)} until it says healthy or unhealthy "
                    + "(start_period and retries times interval and timeout), "
                    + $"which is longer than Deploy:WaitTimeout ({Seconds(options.WaitTimeout)}); a release waits that long for it",
                    null, !isHealthy));
            }
        }
        return found;
    }

    /// <summary>Whether the image is made for another service. What publishes a port is asked by its users as well, and may well be what
    /// the check asks.</summary>
    private static bool IsForeign(ComposeModel model, ComposeService service) => service.Overrides && service.Ports.IsEmpty
        && model.Services.Any(o => o.Name != service.Name && (o.Image == service.Image || IsBuiltAs(o.Build, service.Build)));

    private static bool IsBuiltAs(BuildSection? one, BuildSection? other) => one is not null && other is not null
        && one.Context == other.Context && one.Dockerfile == other.Dockerfile && one.DockerfileInline == other.DockerfileInline
        && one.Target == other.Target;

    /// <summary>The check that comes with the image of a service: as its Dockerfile has it now, or as the engine's image has it.</summary>
    private async Task<ImageHealthCheck?> OfImageAsync(
        ComposeModel model, ComposeService service, string commit, CancellationToken cancellationToken)
    {
        if ((service.Build ?? model.Built.FirstOrDefault(b => b.Image == service.Image)?.Build) is { } section
            && BuildBasisReader.DockerfileOf(section) is { Length: > 0 } text)
        {
            var dockerfile = Dockerfile.Parse(text);
            var (check, from) = HealthChecks.Of(dockerfile, section.Target);
            if (check is not null || from is null) { return check; }
            var bases = dockerfile.BaseImages(BuildBasisReader.ArgumentsOf(section, build, commit), section.Target);
            var image = bases.Contains(from) || bases.Count != 1 ? from : bases[0];
            return await CheckOfAsync(image, cancellationToken);
        }
        return await CheckOfAsync(service.Image, cancellationToken);
    }

    private async Task<ImageHealthCheck?> CheckOfAsync(string image, CancellationToken cancellationToken) =>
        image.Contains('$', StringComparison.Ordinal) ? null
            : (await engine.FindImageAsync(image, cancellationToken))?.Config?.Healthcheck is { IsCheck: true } check ? check : null;

    private static string Listed(IEnumerable<string> names) => string.Join(", ", names);

    private static string Seconds(TimeSpan time) => $"{time.TotalSeconds.ToString("0.#", CultureInfo.InvariantCulture)} s";

    [GeneratedRegex(@"\A[0-9a-f]{64}\z")]
    private static partial Regex Anonymous();
}

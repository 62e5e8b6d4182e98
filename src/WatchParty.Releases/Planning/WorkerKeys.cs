using System.Text.RegularExpressions;
using WatchParty.Tools.Failures;

namespace WatchParty.Releases.Planning;

/// <summary>What a service says to the worker itself, under <c>x-watchparty</c>.</summary>
/// <param name="IgnoresHealth">Whether its health check is left out of the verdict.</param>
/// <param name="OnMountChange">What it gets when what it mounts changes; null when it does not say.</param>
internal sealed record ServiceKeys(bool IgnoresHealth = false, OnMountChange? OnMountChange = null);

/// <summary>Reads <see cref="ServiceKeys"/>.</summary>
/// <remarks>Compose leaves keys with <c>x-</c> out of its JSON, and has them in its YAML. That it writes itself, always in one form, so the
/// lines are read and no YAML is: a service stands at two spaces, its keys at four, and text of several lines deeper.</remarks>
internal static partial class WorkerKeys
{
    public const string Name = "x-watchparty";

    private const string Reaction = "on_mount_change";

    /// <summary>By service, of those that say something.</summary>
    /// <exception cref="WorkerException">A value is none that is known. It names the key and what can stand there.</exception>
    public static IReadOnlyDictionary<string, ServiceKeys> Of(string yaml)
    {
        Dictionary<string, ServiceKeys> all = [];
        var (inServices, service, inKeys) = (false, "", false);
        foreach (var line in yaml.Split('\n').Select(l => l.TrimEnd('\r')).Where(l => l.Length > 0))
        {
            var depth = line.Length - line.TrimStart(' ').Length;
            if (depth == 0) { inServices = line == "services:"; }
            if (!inServices) { continue; }
            if (depth == 2) { service = line.Trim().TrimEnd(':').Trim('"', '\''); }
            if (depth <= 4) { inKeys = depth == 4 && line.TrimStart() == $"{Name}:"; }
            else if (inKeys && depth == 6 && Key().Match(line) is { Success: true } match)
            {
                var value = match.Groups["value"].Value.Trim('"', '\'');
                var known = all.GetValueOrDefault(service, new());
                if (match.Groups["key"].Value == Reaction) { all[service] = known with { OnMountChange = ReactionOf(service, value) }; }
                else if (value == "ignore") { all[service] = known with { IgnoresHealth = true }; }
            }
        }
        return all;
    }

    private static OnMountChange ReactionOf(string service, string value)
    {
        var said = value.Length == 0 ? "no word" : $"'{value}'";
        return OnMountChange.Parse(value) ?? throw new WorkerException(
            $"services.{service}.{Name}.{Reaction} is {said}, which is not known. Write {OnMountChange.Allowed}", Remedy.NeedsPerson);
    }

    [GeneratedRegex($"""^ +(?<key>health|{Reaction}):(?: (?<value>.*))?$""", RegexOptions.None, 1000)]
    private static partial Regex Key();
}

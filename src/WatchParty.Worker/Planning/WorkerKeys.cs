using System.Text.RegularExpressions;

namespace WatchParty.Worker.Planning;

/// <summary>What services say to the worker itself, under <c>x-watchparty</c>.</summary>
/// <remarks>Compose leaves keys with <c>x-</c> out of its JSON, and has them in its YAML. That it writes itself, always in one form, so the
/// lines are read and no YAML is: a service stands at two spaces, its keys at four, and text of several lines deeper.</remarks>
internal static partial class WorkerKeys
{
    public const string Name = "x-watchparty";

    /// <summary>The services whose health checks are left out of the verdict.</summary>
    public static IReadOnlySet<string> IgnoringHealth(string yaml)
    {
        HashSet<string> ignoring = [];
        var (inServices, service, inKeys) = (false, "", false);
        foreach (var line in yaml.Split('\n').Select(l => l.TrimEnd('\r')).Where(l => l.Length > 0))
        {
            var depth = line.Length - line.TrimStart(' ').Length;
            if (depth == 0) { inServices = line == "services:"; }
            if (!inServices) { continue; }
            if (depth == 2) { service = line.Trim().TrimEnd(':').Trim('"', '\''); }
            if (depth <= 4) { inKeys = depth == 4 && line.TrimStart() == $"{Name}:"; }
            else if (inKeys && depth == 6 && Ignore().IsMatch(line)) { ignoring.Add(service); }
        }
        return ignoring;
    }

    [GeneratedRegex("""^ +health: ["']?ignore["']?$""", RegexOptions.None, 1000)]
    private static partial Regex Ignore();
}

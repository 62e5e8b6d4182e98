using System.Text.RegularExpressions;
using Quartz;

namespace WatchParty.Tools.Configuration;

/// <summary>The ranges and forms of the configuration's values.</summary>
internal static partial class WorkerOptionsRules
{
    private static readonly TimeSpan Second = TimeSpan.FromSeconds(1);
    private static readonly TimeSpan Day = TimeSpan.FromDays(1);

    /// <summary>Every value of <paramref name="options"/> that cannot be used; the source of each is still to be filled in.</summary>
    public static IEnumerable<ConfigurationFault> Check(WorkerOptions options)
    {
        List<ConfigurationFault> faults = [];
        void Rule(bool holds, string key, string problem, string fix)
        {
            if (!holds) { faults.Add(new ConfigurationFault(key, "", problem, fix)); }
        }
        void Range(string key, TimeSpan value, TimeSpan least, TimeSpan most) =>
            Rule(value >= least && value <= most, key, $"{value:c} is out of range", $"Write a time from {least:c} to {most:c}");

        Rule(Path.IsPathFullyQualified(options.Repository.Path), "Repository:Path", $"'{options.Repository.Path}' is not an absolute path",
            "Write the full path of the application's checkout");
        Rule(SafeName().IsMatch(options.Repository.Remote),
            "Repository:Remote", $"'{options.Repository.Remote}' is not the name of a remote",
            "Write a name that `git remote` lists, for example origin");
        Rule(options.Repository.Branch is null || SafeName().IsMatch(options.Repository.Branch),
            "Repository:Branch", $"'{options.Repository.Branch}' is not a branch name that can be followed",
            "Write letters, digits, and . _ / - with a letter or digit first");
        Range("Repository:PollInterval", options.Repository.PollInterval, Second, Day);
        var signers = options.Repository.AllowedSigners is { } file ? SignersFile.Fault(file, options.Repository.Path) : null;
        Rule(signers is null, "Repository:AllowedSigners", signers?.Problem ?? "", signers?.Fix ?? "");
        Rule(options.Compose.ProjectName is null || ProjectName().IsMatch(options.Compose.ProjectName),
            "Compose:ProjectName", $"'{options.Compose.ProjectName}' is not a compose project name",
            "Write lower-case letters, digits, - and _ with a letter or digit first");
        Rule(options.Compose.AdoptFrom is null || Path.IsPathFullyQualified(options.Compose.AdoptFrom), "Compose:AdoptFrom",
            $"'{options.Compose.AdoptFrom}' is not an absolute path",
            "Write the full path of the folder that the application was started from");
        Rule(VariableName().IsMatch(options.Build.CommitArgument),
            "Build:CommitArgument", $"'{options.Build.CommitArgument}' is not the name of a build argument", "Write letters, digits and _");
        foreach (var name in options.Build.Arguments.Keys.Where(n => !VariableName().IsMatch(n)))
        {
            Rule(false, $"Build:Arguments:{name}", $"'{name}' is not the name of a build argument", "Write letters, digits and _");
        }
        Range("Build:Timeout", options.Build.Timeout, Second, Day);
        Range("Build:SilenceTimeout", options.Build.SilenceTimeout, Second, Day);
        Range("Deploy:WaitTimeout", options.Deploy.WaitTimeout, Second, Day);
        Range("Deploy:SettleTime", options.Deploy.SettleTime, TimeSpan.Zero, TimeSpan.FromMinutes(10));
        foreach (var (index, probe) in options.Deploy.Probes.Index())
        {
            Rule(Uri.TryCreate(probe, UriKind.Absolute, out var uri) && uri.Scheme is "http"
                or "https", $"Deploy:Probes:{index}", $"'{probe}' is not an HTTP address",
                "Write for example http://127.0.0.1:8000/health");
        }
        Rule(options.DropFiles.Folder is null || Path.IsPathFullyQualified(options.DropFiles.Folder),
            "DropFiles:Folder", $"'{options.DropFiles.Folder}' is not an absolute path",
            "Write the full path of a folder, or leave it empty for Repository:Path");
        Rule(options.Build.RefreshBaseImages is null || CronExpression.TryParse(options.Build.RefreshBaseImages, out _),
            "Build:RefreshBaseImages", $"'{options.Build.RefreshBaseImages}' is not a Quartz cron expression",
            "Write seconds, minutes, hours, day of month, month, day of week, for example 0 0 4 ? * SUN");
        Rule(CronExpression.TryParse(options.Prune.Cron, out _), "Prune:Cron", $"'{options.Prune.Cron}' is not a Quartz cron expression",
            "Write seconds, minutes, hours, day of month, month, day of week, for example 0 30 3 * * ?");
        Rule(options.Prune.TimeZone is null || TimeZoneInfo.TryFindSystemTimeZoneById(options.Prune.TimeZone, out _),
            "Prune:TimeZone", $"'{options.Prune.TimeZone}' is not a time zone of this machine", "Write for example Europe/Berlin or UTC");
        Rule(options.Prune.MaxCacheSize is null || ByteSize.Parse(options.Prune.MaxCacheSize) is not null,
            "Prune:MaxCacheSize", $"'{options.Prune.MaxCacheSize}' is not a size", "Write for example 20GB");
        Rule(options.Prune.MinFreeSpace is null || ByteSize.Parse(options.Prune.MinFreeSpace) is not null,
            "Prune:MinFreeSpace", $"'{options.Prune.MinFreeSpace}' is not a size", "Write for example 5GB");
        Rule(options.Build.CacheRegistry is null || RegistryForm().IsMatch(options.Build.CacheRegistry),
            "Build:CacheRegistry", $"'{options.Build.CacheRegistry}' is not the address of a registry",
            "Write host, port and path, for example registry.example:5000/cache");
        Rule(options.Prune.KeepReleases is >= 1
            and <= 100, "Prune:KeepReleases", $"{options.Prune.KeepReleases} is out of range", "Write a number from 1 to 100");
        Rule(options.Docker.Endpoint is null || EndpointForm().IsMatch(options.Docker.Endpoint),
            "Docker:Endpoint", $"'{options.Docker.Endpoint}' is not an endpoint the worker can use",
            "Write unix:///var/run/docker.sock, npipe:////./pipe/docker_engine or tcp://host:2376");
        Rule(options.PublicAddress is null || IsHttp(options.PublicAddress),
            "PublicAddress", $"'{options.PublicAddress}' is not an HTTP address", "Write for example https://deploy.example.org");
        Rule(options.Telemetry.OtlpEndpoint is null || IsHttp(options.Telemetry.OtlpEndpoint),
            "Telemetry:OtlpEndpoint", $"'{options.Telemetry.OtlpEndpoint}' is not an HTTP address",
            "Write for example http://127.0.0.1:4318");
        faults.AddRange(NotificationRules.Check(options.Notifications));
        faults.AddRange(CommitStatusRules.Check(options.CommitStatus));
        Rule(Path.IsPathFullyQualified(options.State.Folder), "State:Folder", $"'{options.State.Folder}' is not an absolute path",
            "Write the full path of a folder that only the service may write");
        CheckStatus(options.Status, Rule);
        return faults;
    }

    internal static bool IsHttp(string? address) =>
        Uri.TryCreate(address, UriKind.Absolute, out var uri) && uri.Scheme is "http" or "https";

    private static void CheckStatus(StatusOptions options, Action<bool, string, string, string> rule)
    {
        const string HowToKeep = "Leave one of them empty; the file is the safer place";
        var address = StatusAddress.Parse(options.Address);
        rule(options.Address is null || address is not null,
            "Status:Address", $"'{options.Address}' is not an address the page can be served at",
            "Write http:// with an IP address or localhost and a port, for example http://127.0.0.1:8080; for HTTPS put a reverse proxy " +
            "before it");
        rule(address is null
            or { IsLoopback: true } || options.Token is not null || options.TokenFile is not null,
            "Status:Address", $"others can reach '{options.Address}', and there is no token",
            "Set Status:TokenFile to a file with a token of at least 20 characters (openssl rand -hex 32), or write http://127.0.0.1 " +
            "with the port");
        foreach (var (index, host) in options.Hosts.Index())
        {
            rule(Uri.CheckHostName(host) == UriHostNameType.Dns, $"Status:Hosts:{index}", $"'{host}' is not a host name",
                "Write the name alone, without http:// and port, for example status.example.org");
        }
        Secret("Status:Token", options.Token, options.TokenFile, StatusOptions.ShortestToken);
        Secret("Status:WebhookSecret", options.WebhookSecret, options.WebhookSecretFile, StatusOptions.ShortestWebhookSecret);

        void Secret(string key, string? value, string? file, int shortest)
        {
            rule(value is null || file is null, key, $"{key} and {key}File are both set", HowToKeep);
            rule(value is null || value.Length >= shortest, key,
                "it is too short", $"Write at least {shortest} characters, for example what `openssl rand -hex 32` prints");
            rule(file is null || Path.IsPathFullyQualified(file), $"{key}File", $"'{file}' is not an absolute path",
                "Write the full path of a file that only the service may read");
        }
    }

    [GeneratedRegex(@"^(?!.*\.\.)[A-Za-z0-9][A-Za-z0-9._/-]{0,200}$")]
    private static partial Regex SafeName();

    [GeneratedRegex("^[a-z0-9][a-z0-9_-]*$")]
    private static partial Regex ProjectName();

    [GeneratedRegex("^[A-Za-z_][A-Za-z0-9_]*$")]
    private static partial Regex VariableName();

    [GeneratedRegex("^[a-z0-9.-]+(:[0-9]+)?(/[a-z0-9._-]+)*$")]
    private static partial Regex RegistryForm();

    [GeneratedRegex("^(unix:///|npipe://|tcp://).+")]
    private static partial Regex EndpointForm();
}

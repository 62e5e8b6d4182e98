using System.CommandLine;
using Microsoft.Extensions.Configuration;
using WatchParty.Tools.Configuration;
using WatchParty.Tools.Redacting;

namespace WatchParty.Worker.Cli;

/// <summary>Options that every verb has.</summary>
internal sealed class CommonOptions
{
    public Option<string?> Config { get; } = new(
        "--config")
    { Description = "Configuration file (default: appsettings.json beside the program)", Recursive = true, HelpName = "FILE" };

    public Option<bool> Json { get; } = new("--json") { Description = "Print one JSON document instead of text", Recursive = true };

    public Option<string[]> Set { get; } = new(
        "--set")
    { Description = "Override a configuration key, for example --set Repository:Branch=main", Recursive = true, HelpName = "KEY=VALUE", AllowMultipleArgumentsPerToken = false };

    /// <exception cref="ConfigurationFaultsException">The configuration has faults.</exception>
    public (IConfigurationRoot Configuration, WorkerOptions Options) Read(ParseResult arguments)
    {
        var configuration = ConfigurationFiles.Load(arguments.GetValue(Config), arguments.GetValue(Set) ?? []);
        // Before its faults are reported. It has the environment in it, which compose hands on.
        Redaction.Learn(Secrets.In(configuration.AsEnumerable()));
        return (configuration, WorkerOptionsReader.Read(configuration));
    }
}

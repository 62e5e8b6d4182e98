using Microsoft.Extensions.Configuration;

namespace WatchParty.Tools.Configuration;

/// <summary>Where the configuration comes from, weakest first: file, file of the environment, variables, flags.</summary>
internal static class ConfigurationFiles
{
    /// <param name="file">File given by <c>--config</c>; <c>appsettings.json</c> beside the program when null.</param>
    /// <param name="settings">Texts of the form <c>Key=Value</c>, the key without the leading <c>Worker:</c>.</param>
    /// <exception cref="ConfigurationFaultsException">A file is missing or is not JSON, or a setting has no <c>=</c>.</exception>
    public static IConfigurationRoot Load(string? file, IEnumerable<string> settings)
    {
        if (file is not null && !File.Exists(file))
        {
            throw Fault(file, "--config", "there is no such file", "Write the path of an appsettings.json");
        }
        var path = Path.GetFullPath(file ?? Path.Combine(AppContext.BaseDirectory, "appsettings.json"));
        var environment = Environment.GetEnvironmentVariable("DOTNET_ENVIRONMENT") is { Length: > 0 } name ? name : "Production";
        var ofEnvironment = Path.Combine(Path.GetDirectoryName(path)!, $"{Path.GetFileNameWithoutExtension(path)}.{environment}.json");
        Dictionary<string, string?> flags = new(StringComparer.OrdinalIgnoreCase);
        foreach (var setting in settings)
        {
            var parts = setting.Split('=', 2);
            if (parts.Length < 2)
            {
                throw Fault("flag --set", setting, "has no value", "Write --set Key=Value, for example --set Repository:Branch=main");
            }
            flags[parts[0].StartsWith("Worker:", StringComparison.OrdinalIgnoreCase) ? parts[0] : $"Worker:{parts[0]}"] = parts[1];
        }
        try
        {
            return new ConfigurationBuilder()
                .AddJsonFile(path, optional: true, reloadOnChange: false)
                .AddJsonFile(ofEnvironment, optional: true, reloadOnChange: false)
                .AddEnvironmentVariables()
                .AddInMemoryCollection(flags)
                .Build();
        }
        catch (InvalidDataException e)
        {
            throw Fault(path, "JSON", e.InnerException?.InnerException?.Message ?? e.InnerException?.Message ?? e.Message,
                "Correct it; an editor with JSON support shows the place");
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw Fault(path, "file", $"it cannot be read: {e.Message.TrimEnd('.')}", "Make it readable for the user who runs the worker");
        }
    }

    private static ConfigurationFaultsException Fault(string source, string key, string problem, string fix) =>
        new([new ConfigurationFault(key, source, problem, fix)]);
}

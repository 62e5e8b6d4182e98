using System.Globalization;
using WatchParty.Tools.Redacting;

namespace WatchParty.Tools.Configuration;

/// <summary>A secret that stands in the configuration, or in a file that only the service can read.</summary>
internal static class SecretFile
{
    /// <summary>The secret; read each time, so that a new one counts without a restart.</summary>
    /// <exception cref="IOException">The file cannot be read.</exception>
    public static string? Read(string? value, string? file)
    {
        if (value is not null || file is null) { return value; }
        var secret = File.ReadLines(file).FirstOrDefault()?.Trim();
        Redaction.Learn(Secrets.In([KeyValuePair.Create("SECRET", secret)]));
        return secret;
    }

    /// <summary>The files of secrets that the configuration names, by their keys.</summary>
    public static IEnumerable<(string Key, string File)> Of(WorkerOptions options) => new[]
    {
        ("Status:TokenFile", options.Status.TokenFile),
        ("Status:WebhookSecretFile", options.Status.WebhookSecretFile),
        ("CommitStatus:TokenFile", options.CommitStatus.TokenFile),
    }.Concat(options.Notifications.SelectMany((c, i) => new[]
    {
        (string.Create(CultureInfo.InvariantCulture, $"Notifications:{i}:UrlFile"), c.UrlFile),
        (string.Create(CultureInfo.InvariantCulture, $"Notifications:{i}:SecretFile"), c.SecretFile),
        (string.Create(CultureInfo.InvariantCulture, $"Notifications:{i}:PasswordFile"), c.PasswordFile),
    })).Where(f => f.Item2 is not null).Select(f => (f.Item1, f.Item2!));

    public static IEnumerable<(string Key, string Problem, string Fix)> Check(string key, string? value, string? file)
    {
        if (file is null) { yield break; }
        if (value is not null) { yield return ($"{key}File", $"is given as well as {key}", "Keep one of the two"); }
        if (!Path.IsPathFullyQualified(file))
        {
            yield return ($"{key}File", $"'{file}' is not an absolute path", "Write the full path of the file");
        }
        else if (!File.Exists(file))
        {
            yield return ($"{key}File", $"'{file}' does not exist or cannot be seen by {Environment.UserName}",
                "Make it, readable for the service");
        }
    }
}

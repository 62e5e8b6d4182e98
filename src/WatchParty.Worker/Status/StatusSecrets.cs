using WatchParty.Tools.Configuration;
using WatchParty.Tools.Redacting;

namespace WatchParty.Worker.Status;

/// <summary>What callers have to know.</summary>
/// <param name="Token">Null when nobody may act.</param>
/// <param name="Webhook">Null when there is no webhook.</param>
internal sealed record StatusSecrets(string? Token, string? Webhook)
{
    private const int LongestFile = 4096;

    /// <exception cref="ConfigurationFaultsException">A file cannot be read, or holds no secret of the length it should have.</exception>
    public static StatusSecrets Read(StatusOptions options)
    {
        List<ConfigurationFault> faults = [];
        string? Of(string key, string? value, string? file, int shortest)
        {
            if (file is null) { return value; }
            void Fault(string problem, string fix) => faults.Add(new ConfigurationFault(key, file, problem, fix));
            try
            {
                if (!File.Exists(file))
                {
                    Fault("there is no such file", $"Write it, for example with: openssl rand -hex 32 > {file}");
                    return null;
                }
                if (new FileInfo(file).Length > LongestFile)
                {
                    Fault($"it is longer than {LongestFile} bytes", "Name a file that holds the secret alone");
                    return null;
                }
                var secret = File.ReadAllText(file).Trim();
                if (secret.Length < shortest)
                {
                    Fault("the secret in it is too short", $"Write at least {shortest} characters, for example with: openssl rand -hex " +
                        $"32 > {file}");
                }
                return secret;
            }
            catch (Exception e) when (e is IOException or UnauthorizedAccessException)
            {
                Fault($"it cannot be read: {e.Message.TrimEnd('.')}", $"Make it readable for {Environment.UserName}");
                return null;
            }
        }
        var secrets = new StatusSecrets(
            Of("Status:TokenFile", options.Token, options.TokenFile, StatusOptions.ShortestToken),
            Of("Status:WebhookSecretFile", options.WebhookSecret, options.WebhookSecretFile, StatusOptions.ShortestWebhookSecret));
        if (faults.Count > 0) { throw new ConfigurationFaultsException(faults); }
        Redaction.Learn(new[] { secrets.Token, secrets.Webhook }.OfType<string>());
        return secrets;
    }

    /// <summary>Compares in a time that tells nothing, not even a length.</summary>
    public static bool AreEqual(string given, string expected) => System.Security.Cryptography.CryptographicOperations.FixedTimeEquals(
        System.Security.Cryptography.SHA256.HashData(System.Text.Encoding.UTF8.GetBytes(given)),
        System.Security.Cryptography.SHA256.HashData(System.Text.Encoding.UTF8.GetBytes(expected)));
}

using MimeKit;

namespace WatchParty.Tools.Configuration;

/// <summary>What each channel of <c>Notifications</c> needs.</summary>
internal static class NotificationRules
{
    public static IEnumerable<ConfigurationFault> Check(NotificationOptions[] channels)
    {
        foreach (var (index, channel) in channels.Index())
        {
            foreach (var (key, problem, fix) in Check(channel))
            {
                yield return new ConfigurationFault($"Notifications:{index}:{key}", "", problem, fix);
            }
        }
        foreach (var twice in channels.Index().GroupBy(c => c.Item.CalledBy(), StringComparer.OrdinalIgnoreCase).SelectMany(g => g.Skip(1))
            .Where(c => c.Item.Kind is not null))
        {
            yield return new ConfigurationFault($"Notifications:{twice.Index}:Name",
                "", $"another channel is called '{twice.Item.CalledBy()}', too", "Write a Name of its own for each");
        }
    }

    private static IEnumerable<(string Key, string Problem, string Fix)> Check(NotificationOptions channel)
    {
        if (channel.Kind is not { } kind)
        {
            yield return ("Kind", "is missing", $"Write one of {string.Join(", ", Enum.GetNames<NotificationChannel>())}");
            yield break;
        }
        foreach (var name in channel.On.Where(n => !NotificationKinds.Known(n)))
        {
            yield return ("On", $"'{name}' is nothing that is told", $"Write any of {string.Join(", ", NotificationKinds.Names)}");
        }
        foreach (var fault in kind == NotificationChannel.Email ? CheckMail(channel) : CheckHttp(channel, kind)) { yield return fault; }
        foreach (var fault in SecretFile.Check("Secret", channel.Secret, channel.SecretFile)) { yield return fault; }
        foreach (var fault in SecretFile.Check("Password", channel.Password, channel.PasswordFile)) { yield return fault; }
    }

    private static IEnumerable<(string Key, string Problem, string Fix)> CheckHttp(NotificationOptions channel, NotificationChannel kind)
    {
        var example = kind switch
        {
            NotificationChannel.Slack => "https://hooks.slack.com/services/...",
            NotificationChannel.Discord => "https://discord.com/api/webhooks/...",
            NotificationChannel.Ntfy => "https://ntfy.sh/TOPIC",
            _ => "https://example.org/deployments",
        };
        if (channel.Url is null && channel.UrlFile is null)
        {
            yield return ("Url", "is missing", $"Write the address to send to, for example {example}, or UrlFile with a file that has it");
        }
        foreach (var fault in SecretFile.Check("Url", channel.Url, channel.UrlFile)) { yield return fault; }
        // The address itself may be a secret, so it is not repeated.
        if (channel.Url is { } url && !WorkerOptionsRules.IsHttp(url))
        {
            yield return ("Url", "is not an HTTP address", $"Write for example {example}");
        }
        else if (kind == NotificationChannel.Ntfy && channel.Url is { } topic && new Uri(topic).AbsolutePath.Trim('/').Length == 0)
        {
            yield return ("Url", "names no topic", $"Write for example {example}");
        }
    }

    private static IEnumerable<(string Key, string Problem, string Fix)> CheckMail(NotificationOptions channel)
    {
        if (channel.Host is null) { yield return ("Host", "is missing", "Write the name of the mail server"); }
        if (channel.Port is < 1 or > 65535) { yield return ("Port", $"{channel.Port} is out of range", "Write a number from 1 to 65535"); }
        if (channel.From is null || !MailboxAddress.TryParse(channel.From, out _))
        {
            yield return ("From", channel.From is null ? "is missing"
                : $"'{channel.From}' is not a mail address", "Write for example deploy@example.org");
        }
        if (channel.To.Length == 0) { yield return ("To", "is missing", "Write at least one mail address"); }
        foreach (var address in channel.To.Where(t => !MailboxAddress.TryParse(t, out _)))
        {
            yield return ("To", $"'{address}' is not a mail address", "Write for example ops@example.org");
        }
        if (channel.User is not null && channel.Password is null && channel.PasswordFile is null)
        {
            yield return ("Password", "is missing, though there is a User",
                "Write PasswordFile with a file that has it, or take User away");
        }
        if (channel.User is not null && channel.Security == MailSecurity.None)
        {
            yield return ("Security", "None would send the password in the clear", "Write StartTls or Tls, or take User away");
        }
    }
}

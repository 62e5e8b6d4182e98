using MailKit;
using MailKit.Net.Smtp;
using MailKit.Security;
using MimeKit;
using WatchParty.Tools.Configuration;

namespace WatchParty.Worker.Notifying;

/// <summary>Notifications by mail.</summary>
/// <remarks>MailKit, because .NET's own client knows neither TLS from the first byte nor the newer ways to log in, and its makers advise
/// against it.</remarks>
internal static class Mail
{
    /// <exception cref="NotDeliveredException">The server did not take it.</exception>
    public static async Task SendAsync(Notification notification, NotificationOptions channel, CancellationToken cancellationToken)
    {
        using var client = new SmtpClient { Timeout = 30_000, CheckCertificateRevocation = false };
        try
        {
            await client.ConnectAsync(channel.Host!, channel.Port, channel.Security switch
            {
                MailSecurity.StartTls => SecureSocketOptions.StartTls,
                MailSecurity.Tls => SecureSocketOptions.SslOnConnect,
                _ => SecureSocketOptions.None,
            }, cancellationToken);
            if (channel.User is { } user) { await LogInAsync(client, user, channel, cancellationToken); }
            await client.SendAsync(Message(notification, channel), cancellationToken);
            await client.DisconnectAsync(quit: true, cancellationToken);
        }
        catch (SmtpCommandException e)
        {
            throw new NotDeliveredException($"the mail server said {(int)e.StatusCode}: {e.Message}", temporary: (int)e.StatusCode is >= 400
                and < 500);
        }
        catch (SmtpProtocolException e)
        {
            throw new NotDeliveredException($"the mail server broke off: {e.Message}", temporary: true);
        }
        catch (ServiceNotAuthenticatedException e)
        {
            throw new NotDeliveredException($"the mail server wants a login: set User and PasswordFile; it said " +
                $"{e.Message.ReplaceLineEndings(" ")}", temporary: false);
        }
        catch (Exception e) when (e is SslHandshakeException or NotSupportedException)
        {
            throw new NotDeliveredException(e.Message.ReplaceLineEndings(" "), temporary: false);
        }
    }

    private static async Task LogInAsync(SmtpClient client, string user, NotificationOptions channel, CancellationToken cancellationToken)
    {
        try
        {
            await client.AuthenticateAsync(user, SecretFile.Read(channel.Password, channel.PasswordFile) ?? "", cancellationToken);
        }
        catch (AuthenticationException e)
        {
            // 454 is the one answer to a login that may be another later (RFC 4954).
            throw new NotDeliveredException($"the mail server did not let User '{user}' in with its " +
                $"{(channel.PasswordFile is null ? "Password" : "PasswordFile")}; it said {e.Message.ReplaceLineEndings(" ")}",
                temporary: e.Message.StartsWith("454", StringComparison.Ordinal));
        }
        catch (NotSupportedException)
        {
            throw new NotDeliveredException($"the mail server knows no login that would do for User '{user}'; if it wants none, take " +
                $"User and its password away", temporary: false);
        }
    }

    private static MimeMessage Message(Notification notification, NotificationOptions channel)
    {
        var message = new MimeMessage
        {
            Subject = notification.Subject,
            Date = notification.At,
            Body = new TextPart(
            "plain")
            { Text = notification.Text }
        };
        message.From.Add(MailboxAddress.Parse(channel.From!));
        foreach (var address in channel.To) { message.To.Add(MailboxAddress.Parse(address)); }
        // The same for every try; and no holiday answers.
        message.MessageId = $"{notification.Id}@watchparty-worker";
        message.Headers.Add("Auto-Submitted", "auto-generated");
        return message;
    }
}

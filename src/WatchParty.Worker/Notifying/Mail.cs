using MailKit.Net.Smtp;
using MailKit.Security;
using MimeKit;
using WatchParty.Worker.Configuration;

namespace WatchParty.Worker.Notifying;

/// <summary>Notifications by mail.</summary>
/// <remarks>MailKit, because .NET's own client knows neither TLS from the first byte nor the newer ways to log in, and its makers advise against it.</remarks>
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
            if (channel.User is { } user) { await client.AuthenticateAsync(user, SecretFile.Read(channel.Password, channel.PasswordFile) ?? "", cancellationToken); }
            await client.SendAsync(Message(notification, channel), cancellationToken);
            await client.DisconnectAsync(quit: true, cancellationToken);
        }
        catch (SmtpCommandException e)
        {
            throw new NotDeliveredException($"the mail server said {(int)e.StatusCode}: {e.Message}", temporary: (int)e.StatusCode is >= 400 and < 500);
        }
        catch (SmtpProtocolException e)
        {
            throw new NotDeliveredException($"the mail server broke off: {e.Message}", temporary: true);
        }
        catch (Exception e) when (e is AuthenticationException or SslHandshakeException or NotSupportedException)
        {
            throw new NotDeliveredException(e.Message.ReplaceLineEndings(" "), temporary: false);
        }
    }

    private static MimeMessage Message(Notification notification, NotificationOptions channel)
    {
        var message = new MimeMessage { Subject = notification.Subject, Date = notification.At, Body = new TextPart("plain") { Text = notification.Text } };
        message.From.Add(MailboxAddress.Parse(channel.From!));
        foreach (var address in channel.To) { message.To.Add(MailboxAddress.Parse(address)); }
        // The same for every try; and no holiday answers.
        message.MessageId = $"{notification.Id}@watchparty-worker";
        message.Headers.Add("Auto-Submitted", "auto-generated");
        return message;
    }
}

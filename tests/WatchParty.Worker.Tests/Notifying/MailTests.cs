using System.Diagnostics;
using System.Net.Sockets;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using MimeKit;
using WatchParty.Worker.Configuration;
using WatchParty.Worker.Notifying;
using WatchParty.Worker.Tests.Fakes;

namespace WatchParty.Worker.Tests.Notifying;

/// <summary>Mail to a real server: Debian's aiosmtpd, as a process of the test on loopback.</summary>
public sealed class MailTests : IDisposable
{
    private static readonly Notification Message = new(
        [NotificationKind.Failure], "watch-party", "server", "Release 12 was not built – ü", "No container was touched.", "See the log.",
        "12", "1111111111111111111111111111111111111111", ["backend"], ".\nRUN make: exit code 1\n.", null, DateTimeOffset.UnixEpoch);

    private readonly string _folder = Directory.CreateTempSubdirectory("mail-").FullName;
    private readonly int _port = GitHttpServer.FreePort();
    private Process? _server;

    private NotificationOptions Channel => new()
    {
        Kind = NotificationChannel.Email,
        Host = "127.0.0.1",
        Port = _port,
        Security = MailSecurity.None,
        From = "Deployments <deploy@example.org>",
        To = ["ann@example.org", "ben@example.org"],
    };

    public void Dispose()
    {
        if (_server is not null)
        {
            _server.Kill();
            _server.WaitForExit();
            _server.Dispose();
        }
        Directory.Delete(_folder, recursive: true);
    }

    private async Task StartAsync(params string[] options)
    {
        _server = Process.Start(new ProcessStartInfo("aiosmtpd", ["-n", "-l", $"127.0.0.1:{_port}", .. options, "-c", "aiosmtpd.handlers.Mailbox", Path.Combine(_folder, "mail")]))!;
        for (var tries = 0; ; tries++)
        {
            using var probe = new TcpClient();
            try
            {
                await probe.ConnectAsync("127.0.0.1", _port);
                return;
            }
            catch (SocketException) when (tries < 200 && !_server.HasExited)
            {
                await Task.Delay(TimeSpan.FromMilliseconds(50), TimeProvider.System, CancellationToken.None);
            }
        }
    }

    private string[] Certificate()
    {
        using var key = RSA.Create(2048);
        using var certificate = new CertificateRequest("CN=127.0.0.1", key, HashAlgorithmName.SHA256, RSASignaturePadding.Pkcs1).CreateSelfSigned(DateTimeOffset.UnixEpoch, new DateTimeOffset(2100, 1, 1, 0, 0, 0, TimeSpan.Zero));
        File.WriteAllText(Path.Combine(_folder, "cert.pem"), certificate.ExportCertificatePem());
        File.WriteAllText(Path.Combine(_folder, "key.pem"), key.ExportPkcs8PrivateKeyPem());
        return ["--tlscert", Path.Combine(_folder, "cert.pem"), "--tlskey", Path.Combine(_folder, "key.pem")];
    }

    private static Task SendAsync(NotificationOptions channel) => Mail.SendAsync(Message, channel, CancellationToken.None);

    [Fact]
    public async Task Mail_ArrivesWholeAtEveryReceiver()
    {
        await StartAsync();

        await SendAsync(Channel);

        var mail = await MimeMessage.LoadAsync(Assert.Single(Directory.GetFiles(Path.Combine(_folder, "mail", "new"))));
        Assert.Equal("[watch-party] Release 12 was not built – ü", mail.Subject);
        Assert.Equal(("deploy@example.org", "auto-generated"), (Assert.Single(mail.From.Mailboxes).Address, mail.Headers["Auto-Submitted"]));
        Assert.Equal(["ann@example.org", "ben@example.org"], mail.To.Mailboxes.Select(m => m.Address));
        Assert.Equal("ann@example.org, ben@example.org", mail.Headers["X-RcptTo"]);
        Assert.Equal("No container was touched.\n\n.\nRUN make: exit code 1\n.\n\nWhat to do: See the log.\n\ncommit 1111111 · backend · server", mail.TextBody!.ReplaceLineEndings("\n").TrimEnd('\n'));
    }

    [Fact]
    public async Task Server_WithoutTls_GetsNothingWhereTlsIsWanted()
    {
        await StartAsync();
        var channel = Channel;
        channel.Security = MailSecurity.StartTls;

        var error = await Assert.ThrowsAsync<NotDeliveredException>(() => SendAsync(channel));

        Assert.Contains("STARTTLS", error.Message, StringComparison.Ordinal);
        Assert.False(error.Temporary);
    }

    [Fact]
    public async Task Server_WithACertificateThatNobodySigned_GetsNothing()
    {
        await StartAsync(Certificate());
        var channel = Channel;
        channel.Security = MailSecurity.StartTls;

        var error = await Assert.ThrowsAsync<NotDeliveredException>(() => SendAsync(channel));

        Assert.False(error.Temporary);
        Assert.False(Directory.Exists(Path.Combine(_folder, "mail", "new")) && Directory.GetFiles(Path.Combine(_folder, "mail", "new")).Length > 0);
    }

    [Fact]
    public async Task Server_ThatRefusesTheMail_IsNotAskedAgain()
    {
        // Larger than the server takes.
        await StartAsync("-s", "10");

        var error = await Assert.ThrowsAsync<NotDeliveredException>(() => SendAsync(Channel));

        Assert.StartsWith("the mail server said 552", error.Message, StringComparison.Ordinal);
        Assert.False(error.Temporary);
    }

    [Fact]
    public async Task Server_ThatIsAway_IsNoFaultOfTheMessage() => await Assert.ThrowsAnyAsync<SocketException>(() => SendAsync(Channel));
}

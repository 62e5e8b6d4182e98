using System.Diagnostics;
using System.Net;
using System.Net.Sockets;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using System.Text.Json.Nodes;
using MimeKit;
using WatchParty.Tools.Configuration;
using WatchParty.Worker.Notifying;
using WatchParty.Worker.Tests.Fakes;

namespace WatchParty.Worker.Tests.Notifying;

/// <summary>Mail to a real server: Debian's aiosmtpd, as a process of the test on loopback.</summary>
[Collection(ProcessEnvironment.Collection)]
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
        await StartAsync(new ProcessStartInfo("aiosmtpd", ["-n", "-l", $"127.0.0.1:{_port}", .. options, "-c", "aiosmtpd.handlers.Mailbox", Path.Combine(_folder, "mail")]));
    }

    private async Task StartAsync(ProcessStartInfo server)
    {
        _server = Process.Start(server)!;
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
        var request = new CertificateRequest("CN=127.0.0.1", key, HashAlgorithmName.SHA256, RSASignaturePadding.Pkcs1);
        var names = new SubjectAlternativeNameBuilder();
        names.AddIpAddress(IPAddress.Loopback);
        request.CertificateExtensions.Add(names.Build());
        using var certificate = request.CreateSelfSigned(DateTimeOffset.UnixEpoch, new DateTimeOffset(2100, 1, 1, 0, 0, 0, TimeSpan.Zero));
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

    /// <summary>A server that takes mail only by TLS and after a login, which its command line does not offer.</summary>
    private const string WithLogin = """
        import signal, ssl, sys
        from aiosmtpd.controller import Controller
        from aiosmtpd.handlers import Mailbox
        from aiosmtpd.smtp import AuthResult

        port, folder = int(sys.argv[1]), sys.argv[2]
        tls = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        tls.load_cert_chain(f"{folder}/cert.pem", f"{folder}/key.pem")

        def let_in(server, session, envelope, mechanism, who):
            if who.login == b"busy":
                return AuthResult(success=False, handled=False, message="454 4.7.0 Temporary authentication failure")
            return AuthResult(success=(who.login, who.password) == (b"deploy", b"right"), handled=False)

        Controller(Mailbox(f"{folder}/mail"), hostname="127.0.0.1", port=port, tls_context=tls, authenticator=let_in, auth_required=True).start()
        signal.pause()
        """;

    [Fact]
    public async Task Server_WithALogin_LetsIn_OrTheErrorNamesTheKeys()
    {
        Certificate();
        await File.WriteAllTextAsync(Path.Combine(_folder, "server.py"), WithLogin);
        await StartAsync(new ProcessStartInfo("/usr/bin/python3", [Path.Combine(_folder, "server.py"), $"{_port}", _folder]));

        var said = await NotifyAsync(("deploy", "right"), ("deploy", "wrong"), ("busy", "right"), (null, null));

        Assert.Equal(
            [
                null,
                "the mail server did not let User 'deploy' in with its PasswordFile; it said 535: 5.7.8 Authentication credentials invalid",
                "the mail server did not let User 'busy' in with its PasswordFile; it said 454: 4.7.0 Temporary authentication failure",
                "the mail server wants a login: set User and PasswordFile; it said 5.7.0 Authentication required",
            ],
            said);
        Assert.Equal("[checkout] This is a test", (await MimeMessage.LoadAsync(Assert.Single(Directory.GetFiles(Path.Combine(_folder, "mail", "new"))))).Subject);
    }

    [Fact]
    public async Task Server_WithoutALogin_IsSaidToHaveNone()
    {
        await StartAsync();
        var channel = Channel;
        (channel.User, channel.Password) = ("deploy", "right");

        var error = await Assert.ThrowsAsync<NotDeliveredException>(() => SendAsync(channel));

        Assert.Contains("take User and its password away", error.Message, StringComparison.Ordinal);
    }

    /// <summary>Sends a test mail with each login, by a process of its own: that one can trust the server's certificate without any other having to.</summary>
    /// <returns>The error of each; null where there was none.</returns>
    private async Task<IEnumerable<string?>> NotifyAsync(params (string? User, string? Password)[] logins)
    {
        JsonObject Channel((string? User, string? Password) login, int index)
        {
            var file = Path.Combine(_folder, $"password-{index}");
            File.WriteAllText(file, $"{login.Password}\n");
            var channel = new JsonObject { ["Name"] = $"mail-{index}", ["Kind"] = "Email", ["Host"] = "127.0.0.1", ["Port"] = _port, ["From"] = "deploy@example.org", ["To"] = new JsonArray("ann@example.org") };
            if (login.User is not null) { (channel["User"], channel["PasswordFile"]) = (login.User, file); }
            return channel;
        }
        var config = Path.Combine(_folder, "appsettings.json");
        await File.WriteAllTextAsync(config, new JsonObject
        {
            ["Worker"] = new JsonObject
            {
                ["Repository"] = new JsonObject { ["Path"] = Path.Combine(_folder, "checkout") },
                ["State"] = new JsonObject { ["Folder"] = Path.Combine(_folder, "state") },
                ["Notifications"] = new JsonArray([.. logins.Select(Channel)]),
            },
        }.ToJsonString());
        using var notify = Process.Start(new ProcessStartInfo(Environment.ProcessPath!, [Path.Combine(AppContext.BaseDirectory, "watchparty-worker.dll"), "notify", "--test", "--json", "--config", config])
        {
            RedirectStandardOutput = true,
            Environment = { ["SSL_CERT_FILE"] = Path.Combine(_folder, "cert.pem") },
        })!;
        var said = JsonNode.Parse(await notify.StandardOutput.ReadToEndAsync())!["channels"]!.AsArray();
        await notify.WaitForExitAsync();
        return said.Select(c => (string?)c!["error"]);
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

namespace WatchParty.Tools.Configuration;

/// <summary>How a notification travels.</summary>
internal enum NotificationChannel
{
    /// <summary>A JSON document of our own, by POST.</summary>
    Webhook,
    Slack,
    Discord,
    Ntfy,
    Email,
}

/// <summary>How the connection to a mail server is protected.</summary>
internal enum MailSecurity
{
    /// <summary>TLS begun on the plain port; refused by the worker where the server does not offer it.</summary>
    StartTls,

    /// <summary>TLS from the first byte.</summary>
    Tls,

    /// <summary>None. Only without a user: a password would cross the network in the clear.</summary>
    None,
}

/// <summary>One channel of <c>Notifications</c>.</summary>
internal sealed class NotificationOptions
{
    /// <summary>What <c>notify --test NAME</c> and the log call it. Default: its kind in lower case.</summary>
    public string? Name { get; set; }

    /// <summary>How it travels. Needed.</summary>
    public NotificationChannel? Kind { get; set; }

    /// <summary>What is told: names of <see cref="NotificationKind"/>. Default: all but <c>Success</c>.</summary>
    public string[] On { get; set; } = [];

    /// <summary>Where to send to; for ntfy with the topic (<c>https://ntfy.sh/TOPIC</c>). It often is a secret: see
    /// <see cref="UrlFile"/>.</summary>
    public string? Url { get; set; }

    /// <summary>File whose first line is the <see cref="Url"/>, an absolute path.</summary>
    public string? UrlFile { get; set; }

    /// <summary>Webhook: key of the HMAC-SHA256 over the body, sent as <c>X-Watchparty-Signature: sha256=HEX</c>. Ntfy: access
    /// token.</summary>
    public string? Secret { get; set; }

    /// <summary>File whose first line is the <see cref="Secret"/>, an absolute path.</summary>
    public string? SecretFile { get; set; }

    /// <summary>Mail server.</summary>
    public string? Host { get; set; }

    /// <summary>Its port, 1 to 65535. Default 587.</summary>
    public int Port { get; set; } = 587;

    /// <summary>Default <see cref="MailSecurity.StartTls"/>.</summary>
    public MailSecurity Security { get; set; } = MailSecurity.StartTls;

    /// <summary>User at the mail server. Default: none, and no password.</summary>
    public string? User { get; set; }

    public string? Password { get; set; }

    /// <summary>File whose first line is the <see cref="Password"/>, an absolute path.</summary>
    public string? PasswordFile { get; set; }

    /// <summary>Sender of the mail.</summary>
    public string? From { get; set; }

    /// <summary>Receivers of the mail.</summary>
    public string[] To { get; set; } = [];

    public string CalledBy() => Name ?? Kind?.ToString().ToLowerInvariant() ?? "";
}

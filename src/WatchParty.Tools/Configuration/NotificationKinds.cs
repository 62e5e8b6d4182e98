namespace WatchParty.Tools.Configuration;

/// <summary>What is told. The names are those of <c>Notifications:N:On</c> and of the webhook's documents.</summary>
internal enum NotificationKind
{
    /// <summary>A release was not built, could not be deployed, or something outside of it stood in the way.</summary>
    Failure,

    /// <summary>An earlier release was brought back, by the worker or by a person.</summary>
    Rollback,

    /// <summary>A commit is not tried again until a new one comes or a person asks.</summary>
    Quarantine,

    /// <summary>The first that went well after one of the above, or the remote answers again.</summary>
    Recovery,

    /// <summary>The remote has not answered for long.</summary>
    PollTrouble,

    /// <summary>A release went well.</summary>
    Success,

    /// <summary>What <c>notify --test</c> sends, to every channel.</summary>
    Test,
}

internal static class NotificationKinds
{
    /// <summary>What a channel can be told.</summary>
    public static IReadOnlyList<string> Names { get; } = [.. Enum.GetNames<NotificationKind>()
        .Where(n => n != nameof(NotificationKind.Test))];

    public static bool Known(string name) => Names.Contains(name, StringComparer.OrdinalIgnoreCase);

    /// <summary>Whether a channel with this <c>On</c> is told of any of <paramref name="kinds"/>.</summary>
    public static bool Wanted(IReadOnlyList<string> on, IReadOnlyList<NotificationKind> kinds) => kinds.Any(k =>
        k == NotificationKind.Test
        || (on.Count == 0 ? k != NotificationKind.Success : on.Contains(k.ToString(), StringComparer.OrdinalIgnoreCase)));
}

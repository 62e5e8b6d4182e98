namespace WatchParty.Worker.Notifying;

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
    public static IReadOnlyList<string> Names { get; } = [.. Enum.GetNames<NotificationKind>().Where(n => n != nameof(NotificationKind.Test))];

    public static bool Known(string name) => Names.Contains(name, StringComparer.OrdinalIgnoreCase);

    /// <summary>Whether a channel with this <c>On</c> is told of any of <paramref name="kinds"/>.</summary>
    public static bool Wanted(IReadOnlyList<string> on, IReadOnlyList<NotificationKind> kinds) => kinds.Any(k =>
        k == NotificationKind.Test || (on.Count == 0 ? k != NotificationKind.Success : on.Contains(k.ToString(), StringComparer.OrdinalIgnoreCase)));
}

/// <summary>One message for people: what happened, what it means, what to do.</summary>
/// <param name="Kinds">The first is what it is above all.</param>
/// <param name="Title">One line.</param>
/// <param name="WhatToDo">Null when nothing is to be done.</param>
/// <param name="Reason">The error's own words, up to <see cref="ReasonLimit"/> characters.</param>
/// <param name="Link">Page of the release; null without <c>PublicAddress</c>.</param>
internal sealed record Notification(
    IReadOnlyList<NotificationKind> Kinds, string Application, string Host, string Title, string Meaning, string? WhatToDo,
    string? Release, string? Commit, IReadOnlyList<string> Services, string? Reason, string? Link, DateTimeOffset At)
{
    /// <summary>Below the limits of all chats, with the rest of the message.</summary>
    public const int ReasonLimit = 900;

    /// <summary>The same for every try, so that a receiver can tell a second try from a second message.</summary>
    public string Id { get; } = Guid.NewGuid().ToString("N");

    public NotificationKind Kind => Kinds[0];

    public string Subject => $"[{Application}] {Title}";

    /// <summary>Commit, services, machine, in one line.</summary>
    public string Facts => string.Join(" · ", new[]
    {
        Commit is null ? null : $"commit {Commit[..Math.Min(7, Commit.Length)]}",
        Services.Count == 0 ? null : string.Join(", ", Services),
        Host,
    }.OfType<string>());

    /// <summary>All of it as plain text.</summary>
    public string Text => string.Join("\n\n", new[] { Meaning, Reason, WhatToDo is null ? null : $"What to do: {WhatToDo}", Link, Facts }.OfType<string>());
}

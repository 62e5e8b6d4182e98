using WatchParty.Tools.Configuration;

namespace WatchParty.Worker.Notifying;

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
    public string Text =>
        string.Join("\n\n", new[] { Meaning, Reason, WhatToDo is null ? null : $"What to do: {WhatToDo}", Link, Facts }.OfType<string>());
}

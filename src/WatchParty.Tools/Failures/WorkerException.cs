namespace WatchParty.Tools.Failures;

/// <summary>Who has to act after an error.</summary>
internal enum Remedy
{
    /// <summary>The worker tries again by itself: a remote or an engine that does not answer, a full disk.</summary>
    RetriedByItself,

    /// <summary>The commit is at fault; it is tried again only when a new one comes, or when a person asks.</summary>
    NeedsNewCommit,

    /// <summary>Something on this machine has to be put right by a person; it is looked at again on the next poll.</summary>
    NeedsPerson,
}

/// <summary>An expected failure, with a message for people and the decision about what follows.</summary>
internal sealed class WorkerException(string message, Remedy remedy, Exception? inner = null) : Exception(message, inner)
{
    public Remedy Remedy { get; } = remedy;
}

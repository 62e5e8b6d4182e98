using Microsoft.Extensions.Logging;
using WatchParty.Tools.Configuration;
using WatchParty.Tools.Failures;

namespace WatchParty.Tools.Git;

/// <summary>What moving the working tree to a commit changed.</summary>
/// <param name="Moved">Whether another commit or branch was checked out before.</param>
/// <param name="Previous">Commit the branch pointed to before; null when it had none.</param>
/// <param name="HistoryRewritten">Whether that commit is not part of the new one's history: a force-push, local commits, or
/// a step back.</param>
/// <param name="Stash">Message of the stash that holds the local edits; null when there were none.</param>
/// <param name="SavedRef">Ref that keeps commits which no branch or tag reaches any more; null when none had to be kept.</param>
internal sealed record CheckoutResult(bool Moved, string? Previous, bool HistoryRewritten, string? Stash, string? SavedRef)
{
    /// <summary>What a person should know about it, or null when nothing out of the ordinary happened.</summary>
    public string? InWords()
    {
        List<string> words = [];
        if (Stash is not null) { words.Add($"local edits are on git's stash as '{Stash}'"); }
        if (HistoryRewritten && Previous is not null)
        {
            words.Add($"the history was rewritten or went back: {Previous[..7]} is not part of it");
        }
        if (SavedRef is not null) { words.Add($"commits that no branch reaches any more are kept as {SavedRef}"); }
        return words.Count == 0 ? null : string.Join("; ", words);
    }
}

/// <summary>Moves a branch with its files to a commit without losing anything of the operator's.</summary>
/// <remarks>Everything that could refuse is looked at first; what is set aside is stored before a file changes. A kill between
/// two steps leaves a state from which the same call goes on.</remarks>
internal sealed class GitCheckout(RepositoryOptions options, GitProcess git, GitRemote remote, ILogger logger)
{
    private sealed record Edits(IReadOnlyList<string> Changed, IReadOnlyList<string> Lossy);

    public async Task<CheckoutResult> RunAsync(string branch, string commit, string reason, CancellationToken cancellationToken)
    {
        RefuseUnfinishedWork();
        var head = await git.ResolveAsync("HEAD", cancellationToken);
        var tip = await git.ResolveAsync(GitCommands.Head(branch), cancellationToken);
        var current = (await git.TryAsync(GitCommands.CheckedOutBranch(git.Folder), cancellationToken)).Output.Trim();
        var edits = await FindEditsAsync(commit, cancellationToken);
        var moves = head != commit || current != GitCommands.Head(branch);
        if (!moves && edits.Changed.Count == 0) { return new CheckoutResult(false, tip, false, null, null); }

        var collisions = await GitCollisions.FindAsync(git, commit, edits.Changed, cancellationToken);
        if (collisions.Blocking.Count > 0)
        {
            throw new WorkerException($"Untracked files stand where {commit[..7]} has files of its own: {List(collisions.Blocking)}. " +
                $"Move them away, or commit them", Remedy.NeedsPerson);
        }
        var stash = await SetAsideAsync(edits, commit, reason, cancellationToken);
        if (!moves) { return new CheckoutResult(false, tip, false, stash, null); }

        var saved = tip is null ? null : await SaveAsync(tip, branch, commit, cancellationToken);
        if (current.Length == 0 && head is not null && head != tip)
        {
            saved = await SaveAsync(head, branch, commit, cancellationToken) ?? saved;
        }
        await MoveAsync(branch, commit, collisions.Identical, cancellationToken);

        var rewritten = tip is not null && !await IsAncestorAsync(tip, commit, cancellationToken);
        if (rewritten && !await IsAncestorAsync(commit, tip!, cancellationToken)) { logger.Rewritten(branch, tip!, commit); }
        return new CheckoutResult(true, tip, rewritten, stash, saved);
    }

    private void RefuseUnfinishedWork()
    {
        (string File, string Work)[] marks =
        [
            ("MERGE_HEAD", "merge"), ("rebase-merge", "rebase"), ("rebase-apply", "rebase"), ("CHERRY_PICK_HEAD", "cherry-pick"),
            ("REVERT_HEAD", "revert"),
        ];
        var folder = git.GitFolder();
        if (marks.FirstOrDefault(m => Path.Exists(Path.Combine(folder, m.File))).Work is { } work)
        {
            throw new WorkerException($"A {work} in {git.Folder} is not finished. Finish it, or give it up with `git {work} --abort`",
                Remedy.NeedsPerson);
        }
    }

    private async Task<Edits> FindEditsAsync(string commit, CancellationToken cancellationToken)
    {
        var status = await git.OutputAsync(GitCommands.LocalEdits(git.Folder), "Local edits cannot be looked for", cancellationToken);
        var entries = status.Split('\0', StringSplitOptions.RemoveEmptyEntries);
        if (entries.Length == 0) { return new Edits([], []); }
        var unmerged = entries.Where(e => e[..2] is "DD" or "AU" or "UD" or "UA" or "DU" or "AA" or "UU").Select(e => e[3..]).ToList();
        if (unmerged.Count > 0)
        {
            throw new WorkerException($"Files in {git.Folder} have conflicts that nobody has resolved: {List(unmerged)}. Resolve them, " +
                $"or set them back with `git checkout -f HEAD -- FILE`", Remedy.NeedsPerson);
        }
        // A git that was killed while it checked the commit out leaves files that look edited but are the commit's own.
        var different =
            (await git.OutputAsync(GitCommands.DifferentFrom(git.Folder, commit), "Local edits cannot be looked for",
                cancellationToken)).Split('\0').ToHashSet();
        return new Edits([.. entries.Select(e => e[3..])], [.. entries.Select(e => e[3..]).Where(different.Contains)]);
    }

    private async Task<string?> SetAsideAsync(Edits edits, string commit, string reason, CancellationToken cancellationToken)
    {
        if (edits.Changed.Count == 0) { return null; }
        string? message = null;
        if (edits.Lossy.Count > 0 && options.LocalChanges == LocalChanges.Refuse)
        {
            throw new WorkerException(
                $"Tracked files in {git.Folder} were edited: {List(edits.Lossy)}. Commit and push them, set them back with `git restore " +
                $"FILE`, or set Repository:LocalChanges to Stash",
                Remedy.NeedsPerson);
        }
        if (edits.Lossy.Count > 0 && options.LocalChanges == LocalChanges.Stash)
        {
            message = $"watchparty-worker: local edits set aside before releasing {commit[..7]} ({reason.ReplaceLineEndings(" ").Trim()})";
            var stash = (await git.OutputAsync(GitCommands.CreateStash(git.Folder, message), "Local edits cannot be set aside",
                cancellationToken)).Trim();
            if (stash.Length == 0)
            {
                throw new WorkerException($"Local edits cannot be set aside: git finds nothing to stash in {List(edits.Lossy)}. Commit " +
                    $"them, or set them back with `git restore FILE`", Remedy.NeedsPerson);
            }
            await git.OutputAsync(GitCommands.StoreStash(git.Folder, message, stash), "Local edits cannot be set aside", cancellationToken);
            logger.SetAside(List(edits.Lossy), message);
        }
        else if (edits.Lossy.Count > 0)
        {
            logger.Discarded(List(edits.Lossy));
        }
        await git.OutputAsync(GitCommands.Restore(git.Folder, edits.Changed), "Edited files cannot be set back", cancellationToken);
        return message;
    }

    /// <summary>Keeps <paramref name="old"/> when neither the new commit nor another branch, tag or kept ref reaches it.</summary>
    private async Task<string?> SaveAsync(string old, string branch, string commit, CancellationToken cancellationToken)
    {
        if (await IsAncestorAsync(old, commit, cancellationToken)) { return null; }
        var refs = (await git.OutputAsync(GitCommands.RefsWith(git.Folder, old), "The refs cannot be listed", cancellationToken)).Split(
            '\n', StringSplitOptions.RemoveEmptyEntries);
        // A release's ref goes when the release is forgotten, so it does not count.
        if (refs.Any(
            r => r != GitCommands.Head(branch) && !r.StartsWith("refs/watchparty/", StringComparison.Ordinal) && r != "refs/stash"))
        {
            return null;
        }
        var name = GitCommands.Saved(old);
        await git.OutputAsync(GitCommands.SetRef(git.Folder, name, old), "Local commits cannot be kept", cancellationToken);
        logger.Saved(old, name);
        return name;
    }

    private async Task MoveAsync(string branch, string commit, IReadOnlyList<string> identical, CancellationToken cancellationToken)
    {
        if (identical.Count > 0)
        {
            await git.OutputAsync(GitCommands.UpdateIndex(git.Folder, identical), "The index cannot be written", cancellationToken);
        }
        try
        {
            await git.OutputAsync(
                GitCommands.CheckOut(git.Folder, remote, branch, commit), $"{commit[..7]} cannot be checked out in {git.Folder}",
                cancellationToken);
        }
        catch when (identical.Count > 0)
        {
            // They were untracked before, so they are untracked after.
            await git.TryAsync(
                GitCommands.UpdateIndex(git.Folder,
                    identical.Select(l => $"0 {new string('0', 40)}{l[l.IndexOf('\t', StringComparison.Ordinal)..]}")),
                    CancellationToken.None);
            throw;
        }
        logger.Moved(branch, commit);
    }

    private async Task<bool> IsAncestorAsync(string ancestor, string commit, CancellationToken cancellationToken) =>
        (await git.TryAsync(GitCommands.IsAncestor(git.Folder, ancestor, commit), cancellationToken)).ExitCode == 0;

    private static string List(IReadOnlyList<string> paths) =>
        string.Join(", ", paths.Take(10)) + (paths.Count > 10 ? $" and {paths.Count - 10} more" : "");
}

internal static partial class GitCheckoutLog
{
    [LoggerMessage(Level = LogLevel.Information, Message = "Checked out {Commit} on branch {Branch}")]
    public static partial void Moved(this ILogger logger, string branch, string commit);

    [LoggerMessage(Level = LogLevel.Warning, Message = "Set local edits of {Files} aside; `git stash list` shows them as \"{Stash}\"")]
    public static partial void SetAside(this ILogger logger, string files, string stash);

    [LoggerMessage(Level = LogLevel.Warning, Message = "Discarded local edits of {Files}, as Repository:LocalChanges says")]
    public static partial void Discarded(this ILogger logger, string files);

    [LoggerMessage(Level = LogLevel.Warning, Message = "Commit {Commit} is on no branch any more; {Ref} keeps it")]
    public static partial void Saved(this ILogger logger, string commit, string @ref);

    [LoggerMessage(Level = LogLevel.Warning, Message = "The history of branch {Branch} was rewritten: {Old} is not part of {New}")]
    public static partial void Rewritten(this ILogger logger, string branch, string old, string @new);
}

using System.Collections.Immutable;
using System.Globalization;
using System.Security.Cryptography;
using System.Text;
using WatchParty.Tools.Git;
using WatchParty.Tools.Processes;

namespace WatchParty.Worker.Tests.Fakes.Git;

internal sealed record FakeCommit(string Id, string? Parent, ImmutableSortedDictionary<string, string> Files);

/// <summary>A remote with one branch and the checkout that follows it. It answers the commands of <see cref="GitCommands"/>; only the files
/// are real.</summary>
internal sealed class FakeGit
{
    public const string Branch = "main";

    private readonly Dictionary<string, FakeCommit> _commits = [];
    private readonly HashSet<string> _here = [];
    private readonly SortedDictionary<string, string> _refs = new(StringComparer.Ordinal);

    public FakeGit(string checkout)
    {
        Checkout = checkout;
        Directory.CreateDirectory(Path.Combine(checkout, ".git"));
        File.WriteAllText(Path.Combine(checkout, ".git", "HEAD"), $"ref: refs/heads/{Branch}\n");
    }

    public string Checkout { get; }

    /// <summary>The commit that the remote's branch points to.</summary>
    public string RemoteHead { get; private set; } = "";

    /// <summary>The commit that is checked out.</summary>
    public string Head => _refs.GetValueOrDefault($"refs/heads/{Branch}", "");

    /// <summary>Untracked files, by path.</summary>
    public SortedSet<string> Untracked { get; } = new(StringComparer.Ordinal);

    public IReadOnlyDictionary<string, string> Refs => _refs;

    public FakeCommit Commit(string id) => _commits[id];

    /// <summary>Commits these changes on the remote's branch; a content of null deletes the file.</summary>
    public string Push(params (string Path, string? Content)[] changes)
    {
        var files = RemoteHead.Length == 0 ? ImmutableSortedDictionary.Create<string, string>(StringComparer.Ordinal)
            : _commits[RemoteHead].Files;
        foreach (var (path, content) in changes) { files = content is null ? files.Remove(path) : files.SetItem(path, content); }
        var id = ObjectId(string.Create(CultureInfo.InvariantCulture, $"commit {_commits.Count}"));
        _commits[id] = new FakeCommit(id, RemoteHead.Length == 0 ? null : RemoteHead, files);
        return RemoteHead = id;
    }

    /// <summary>Lets the remote's branch point to a commit that it had before.</summary>
    public void Reset(string commit) => RemoteHead = commit;

    /// <summary>A clone of the remote.</summary>
    public void Clone()
    {
        Fetch();
        CheckOut(RemoteHead);
    }

    public ToolResult Answer(ToolCommand command)
    {
        var (verb, arguments) = Parse(command.Arguments);
        return verb switch
        {
            "ls-remote" => Done($"{RemoteHead}\trefs/heads/{Branch}\n"),
            "fetch" => Done(Fetch()),
            "config" => Done(Settings()),
            "rev-parse" => Resolve(arguments[^1][..^"^{commit}".Length]) is { } commit ? Done($"{commit}\n") : Failed(1),
            "symbolic-ref" => Done($"refs/heads/{Branch}\n"),
            "rev-list" => _here.Contains(arguments[^2]) ? Done("") : Failed(128, $"fatal: bad object {arguments[^2]}"),
            "ls-tree" => Done(Tree(arguments)),
            "ls-files" when arguments.Contains("--others") => Done(Lines(Below(Untracked, After(arguments, "--")))),
            "ls-files" when arguments.Contains("--stage") => Done(Lines(Below(_commits[Head].Files.Keys, After(arguments, "--"))
                .Select(p => $"H 100644 {ObjectId(_commits[Head].Files[p])} 0\t{p}"))),
            "ls-files" => Done(Lines(_commits[Head].Files.Keys)),
            "diff-tree" => Done(Lines(Changed(arguments[^3], arguments[^2]))),
            "diff" or "diff-index" or "status" or "gc" or "submodule" => Done(""),
            "log" => Done($"{arguments[^2]}\0a change\0Ann Author\0{1_700_000_000}\n"),
            "merge-base" => IsAncestor(arguments[^2], arguments[^1]) ? Done("") : Failed(1),
            "for-each-ref" => Done(References(arguments)),
            "update-ref" => Done(Update(arguments)),
            "checkout" => _here.Contains(arguments[^2]) ? Done(CheckOut(arguments[^2]))
                : Failed(128, $"fatal: reference is not a tree: {arguments[^2]}"),
            _ => throw new NotSupportedException($"git {verb}"),
        };
    }

    private string? Resolve(string name) => name == "HEAD" ? (Head.Length > 0 ? Head : null)
        : _refs.TryGetValue(name, out var commit) ? commit
        : _here.Contains(name) ? name : null;

    private string Fetch()
    {
        for (var commit = RemoteHead; commit is not null && _here.Add(commit); commit = _commits[commit].Parent) { }
        _refs[$"refs/remotes/origin/{Branch}"] = RemoteHead;
        return "";
    }

    private string CheckOut(string commit)
    {
        var before = Head.Length > 0 ? _commits[Head].Files : ImmutableSortedDictionary<string, string>.Empty;
        var after = _commits[commit].Files;
        foreach (var path in before.Keys.Where(p => !after.ContainsKey(p))) { File.Delete(Path.Combine(Checkout, path)); }
        foreach (var (path, content) in after.Where(f => before.GetValueOrDefault(f.Key) != f.Value))
        {
            var file = Path.Combine(Checkout, path);
            if (path.Contains('/', StringComparison.Ordinal)) { Directory.CreateDirectory(Path.GetDirectoryName(file)!); }
            File.WriteAllText(file, content);
        }
        _refs[$"refs/heads/{Branch}"] = commit;
        return "";
    }

    private string Settings() =>
        $"local\0file:{Path.Combine(Checkout, ".git", "config")}\0remote.origin.url\nhttps://git.example.org/app.git\0";

    private string Tree(List<string> arguments)
    {
        var commit = _commits[arguments[arguments.IndexOf("--full-tree") + 1]];
        return Lines(Below(commit.Files.Keys, After(arguments, "--")).Select(p => $"100644 blob {ObjectId(commit.Files[p])}\t{p}"));
    }

    private IEnumerable<string> Changed(string from, string to)
    {
        var (before, after) = (_commits[from].Files, _commits[to].Files);
        return before.Keys.Union(after.Keys)
            .Where(p => before.GetValueOrDefault(p) != after.GetValueOrDefault(p)).Order(StringComparer.Ordinal);
    }

    private bool IsAncestor(string ancestor, string commit)
    {
        for (var next = commit; next is not null && _commits.ContainsKey(next); next = _commits[next].Parent)
        {
            if (next == ancestor) { return true; }
        }
        return false;
    }

    private string References(List<string> arguments)
    {
        var found = arguments.IndexOf("--contains") is >= 0 and var at ? _refs.Where(r => IsAncestor(arguments[at + 1], r.Value))
            : _refs.Where(r => r.Key.StartsWith(arguments[^1], StringComparison.Ordinal));
        return string.Concat(found.Select(r => arguments.Contains("--format=%(refname)") ? $"{r.Key}\n" : $"{r.Value} {r.Key}\n"));
    }

    private string Update(List<string> arguments)
    {
        if (arguments.Contains("-d")) { _refs.Remove(arguments[^1]); } else { _refs[arguments[^2]] = arguments[^1]; }
        return "";
    }

    private static (string Verb, List<string> Arguments) Parse(IReadOnlyList<string> arguments)
    {
        var at = 0;
        while (arguments[at].StartsWith('-')) { at += arguments[at] == "-c" ? 2 : 1; }
        return (arguments[at], [.. arguments.Skip(at + 1)]);
    }

    private static IEnumerable<string> After(List<string> arguments, string mark) => arguments.Skip(arguments.IndexOf(mark) + 1);

    private static IEnumerable<string> Below(IEnumerable<string> paths, IEnumerable<string> folders)
    {
        var below = folders.Select(f => f.TrimEnd('/')).ToList();
        return below.Count == 0 ? paths : paths.Where(p => below.Exists(f => p == f || p.StartsWith($"{f}/", StringComparison.Ordinal)));
    }

    private static string Lines(IEnumerable<string> lines) => string.Concat(lines.Select(l => $"{l}\0"));

#pragma warning disable CA5350 // It is git's own.
    private static string ObjectId(string content) => Convert.ToHexStringLower(SHA1.HashData(Encoding.UTF8.GetBytes(content)));
#pragma warning restore CA5350

    private static ToolResult Done(string output) => new(0, output, "", TimeSpan.Zero);

    private static ToolResult Failed(int exitCode, string words = "") => new(exitCode, "", words, TimeSpan.Zero);
}

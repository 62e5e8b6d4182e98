using System.Text.RegularExpressions;
using WatchParty.Releases.Recording;
using WatchParty.Tools.Failures;
using WatchParty.Tools.Redacting;

namespace WatchParty.Releases.Building;

/// <summary>An image that could not be built: the step, its error and its last log lines.</summary>
internal sealed partial class BuildFailedException(string message, Remedy remedy) : Exception(message)
{
    /// <summary>Who has to act: an unreachable registry or a full disk is not the commit's fault.</summary>
    public Remedy Remedy { get; } = remedy;

    /// <summary>Whether BuildKit lost a layer of its own while it built. On the containerd store builds beside each other do that now and
    /// then, those of plain compose too (moby/buildkit 6521; seen on 28.5).</summary>
    public bool IsLostLayer { get; private init; }

    public static BuildFailedException Of(BuildStep? step, IEnumerable<string> text)
    {
        if (step is not null)
        {
            var where = $"{step.Target}: step [{step.Stage} {step.Number}/{step.Of}] {Short(step.Text)}";
            var log = step.LogTail.Count == 0 ? ""
                : $"{Environment.NewLine}{string.Join(Environment.NewLine, step.LogTail.TakeLast(10).Select(l => $"    {l}"))}";
            return new BuildFailedException($"{where} failed: {Short(step.Error ?? "no reason given")}{log}",
                RemedyFor($"{step.Error}\n{log}"))
            {
                IsLostLayer = LostLayer().IsMatch(step.Error ?? ""),
            };
        }
        var lines = text.Select(l => l.TrimEnd()).Where(l => l.Length > 0).ToList();
        var error = lines.LastOrDefault(l => l.StartsWith("ERROR:", StringComparison.Ordinal)) ?? lines.LastOrDefault()
            ?? "the build ended without a reason";
        // The last error is that of the target which failed first; only where no target failed does it speak of the cancellation.
        return new BuildFailedException(error,
            error.EndsWith("context canceled", StringComparison.Ordinal) ? Remedy.RetriedByItself : RemedyFor(string.Join('\n', lines)))
        {
            IsLostLayer = lines.Exists(l => LostLayer().IsMatch(l)),
        };
    }

    public static Remedy RemedyFor(string text) =>
        NotTheCommit().IsMatch(text) || LostLayer().IsMatch(text) ? Remedy.RetriedByItself : Remedy.NeedsNewCommit;

    private static string Short(string text) => Redaction.Shorten(text.ReplaceLineEndings(" "), 300);

    [GeneratedRegex(@"no space left on device|disk quota exceeded|failed to resolve source metadata|failed to do request|dial tcp|i/o timeout|TLS handshake timeout|toomanyrequests|Cannot connect to the Docker daemon|error reading from server: EOF|failed to receive status", RegexOptions.IgnoreCase)]
    private static partial Regex NotTheCommit();

    [GeneratedRegex(@"\bsnapshot \S+ does not exist: not found")]
    private static partial Regex LostLayer();
}

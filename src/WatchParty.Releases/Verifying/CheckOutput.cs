using System.Text.RegularExpressions;
using WatchParty.Tools.Redacting;

namespace WatchParty.Releases.Verifying;

/// <summary>What a health check printed, as the reason of a failure: its end, without progress bars.</summary>
internal static partial class CheckOutput
{
    private const int Longest = 300;

    public static string InShort(string? output)
    {
        var lines = (output ?? "").Split('\n').Select(AsShown).Where(l => l.Length > 0 && !IsProgress(l));
        var text = Redaction.Apply(string.Join(' ', lines));
        return text.Length <= Longest ? text : $"…{text[^Longest..]}";
    }

    /// <summary>What a terminal shows of a line in the end: what follows a carriage return overwrites what was there.</summary>
    private static string AsShown(string line) =>
        line.Split('\r', StringSplitOptions.TrimEntries).LastOrDefault(part => part.Length > 0 && !IsProgress(part)) ?? "";

    private static bool IsProgress(string line) => CurlHead().IsMatch(line) || Figures().IsMatch(line) || Bar().IsMatch(line);

    [GeneratedRegex("^(% Total|Dload +Upload)", RegexOptions.None, 1000)]
    private static partial Regex CurlHead();

    // A line of curl's table.
    [GeneratedRegex("^(?=.*--:--:--|.*[0-9]:[0-9]{2}:[0-9]{2})[0-9.:kKMGT -]+$", RegexOptions.None, 1000)]
    private static partial Regex Figures();

    // wget's, with and without busybox.
    [GeneratedRegex(@"[0-9]+% ?(\|[* ]*\||\[[=> ]*\])|(\.{10} ?){2}", RegexOptions.None, 1000)]
    private static partial Regex Bar();
}

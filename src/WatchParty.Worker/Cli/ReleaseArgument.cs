using System.CommandLine;
using System.Globalization;
using WatchParty.Releases.Recording;

namespace WatchParty.Worker.Cli;

/// <summary>A release as a person names it.</summary>
internal static class ReleaseArgument
{
    public static Argument<string?> Create(bool needed) => new("RELEASE")
    {
        Description = $"Number of a release, or the beginning of a commit{(needed ? "" : " (default: the newest release)")}",
        Arity = needed ? ArgumentArity.ExactlyOne : ArgumentArity.ZeroOrOne,
    };

    /// <summary>Null, and a word about it on standard error, when there is none.</summary>
    public static async Task<ReleaseReport?> FindAsync(History history, string? wanted)
    {
        var report = wanted is null ? (history.Last(1) is [var newest, ..] ? newest : null)
            : (long.TryParse(wanted, NumberStyles.None, CultureInfo.InvariantCulture, out var id) ? history.Find(id) : null)
                ?? (wanted.Length >= 4 && wanted.All(char.IsAsciiHexDigit) ? history.FindByCommit(wanted.ToLowerInvariant()) : null);
        if (report is null)
        {
            await Output.ErrorAsync(wanted is null ? "Nothing was released yet." : $"There is no release {wanted}. `history` lists them.");
        }
        return report;
    }
}

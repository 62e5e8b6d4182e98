namespace WatchParty.Releases.Recording;

/// <summary>Seconds for which an address gave no good answer while a release was deployed.</summary>
/// <param name="Longest">The longest time in one piece.</param>
internal sealed record Unanswered(double Total, double Longest);

namespace WatchParty.Tools.Configuration;

/// <summary>One thing wrong with the configuration.</summary>
/// <param name="Source">File, environment variable or flag that holds the value.</param>
/// <param name="Fix">What to write instead.</param>
internal sealed record ConfigurationFault(string Key, string Source, string Problem, string Fix)
{
    public override string ToString() => $"{Source}: {Key}: {Problem}. {Fix}";
}

/// <summary>Every fault of the configuration, at once.</summary>
internal sealed class ConfigurationFaultsException(IReadOnlyList<ConfigurationFault> faults)
    : Exception($"The configuration has {faults.Count} " +
        $"{(faults.Count == 1 ? "fault" : "faults")}:{string.Concat(faults.Select(f => $"{Environment.NewLine}  - {f}"))}")
{
    public IReadOnlyList<ConfigurationFault> Faults { get; } = faults;
}

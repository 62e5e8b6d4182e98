using System.Text.RegularExpressions;

namespace WatchParty.Worker.Checking;

/// <summary>A program that the worker stands on: the oldest version that is supported, and the newest that the tests run on.</summary>
/// <remarks>The tests run on both ends; <c>tests/engine/engine.sh</c> gets them.</remarks>
internal sealed partial record SupportedTool(string Name, Version Oldest, Version Newest)
{
    public static SupportedTool Engine { get; } = new("engine", new(26, 1), new(28, 5));

    public static SupportedTool Buildx { get; } = new("buildx", new(0, 13), new(0, 29));

    public static SupportedTool Compose { get; } = new("compose", new(2, 26), new(2, 40));

    /// <param name="version">A text whose first number is the version.</param>
    /// <param name="said">What else there is to say of the program.</param>
    public Check Judge(string version, string said)
    {
        // A build of somebody's own may have no number.
        if (Number().Match(version) is not { Success: true } match || !Version.TryParse(match.Value, out var number))
        {
            return new(Name, CheckStatus.Ok, said);
        }
        return number < Oldest
            ? new(Name, CheckStatus.Warning, $"{said}: older than {Oldest}, the oldest that is supported", $"Install {Name} {Oldest} or " +
                $"newer")
            : number > Newest ? new(Name, CheckStatus.Ok, $"{said}: newer than {Newest}, the newest that was tested")
            : new(Name, CheckStatus.Ok, said);
    }

    [GeneratedRegex(@"\d+\.\d+")]
    private static partial Regex Number();
}

using System.Globalization;
using WatchParty.Tools.Docker;

namespace WatchParty.Releases.Planning;

/// <summary>Health checks that do not stand in a compose file: they come with an image, or will with the next one.</summary>
internal static class HealthChecks
{
    /// <summary>What to write for a check that does not fit the service.</summary>
    public const string Mend = "take it away (healthcheck: {disable: true}) or write a check of its own";

    /// <inheritdoc cref="HealthTimes.Allows"/>
    public static TimeSpan Allows(ImageHealthCheck check) => HealthTimes.Allows(
        Nanoseconds(check.StartPeriod), Nanoseconds(check.Interval), Nanoseconds(check.Timeout), check.Retries);

    /// <summary>The check that the image of <paramref name="target"/> gets.</summary>
    /// <returns>The check; or the image, as it is written, from which one would come; both null when there is none.</returns>
    public static (ImageHealthCheck? Check, string? From) Of(Dockerfile dockerfile, string? target)
    {
        var stages = dockerfile.Stages;
        var stage = target is null ? (stages is [.., var last] ? last : null)
            : stages.LastOrDefault(s => target.Equals(s.Name, StringComparison.OrdinalIgnoreCase));
        while (stage is not null)
        {
            if (stage.Instructions.LastOrDefault(i => i.Keyword == "HEALTHCHECK") is { } instruction) { return (Parse(instruction), null); }
            var index = stage.Index;
            var from = stage.Base;
            stage = stages.LastOrDefault(s => s.Index < index && from.Equals(s.Name, StringComparison.OrdinalIgnoreCase));
            if (stage is null) { return (null, from); }
        }
        return (null, null);
    }

    private static ImageHealthCheck? Parse(DockerfileInstruction instruction) =>
        instruction.Words is [var first, ..] && first.Equals("NONE", StringComparison.OrdinalIgnoreCase) ? null : new(["CMD"])
        {
            Interval = Flag(instruction, "interval"),
            Timeout = Flag(instruction, "timeout"),
            StartPeriod = Flag(instruction, "start-period"),
            // Zero when it is not a number.
            Retries = int.TryParse(instruction.Flag("retries"), NumberStyles.None, CultureInfo.InvariantCulture, out var count) ? count : 0,
        };

    private static long Flag(DockerfileInstruction instruction, string name) => HealthSection.Duration(instruction.Flag(name)).Ticks * 100;

    private static TimeSpan Nanoseconds(long count) => TimeSpan.FromTicks(count / 100);
}

using System.Collections.Immutable;
using System.Globalization;
using System.Text.Json;
using System.Text.RegularExpressions;

namespace WatchParty.Releases.Planning;

/// <summary>A network of the file.</summary>
/// <param name="Name">Its name on the engine.</param>
/// <param name="External">Whether compose only uses it.</param>
/// <param name="Driver">Null when the file leaves it to the engine.</param>
internal sealed record NetworkSection(
    string Name, bool External, string? Driver, bool Internal, ImmutableArray<string> Subnets, ImmutableDictionary<string, string> Options)
{
    public static NetworkSection Parse(JsonElement section) => new(
        ComposeService.Text(section, "name") ?? "",
        ComposeService.IsTrue(section, "external"),
        ComposeService.Text(section, "driver"),
        ComposeService.IsTrue(section, "internal"),
        ComposeService.Section(ComposeService.Section(section, "ipam"), "config") is { ValueKind: JsonValueKind.Array } pools
            ? [.. pools.EnumerateArray().Select(p => ComposeService.Text(p, "subnet")).OfType<string>()] : [],
        ComposeService.Map(section, "driver_opts"));
}

/// <summary>A volume of the file.</summary>
/// <param name="Name">Its name on the engine.</param>
/// <param name="External">Whether compose only uses it.</param>
/// <param name="Driver">Null when the file leaves it to the engine.</param>
internal sealed record VolumeSection(string Name, bool External, string? Driver, ImmutableDictionary<string, string> Options)
{
    public static VolumeSection Parse(JsonElement section) => new(
        ComposeService.Text(section, "name") ?? "",
        ComposeService.IsTrue(section, "external"),
        ComposeService.Text(section, "driver"),
        ComposeService.Map(section, "driver_opts"));
}

/// <param name="Volume">Key of the volume in the file.</param>
/// <param name="Target">Folder in the container.</param>
internal sealed record MountedVolume(string Volume, string Target);

/// <param name="Target">Port and protocol in the container, as the engine writes them (<c>8000/tcp</c>).</param>
/// <param name="Published">Port of the host; a range when the engine may choose in it, null when it may choose any.</param>
internal sealed record PortSection(string Target, string? Published)
{
    public static PortSection Parse(JsonElement port) => new(
        $"{ComposeService.Section(port, "target")}/{ComposeService.Text(port, "protocol") ?? "tcp"}",
        ComposeService.Section(port, "published")?.ToString() is { Length: > 0 } published and not "0" ? published : null);

    /// <summary>Whether the host's port <paramref name="port"/> is one that the file allows.</summary>
    public bool Allows(string? port)
    {
        if (Published is null) { return port is { Length: > 0 }; }
        var ends = Published.Split('-');
        return ends.Length == 2 && int.TryParse(port, out var bound) && int.TryParse(ends[0], out var first)
            && int.TryParse(ends[1], out var last)
            ? bound >= first && bound <= last
            : port == Published;
    }
}

/// <summary>A health check as a file writes it.</summary>
/// <param name="Disabled">Whether the file takes away that of the image.</param>
/// <param name="Allows">How long its first verdict may take (<see cref="HealthTimes"/>).</param>
internal sealed partial record HealthSection(bool Disabled, TimeSpan Allows)
{
    public static HealthSection Parse(JsonElement section) => new(
        ComposeService.IsTrue(section, "disable") || ComposeService.Section(section, "test") is { ValueKind: JsonValueKind.Array } test
            && test.GetArrayLength() > 0 && test[0].ToString() == "NONE",
        HealthTimes.Allows(
            Duration(ComposeService.Text(section, "start_period")),
            Duration(ComposeService.Text(section, "interval")),
            Duration(ComposeService.Text(section, "timeout")),
            ComposeService.Section(section, "retries") is { ValueKind: JsonValueKind.Number } retries ? retries.GetInt32() : 0));

    /// <summary>A length of time as Go writes it (<c>1m30s</c>, <c>500ms</c>), or zero.</summary>
    public static TimeSpan Duration(string? text)
    {
        var sum = TimeSpan.Zero;
        foreach (Match part in Part().Matches(text ?? ""))
        {
            var count = double.Parse(part.Groups[1].ValueSpan, CultureInfo.InvariantCulture);
            sum += part.Groups[2].Value switch
            {
                "h" => TimeSpan.FromHours(count),
                "m" => TimeSpan.FromMinutes(count),
                "s" => TimeSpan.FromSeconds(count),
                "ms" => TimeSpan.FromMilliseconds(count),
                _ => TimeSpan.Zero,
            };
        }
        return sum;
    }

    [GeneratedRegex(@"([0-9]{1,9}(?:\.[0-9]{1,9})?)(h|ms|m|us|µs|ns|s)", RegexOptions.None, 1000)]
    private static partial Regex Part();
}

/// <summary>How long a health check may take until it has a verdict.</summary>
internal static class HealthTimes
{
    private static readonly TimeSpan Usual = TimeSpan.FromSeconds(30);

    /// <summary>The time after its start within which the engine calls a container healthy or unhealthy: failures in the start period do
    /// not count, and after it as many in a row as there are retries. What is zero has the engine's default (daemon/health.go).</summary>
    public static TimeSpan Allows(TimeSpan startPeriod, TimeSpan interval, TimeSpan timeout, int retries) =>
        startPeriod + (retries > 0 ? retries : 3) * (Or(interval, Usual) + Or(timeout, Usual));

    private static TimeSpan Or(TimeSpan time, TimeSpan usual) => time > TimeSpan.Zero ? time : usual;
}

using System.Collections.Immutable;

namespace WatchParty.Worker.Tests.Fakes.Docker;

/// <summary>An image of an <see cref="EngineModel"/>.</summary>
/// <param name="Id">Follows from all else.</param>
/// <param name="Files">What a container sees in its working folder.</param>
/// <param name="Command">What it runs unless its service says otherwise.</param>
internal sealed record ModelImage(string Id, ImmutableDictionary<string, string> Files, ImmutableArray<string> Command)
{
    public ImmutableDictionary<string, string> Labels { get; init; } = ImmutableDictionary<string, string>.Empty;

    public HealthCheck? HealthCheck { get; init; }

    public ImmutableArray<string> Volumes { get; init; } = [];

    /// <summary>Name and digest in the registry that it comes from; none for one that was built here.</summary>
    public ImmutableArray<string> Digests { get; init; } = [];

    public bool HasCacheMetadata { get; init; }

    public DateTimeOffset Created { get; init; }
}

/// <summary>A health check, as an image or a service has it.</summary>
internal sealed record HealthCheck(ImmutableArray<string> Test, TimeSpan Interval, int Retries, TimeSpan StartPeriod)
{
    public bool IsNone => Test is [] or ["NONE"];

    /// <summary>Whether it goes well in a container with these files. One that asks for <c>/health</c> is answered by the file
    /// <c>status</c>.</summary>
    public bool Passes(IReadOnlyDictionary<string, string> files)
    {
        var text = string.Join(' ', Test);
        if (text.Contains("exit 1", StringComparison.Ordinal) || text.EndsWith("false", StringComparison.Ordinal)) { return false; }
        return !text.Contains("/health", StringComparison.Ordinal) || files.GetValueOrDefault("status", "ok").Trim() == "ok";
    }
}

using WatchParty.Tools.Configuration;

namespace WatchParty.Releases.Recording;

/// <summary>A release as it serves: what going back to it needs, and what it is compared with.</summary>
/// <param name="Release">Its number; 0 for what somebody started before the worker came.</param>
/// <param name="Project">Compose project of its containers; null where an earlier version of the worker did not record it.</param>
/// <param name="Source">What its model was resolved with; null where an earlier version did not record it.</param>
/// <param name="Services">By service, built or not, the image that its containers run.</param>
internal sealed record Served(long Release, string Commit, string? Project, ModelSource? Source,
    IReadOnlyDictionary<string, ServedService> Services);

/// <param name="Image">Name of the image in its compose file.</param>
/// <param name="ImageId">Id of the image that its containers run; for a service without containers what its name stood for.</param>
internal sealed record ServedService(string Image, string ImageId);

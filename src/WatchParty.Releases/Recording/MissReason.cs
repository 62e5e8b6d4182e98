namespace WatchParty.Releases.Recording;

/// <summary>Why a step ran instead of coming from the cache. The names are part of the JSON.</summary>
internal enum MissCause { FreshBuild, FirstBuild, FilesChanged, ArgumentChanged, DockerfileChanged, BaseImageChanged, RecordEvicted }

/// <param name="Text">The cause in words.</param>
/// <param name="Avoidable">Whether the step would have been cached if the argument were declared below it.</param>
internal sealed record MissReason(MissCause Cause, string Text, bool Avoidable = false);
